"""Mean curves over a data set, and BD-rates between them.

A curve holds, for every setting of a codec, the means over the pictures: of the rate, of PSNR and of LPIPS. MS-SSIM
is averaged, too, and put on its dB scale after that, as published curves are.
"""

from codec.evaluation.points import METRICS
from codec.evaluation.results import OURS, is_ours
from codec.metrics import ms_ssim_db
from codec.metrics.bd_rate import SCALES, bd_rate_of_curves

NAMES = {
    "ours": "ours",
    "jpeg": "JPEG",
    "webp": "WebP",
    "jpeg2000": "JPEG 2000",
    "avif": "AVIF",
    "heic": "HEIC (x265 intra)",
    "jxl": "JPEG XL",
}


def title(codec: str) -> str:
    """What a codec is called in tables and plots."""
    return NAMES.get(codec) or f"ours, {codec.partition(':')[2]} decoder"


def complete_pictures(points: list[dict]) -> set[str]:
    """The pictures that have a point at every setting of every codec: means over others would not compare."""
    wanted = {(p["codec"], p["setting"]) for p in points}
    found: dict[str, set] = {}
    for p in points:
        found.setdefault(p["image"], set()).add((p["codec"], p["setting"]))
    return {image for image, has in found.items() if has == wanted}


def mean(points: list[dict], key: str) -> float | None:
    """The mean of a key over points, None where one of them has none."""
    values = [p.get(key) for p in points]
    return None if not values or any(v is None for v in values) else sum(values) / len(values)


def curve(points: list[dict], name: str) -> list[dict]:
    """Means over the pictures at every setting of a codec, by rising rate."""
    means = []
    for setting in sorted({p["setting"] for p in points if p["codec"] == name}):
        group = [p for p in points if p["codec"] == name and p["setting"] == setting]
        row = {key: mean(group, key) for key in ("bpp", *METRICS, "encode_ms", "decode_ms")}
        if row["ms_ssim"] is not None:
            row["ms_ssim_db"] = ms_ssim_db(row["ms_ssim"])
        digits = {"bpp": 5, "lpips": 5, "ms_ssim": 6}
        means.append({"setting": setting} | {k: round(v, digits.get(k, 4)) for k, v in row.items() if v is not None})
    return sorted(means, key=lambda m: m["bpp"])


def bd_rate(points: list[dict], anchor: str, test: str = OURS, metric: str = "psnr") -> dict:
    """The BD-rate of `test` against `anchor`, with what `bd_rate_of_curves` says of it."""
    return bd_rate_of_curves(curve(points, anchor), curve(points, test), metric)


def summarize(result: dict) -> dict:
    """Adds curves, and BD-rates of ours against everything else in every metric, to what `rd.evaluate` found."""
    complete = complete_pictures(result["points"])
    points = [p for p in result["points"] if p["image"] in complete]
    result["pictures_in_means"] = len(complete)
    names = sorted({p["codec"] for p in points})
    result["curves"] = {n: curve(points, n) for n in names}
    if OURS in names:
        for metric in SCALES:
            others = [n for n in names if n != OURS]
            result[f"bd_rate_{metric}"] = {
                n: bd_rate_of_curves(result["curves"][n], result["curves"][OURS], metric) for n in others
            }
        result["weights"] = next(p["weights"] for p in points if p["codec"] == OURS)
    return result


def bd_table(result: dict, anchor: str, tests: list[str] | None = None) -> str:
    """BD-rates of some codecs of a results file, or of all, against one of them, in every metric, as text.

    Raises ValueError for an anchor that the file does not have.
    """
    curves = result["curves"]
    if anchor not in curves:
        raise ValueError(f"There is no '{anchor}' in these results; there are: {', '.join(curves)}.")
    lines = [f"BD-rate against {title(anchor)}, in the quality that both cover:"]
    for name in sorted({*(curves if tests is None else tests)} - {anchor}, key=lambda n: (not is_ours(n), n)):
        cells = []
        for metric, scale in SCALES.items():
            bd = bd_rate_of_curves(curves[anchor], curves[name], metric)
            if bd["percent"] is None:
                cells.append(f"{scale.label} – ({bd['reason']})")
            else:
                span = f"{bd[f'{metric}_from']}…{bd[f'{metric}_to']}{scale.unit}"
                cells.append(f"{scale.label} {bd['percent']:+.1f} % ({span})")
        lines.append(f"  {title(name):24}" + "   ".join(f"{c:36}" for c in cells).rstrip())
    return "\n".join(lines)
