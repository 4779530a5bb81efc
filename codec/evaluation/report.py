"""Writes docs/results.md, the README's table and the model card's from what was measured, by the templates beside it.

What no results file says yet is "not measured yet". The files: kodak.json and cid22.json of `rd`, those with -iso
of `iso`, jpeg.json, speed.json and checks.json of the commands of these names, cid22-checks.json of `checks`,
and plots in docs/plots. Where another machine has the GPU, what `speed` says there goes into speed-cuda.json.
"""

import json
import re
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

from jinja2 import Environment, FileSystemLoader, Undefined

from codec.metrics.bd_rate import SCALES, bd_rate_of_curves
from codec.results import OURS, WITH_GAN, is_ours, mixture, read_json, refinements_of, title, tune_of
from codec.spec import MS_SSIM, SYNTHESIS, TUNES

YET = "not measured yet"
RESULTS, MANIFEST = ("<!-- results -->", "<!-- /results -->"), ("<!-- manifest -->", "<!-- /manifest -->")
EMBEDDED = {"rd-psnr": "PSNR over rate", "perception-distortion": "LPIPS over PSNR"}
LINKED = {"rd-ms-ssim": "MS-SSIM over rate", "rd-lpips": "LPIPS over rate"}
CLASSICAL = ("heic", "avif", "webp", "jpeg")
FILES = {  # by their names in the templates
    "kodak": "kodak",
    "cid22": "cid22",
    "kodak_sizes": "kodak-iso",
    "cid22_sizes": "cid22-iso",
    "pages_sizes": "pages-iso",
    "kodak_worth": "kodak-worth",
    "checks": "checks",
    "cid22_checks": "cid22-checks",
    "speed": "speed",
    "speed_cuda": "speed-cuda",
    "jpeg": "jpeg",
    "history": "history",
}
TOTAL_BYTES = 50_000_000  # of the whole weights folder, the classroom's among them


class Column(NamedTuple):
    """Of the tables at equal sizes."""

    heading: str
    spec: str
    best: object  # max or min


COLUMNS = {
    "psnr": Column("PSNR, dB", ".2f", max),
    "ms_ssim": Column("MS-SSIM", ".4f", max),
    "lpips": Column("LPIPS", ".3f", min),
    "vgg": Column("VGG distance", ".1f", min),
    "gram": Column("Gram distance", ".1f", min),
    "frechet": Column("Fréchet", ".2f", min),
}


def form(value, spec: str, unit: str = "") -> str:
    """A number by a format, "–" where there is none."""
    return "–" if value is None or isinstance(value, Undefined) else format(value, spec) + unit


def decoders_of(at: dict) -> list[str]:
    """Our decoders among the codecs at one size, without the steps of realism."""
    return [name for name in at["codecs"] if is_ours(name) and "@" not in name]


def rivals(at: dict, name: str) -> list[dict]:
    """Whom a codec competes with for bold type: our decoders among themselves."""
    return [at["codecs"][n] for n in decoders_of(at)] if is_ours(name) else []


def is_best(row: dict, key: str, rivals: list[dict]) -> bool:
    values = [rival[key] for rival in rivals if rival.get(key) is not None]
    return len(values) > 1 and row.get(key) is not None and row[key] == COLUMNS[key].best(values)


def ours_first(at: dict) -> list[tuple[str, dict]]:
    return sorted(((n, r) for n, r in at["codecs"].items() if "@" not in n), key=lambda item: not is_ours(item[0]))


def measured(rd: dict) -> list[str]:
    """The metrics with at least one BD-rate."""
    return [m for m in SCALES if any(b["percent"] is not None for b in rd.get(f"bd_rate_{m}", {}).values())]


def refined(rd: dict) -> list[str]:
    """Our codecs with refined latents, by what for and how often."""
    names = (n for n in rd.get("curves", {}) if is_ours(n) and refinements_of(n))
    return sorted(names, key=lambda n: (TUNES.index(tune_of(n)), refinements_of(n)))


def bd_rate_of(rd: dict, test: str, other: str, metric: str) -> dict:
    """The BD-rate of one of our codecs against another codec."""
    return bd_rate_of_curves(rd["curves"][other], rd["curves"][test], metric)


def classical(rd: dict) -> list[str]:
    """The other codecs, the one we save most against first."""
    return sorted(
        (n for n in rd["bd_rate_psnr"] if not is_ours(n)), key=lambda n: rd["bd_rate_psnr"][n]["percent"] or 0
    )


def other_decoders(rd: dict) -> list[dict]:
    """For every decoder of ours besides the first: what it gains in LPIPS and gives up in PSNR against each codec."""
    curves = rd["curves"]

    def percent(other: str, own: str, metric: str) -> float | None:
        return bd_rate_of_curves(curves[other], curves[own], metric)["percent"]

    others = [n for n in curves if not is_ours(n) or n == OURS]
    return [
        {
            "title": title(own),
            "against": [(title(n), percent(n, own, "lpips"), percent(n, own, "psnr")) for n in others],
        }
        for own in curves
        if is_ours(own) and own != OURS and not refinements_of(own)
    ]


def realism(at: dict) -> list[dict]:
    """The way from a fidelity decoder to a generative one: {realism, decoder, row} for each step."""
    steps = sorted(n for n in at["codecs"] if "@" in n)
    if not steps:
        return []
    end = steps[0].partition("@")[0]
    path = {"0": OURS} | {n.partition("@")[2]: n for n in steps if n.startswith(end + "@")} | {"1": end}
    return [{"realism": t, "decoder": n.partition(":")[2], "row": at["codecs"][n]} for t, n in path.items()]


