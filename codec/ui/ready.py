"""What the Compare tab shows before anything is computed: an example at a size that was measured beforehand."""

from codec.spec import quality_index
from codec.ui import examples, front, viewer
from codec.ui.names import BASELINES, DECODERS, ORIGINAL, OURS
from codec.ui.tables import Row, headline, remark, table, verdict
from codec.ui.texts import t

MODEL = "hific-lo"  # what the stored pictures are of


def ready(example: int, bpp: float | None, model: str, sides: tuple[str, str, str]) -> dict:
    """By component of the tab: the images, the headline, the verdict and the table as far as they are stored.

    bpp: the target rate, None where it is another target. sides: left and right of the divider, and the baseline.
    """
    left, right, baseline = sides
    name = list(examples.sources())[example]
    point = next((p for p in front.points() if (p["image"], p["target_bpp"]) == (name, bpp)), None)
    if point is None or model != MODEL:
        waiting = t("compare.encoding_first")
        return {
            "pictures": examples.first_view(example, left, right),
            "headline": f"<div class='big'>{waiting}</div>",
            "verdict": "",
            "figures": "",
        }
    ours = row(point, OURS, t("compare.ours_by", decoder=DECODERS["hific"]), point["bytes"], point["hific"])
    jpeg = row(
        point, "jpeg", f"{BASELINES['jpeg']} ({point['jpeg']['setting']})", point["jpeg"]["bytes"], point["jpeg"]
    )
    source = row(point, ORIGINAL, t("compare.original"), point["original_bytes"], {})
    entries = [
        viewer.stored(OURS, ours.name, remark(ours), front.located(point["hific"]["file"])),
        viewer.stored("jpeg", BASELINES["jpeg"], remark(jpeg), front.located(point["jpeg"]["file"])),
    ]
    return {
        "pictures": examples.first_view(example, left, right, tuple(entries)),
        "headline": headline(ours, quality_index(point["lambda"]), None, []),
        "verdict": verdict(ours, jpeg, BASELINES["jpeg"], "") if baseline == "jpeg" else "",
        "figures": table([ours, jpeg, source]),
    }


def row(point: dict, key: str, name: str, size: int, measures: dict) -> Row:
    pixels = point["width"] * point["height"]
    quality = {field: measures.get(field) for field in ("psnr", "ms_ssim", "lpips")}
    return Row(key, name, size, 8 * size / pixels, 3 * pixels / size, **quality)