def gan(sets: Iterable[dict]) -> list[dict]:
    """What the discriminator changes in the Fréchet distance: {name, rates: {bpp: (change, error)}} for each set."""
    data_sets = []
    for sizes in sets:
        rows = {at["target_bpp"]: at["codecs"].get(WITH_GAN, {}) for at in sizes.get("equal_size", [])}
        rates = {bpp: row["frechet_over_nogan"] for bpp, row in rows.items() if "frechet_over_nogan" in row}
        data_sets += [{"name": sizes["data_set"], "rates": rates}] if rates else []
    return data_sets


def times(k: float | str) -> str:
    """The k of `worth`, or beyond which end of the curve it lies."""
    return f"{k[0]} {float(k[1:]):.2f}" if isinstance(k, str) else f"{k:.2f}"


def by_image(sizes: dict, target: float) -> dict[str, dict[str, dict]]:
    """The rows of every image at one rate, by image and codec."""
    images: dict[str, dict[str, dict]] = {}
    for row in sizes.get("points", []):
        if row["setting"] == target:
            images.setdefault(row["image"], {})[row["codec"]] = row
    return images


def remaining(sizes: dict) -> list[dict]:
    """Where a codec cannot make every picture small enough: our means over those that remain."""
    return [
        {"codec": name, "bpp": at["target_bpp"], "ours": row["ours_on_the_same"]}
        for at in sizes["equal_size"]
        for name, row in ours_first(at)
        if "ours_on_the_same" in row and not is_ours(name)
    ]


def measured_columns(sizes: dict) -> list[str]:
    return [k for k in COLUMNS if any(k in row for at in sizes["equal_size"] for row in at["codecs"].values())]


def environment() -> Environment:
    jinja = Environment(
        loader=FileSystemLoader(Path(__file__).parent), trim_blocks=True, lstrip_blocks=True, keep_trailing_newline=True
    )
    jinja.filters |= {"form": form, "times": times, "mixture": mixture, "heading": lambda key: COLUMNS[key].heading}
    functions = (title, decoders_of, rivals, is_best, ours_first, measured, classical, other_decoders, realism, gan,
                 remaining, by_image, measured_columns, refined, refinements_of, tune_of, bd_rate_of)  # fmt: skip
    jinja.globals |= {function.__name__: function for function in functions}
    jinja.globals |= {"yet": YET, "OURS": OURS, "MS_SSIM": MS_SSIM, "scales": SCALES, "columns": COLUMNS}
    jinja.globals |= {
        "shown_plots": EMBEDDED,
        "linked_plots": LINKED,
        "bd_digits": {**dict.fromkeys(SCALES, ".1f"), "lpips": ".2f"},
    }
    jinja.globals["known_codecs"] = lambda at: [n for n in CLASSICAL if n in at["codecs"]]
    return jinja


def render(template: str, results: Path) -> str:
    """A template with the results files of a folder, and the plots beside it."""
    read = {name: read_json(results / f"{file}.json") for name, file in FILES.items()}
    folder = results.resolve().parent / "docs" / "plots"
    plots = [n for n in (*EMBEDDED, *LINKED) if (folder / f"kodak-{n}.png").exists()]
    text = environment().get_template(template).render(plots=plots, **read)
    return re.sub(r"\n{3,}", "\n\n", text).strip() + "\n"


def total(files: Iterable[Path]) -> int:
    return sum(path.stat().st_size for path in files)


def traits(decoder: dict) -> str:
    """How a decoder's network differs from the first one."""
    kind = decoder.get("architecture", SYNTHESIS)
    blocks = sum(map(int, re.findall(r"-(\d)", kind)))
    reads = {f"{blocks} more blocks": blocks, "reads σ": "+scales" in kind, "reads noise": "+noise" in kind}
    return "".join(f", {text}" for text, holds in reads.items() if holds)


def card(weights: Path) -> str:
    """What the manifest says of every network, for the model card."""
    manifest = json.loads((weights / "manifest.json").read_text())
    trunk = manifest["trunk"]
    decoders = {k.split("/")[1]: v for k, v in manifest["decoders"].items() if k.split("/")[0] == trunk}
    context = {
        "trunk": trunk,
        "entry": manifest["trunks"][trunk],
        "decoders": decoders,
        "traits": traits,
        "run": lambda entry: f"{entry['steps']:,} steps in {entry['wall_minutes']:.0f} min",
        "megabytes": lambda entry: f"{total(weights / name for name in entry['files']) / 1e6:.1f}",
        "total": total(weights.rglob("*.*")) / 1e6,
        "most": TOTAL_BYTES / 1e6,
    }
    return environment().get_template("card.md.j2").render(**context)


def between(text: str, marks: tuple[str, str], new: str) -> str:
    """The text with what stands between two marks replaced."""
    before, after = text[: text.index(marks[0])], text[text.index(marks[1]) :]
    return f"{before}{marks[0]}\n{new.strip()}\n{after}"


def update(readme: Path, results: Path) -> list[Path]:
    """Brings docs/results.md, the README and the model card up to date; the files that this changed."""
    folder = readme.resolve().parent
    document, model_card = folder / "docs" / "results.md", folder / "weights" / "README.md"
    texts = {
        document: render("results.md.j2", results),
        readme: between(readme.read_text(), RESULTS, render("readme.md.j2", results)),
        model_card: between(model_card.read_text(), MANIFEST, "\n" + card(folder / "weights")),
    }
    changed = [path for path, text in texts.items() if not path.exists() or path.read_text() != text]
    for path in changed:
        path.parent.mkdir(exist_ok=True)
        path.write_text(texts[path])
    return changed
