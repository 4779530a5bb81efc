"""Writes the measured section of the README from the results files, and nothing else.

What no results file says yet is "not measured yet". The files: kodak.json and cid22.json of `rd`, those with -iso
of `iso`, jpeg.json, speed.json and checks.json of the commands of these names, and plots in docs/plots. Where another
machine has the GPU, what `speed` says there goes into speed-cuda.json.
"""

from pathlib import Path

from codec.evaluation.curves import SCALES, bd_rate_of_curves, title
from codec.evaluation.results import OURS, WITH_GAN, is_ours, read_json

START, END = "<!-- results -->", "<!-- /results -->"
PLOTS = "docs/plots"
SHOWN = {"rd-psnr": "PSNR over rate", "perception-distortion": "LPIPS over PSNR"}
LINKED = {"rd-ms-ssim": "MS-SSIM over rate", "rd-lpips": "LPIPS over rate"}
YET = "not measured yet"


def table(head: list[str], rows: list[list[str]]) -> str:
    return "\n".join("| " + " | ".join(row) + " |" for row in [head, ["---"] * len(head), *rows])


def bd_cell(bd: dict, metric: str) -> str:
    """ "-42.8 % (25.0–35.5)" """
    if bd.get("percent") is None:
        return f"– ({bd.get('reason', YET)})"
    digits = 2 if metric == "lpips" else 1
    low, high = (bd[f"{metric}_{end}"] for end in ("from", "to"))
    return f"{bd['percent']:+.1f} % ({low:.{digits}f}–{high:.{digits}f})"


def bd_rates(rd: dict, name: str) -> str:
    """Our BD-rates against every other codec, in every metric."""
    if not rd.get("bd_rate_psnr"):
        return f"**{name}:** {YET}."
    measured = [m for m in SCALES if any(b["percent"] is not None for b in rd.get(f"bd_rate_{m}", {}).values())]
    rows = [
        [title(other), *(bd_cell(rd[f"bd_rate_{m}"].get(other, {}), m) for m in measured)]
        for other in sorted(rd["bd_rate_psnr"], key=lambda n: rd["bd_rate_psnr"][n]["percent"] or 0)
        if not is_ours(other)
    ]
    missing = [SCALES[m].label for m in SCALES if m not in measured]
    count = rd.get("pictures_in_means", rd["pictures"])
    after = f"\n\n{' and '.join(missing)}: {YET}." if missing else ""
    heads = [f"BD-rate in {SCALES[m].label}{SCALES[m].unit and f' ({SCALES[m].unit.strip()})'}" for m in measured]
    text = f"**{name}**, {count} pictures, weights `{rd['weights']}`:\n\n{table(['against', *heads], rows)}{after}"
    return "\n\n".join([text, *decoder_lines(rd)])


def decoder_lines(rd: dict) -> list[str]:
    """One line for every decoder of ours besides the first: what it gains in LPIPS and what it gives up in PSNR."""
    lines = []
    for own in (n for n in rd["curves"] if is_ours(n) and n != OURS):
        cells = []
        for other in (n for n in rd["curves"] if not is_ours(n) or n == OURS):
            both = [bd_rate_of_curves(rd["curves"][other], rd["curves"][own], m)["percent"] for m in ("lpips", "psnr")]
            shown = ["–" if p is None else f"{p:+.1f} %" for p in both]
            cells.append(f"{title(other)} {shown[0]} ({shown[1]})")
        lines.append(f"{title(own)}, BD-rate in LPIPS (in PSNR) against: {', '.join(cells)}.")
    return lines


def our_curve(rd: dict) -> str:
    """Our own curve on Kodak, by λ."""
    if not rd.get("curves", {}).get(OURS):
        return ""
    points = rd["curves"][OURS]
    rows = [["bpp", *(f"{p['bpp']:.3f}" for p in points)], ["PSNR, dB", *(f"{p['psnr']:.2f}" for p in points)]]
    for key, digits, label in (("ms_ssim", 4, "MS-SSIM"), ("lpips", 3, "LPIPS")):
        if all(key in p for p in points):
            rows.append([label, *(f"{p[key]:.{digits}f}" for p in points)])
    return table(["λ, Kodak", *(f"{p['setting']:g}" for p in points)], rows)


def rate_distortion(kodak: dict, cid22: dict) -> str:
    intro = (
        "Rate is bytes on disk, header included. BD-rates by Akima interpolation of mean curves over the quality that "
        "both codecs cover (in brackets; negative: we need fewer bits), for LPIPS (AlexNet, v0.1) on the scale of its "
        "logarithm. JPEG is progressive and optimised, at the better of 4:2:0 and 4:4:4, with tables between those of "
        "whole qualities where these would leave bytes unused."
    )
    parts = [intro, bd_rates(kodak, "Kodak"), bd_rates(cid22, "CID22 validation"), our_curve(kodak)]
    return "\n\n".join(p for p in parts if p)


COLUMNS = {  # of the table at equal sizes: key, heading, digits, whether more is better
    "psnr": ("PSNR, dB", 2, True),
    "ms_ssim": ("MS-SSIM", 4, True),
    "lpips": ("LPIPS", 3, False),
    "vgg": ("VGG distance", 1, False),
    "gram": ("Gram distance", 1, False),
    "frechet": ("Fréchet", 2, False),
}
EXPLAINED = (
    "VGG distance: what the perceptual loss adds to the MSE; Gram distance: what the texture loss adds to it; "
    "Fréchet: between VGG-16 features of regions of 64×64 pixels of originals and of reconstructions (not FID). "
    "Bold: the best of our decoders, which all read the same streams."
)


def equal_size(kodak: dict, cid22: dict) -> str:
    """The decoders on Kodak, then every codec at the largest size not above ours on both sets."""
    heading = "**At equal sizes**"
    if not kodak.get("equal_size"):
        return f"{heading} (every codec at the largest size not above ours, picture by picture): {YET}."
    first = decoders(kodak)
    parts = [first, realism(kodak), gan(kodak, cid22), all_codecs(kodak, explained=bool(first))]
    parts += [all_codecs(cid22, explained=True)] if cid22.get("equal_size") else []
    return "\n\n".join(part for part in parts if part)


def all_codecs(iso: dict, explained: bool) -> str:
    """Every codec at every rate of one set; folded, since it is long. explained: the columns have been, before."""
    keys = [k for k in COLUMNS if any(k in row for at in iso["equal_size"] for row in at["codecs"].values())]
    rows, notes = [], []
    for at in iso["equal_size"]:
        shown = {name: row for name, row in at["codecs"].items() if "@" not in name}
        own = [row for name, row in shown.items() if is_ours(name)]
        for name, row in sorted(shown.items(), key=lambda item: not is_ours(item[0])):
            cells = [f"{at['target_bpp']:.2f}", title(name)]
            if not row["pictures"]:
                rows.append([*cells, *["–"] * (1 + len(keys)), f"all {row['not_reached']}"])
                continue
            values = [value_of(row, k, own if is_ours(name) else []) for k in keys]
            rows.append([*cells, f"{row['bpp']:.3f}", *values, str(row["not_reached"])])
            if "ours_on_the_same" in row and not is_ours(name):
                same = row["ours_on_the_same"]
                ssim, lpips = perceived(same)
                notes.append(f"{title(name)} at {at['target_bpp']:.2f} bpp: {same['psnr']:.2f} dB, {ssim}, {lpips}")
    body = table(["target, bpp", "codec", "bpp", *(COLUMNS[k][0] for k in keys), "out of reach"], rows)
    after = ""
    if notes:
        after = (
            "\n\nA codec's means leave out the pictures that it cannot make so small, which are the hard ones. Ours on "
            f"those that remain: {'; '.join(notes)}."
        )
    if "vgg" in keys and not explained:
        after += f"\n\n{EXPLAINED}"
    count = iso.get("pictures_in_means", iso["pictures"])
    return (
        "<details>\n<summary><b>At equal sizes</b>: every codec at the largest size not above ours, picture by "
        f"picture; means over {count} {iso['data_set']} pictures, weights {iso['weights']}</summary>\n\n"
        f"{body}{after}\n\n</details>"
    )


def value_of(row: dict, key: str, rivals: list[dict]) -> str:
    """A cell, bold where it is the best of `rivals`."""
    _, digits, more = COLUMNS[key]
    if row.get(key) is None:
        return "–"
    text = f"{row[key]:.{digits}f}"
    values = [rival[key] for rival in rivals if rival.get(key) is not None]
    return f"**{text}**" if len(values) > 1 and row[key] == (max if more else min)(values) else text


def decoders(iso: dict) -> str:
    """Our decoders at the lowest rate, beside the codecs that the first screen of a reader should see."""
    at = iso["equal_size"][0]
    names = [n for n in at["codecs"] if is_ours(n) and "@" not in n]
    if len(names) < 2:
        return ""
    own = [at["codecs"][n] for n in names]
    rows = []
    for name in [*names, *(n for n in ("heic", "avif", "webp", "jpeg") if n in at["codecs"])]:
        row = at["codecs"][name]
        if row["pictures"]:
            missed = f" (out of reach: {row['not_reached']})" if row["not_reached"] else ""
            values = (value_of(row, k, own if name in names else []) for k in COLUMNS)
            rows.append([title(name) + missed, *values])
    head = f"**Decoders**, the same streams of at most {at['target_bpp']:.2f} bpp, {iso['data_set']}. {EXPLAINED}"
    return f"{head}\n\n{table(['', *(c[0] for c in COLUMNS.values())], rows)}"


def realism(iso: dict) -> str:
    """PSNR and LPIPS on the way from a fidelity decoder to a generative one."""
    at = iso["equal_size"][0]
    steps = sorted(n for n in at["codecs"] if "@" in n)
    if not steps:
        return ""
    name = steps[0].partition("@")[0]
    path = [("0", at["codecs"][OURS])]
    path += [(n.partition("@")[2], at["codecs"][n]) for n in steps if n.startswith(name + "@")]
    path.append(("1", at["codecs"][name]))
    said = ", ".join(f"{t}: {row['psnr']:.2f} dB and {row['lpips']:.3f}" for t, row in path)
    ends = f"from 0 (mse) to 1 ({name.partition(':')[2]})"
    return f"`--realism` {ends}, PSNR and LPIPS at {at['target_bpp']:.2f} bpp: {said}."


def gan(*sets: dict) -> str:
    """What the discriminator changes in the Fréchet distance, for every set and rate where it was measured."""
    said = []
    for iso in sets:
        found = {
            at["target_bpp"]: at["codecs"][WITH_GAN]["frechet_over_nogan"]
            for at in iso.get("equal_size", [])
            if "frechet_over_nogan" in at["codecs"].get(WITH_GAN, {})
        }
        if found:
            values = ", ".join(f"{d:+.2f} ± {error:.2f} at {rate:.2f} bpp" for rate, (d, error) in found.items())
            said.append(f"{iso['data_set']} {values}")
    if not said:
        return ""
    what = "What the GAN changes in the Fréchet distance (hific less hific-nogan, ± the jackknife's standard error"
    return f"{what} over pictures; negative is nearer to the originals): {'; '.join(said)}."


def perceived(row: dict) -> tuple[str, str]:
    """MS-SSIM and LPIPS of a row of means; either may be undefined for small pictures."""
    return tuple("–" if row[k] is None else f"{row[k]:.{d}f}" for k, d in (("ms_ssim", 4), ("lpips", 3)))


def plots(results: Path) -> str:
    """The two main figures, and links to the others."""
    folder = results.resolve().parent / PLOTS
    shown = [f"![Kodak: {t}]({PLOTS}/kodak-{n}.png)" for n, t in SHOWN.items() if (folder / f"kodak-{n}.png").exists()]
    if not shown:
        return f"Plots: {YET}."
    links = [f"[{t}]({PLOTS}/kodak-{n}.png)" for n, t in LINKED.items() if (folder / f"kodak-{n}.png").exists()]
    text = "Full lines are measured here, dashed ones are what others have published for Kodak, with sources in "
    text += "`codec/evaluation/published.json`."
    return "\n\n".join([*shown, text + (f" More: {', '.join(links)}." if links else "")])


def targets(rate: dict) -> str:
    """How rate targets are met."""
    rows = [
        [
            f"{t['target_bpp']:.2f}",
            f"{t['in_range']} of {t['pictures']}",
            str(t["above_target"]),
            f"{t['largest_shortfall_percent']:.2f} %",
            f"{len(t['below_range'])} need more, {len(t['at_top'])} need less",
        ]
        for t in rate["targets"]
    ]
    return table(
        ["target, bpp", "pictures in range", "above target", "largest shortfall", "out of the model's range"], rows
    )


def estimate(found: dict) -> str:
    worst = found["worst"]
    return (
        f"at most {100 * worst['relative']:.2f} % apart ({worst['payload_bytes']:,} against "
        f"{worst['estimate_bytes']:,.0f} bytes) in {found['streams']} streams."
    )


def exactness(found: dict) -> str:
    return (
        f"{found['compared']:,} decodings ({found['pictures']} Kodak pictures and {found['random_sizes']} random "
        f"sizes; encoded in {', '.join(found['encoded'])}; decoded with {', '.join(found['decoded'])}), "
        f"{len(found['unequal'])} of them with a `y_hat` other than the encoder's. CUDA: {found['cuda']}."
    )


def of(found: dict) -> str:
    """Of which machine these figures are."""
    return f" of {found['machine']}" if "machine" in found else ""


def speed(found: dict) -> str:
    single = found["float32"]
    return (
        f"{found['size']}, {found['threads']} threads{of(found)}, median of {found['runs']}: compress and decompress "
        f"{single['compress_and_decompress_ms']:.0f} ms ("
        + ", ".join(f"{k} {v:.0f}" for k, v in single["stages_ms"].items())
        + f"); to a target rate {single['rate_targeted_compress_ms']:.0f} ms. Decoding by every decoder: "
        + (", ".join(f"{k} {v:.0f}" for k, v in found["decode_ms"].items()) + " ms." if "decode_ms" in found else YET)
    )


def page(found: dict) -> str:
    return (
        f"{found['size']}: from the click to the picture {found['fixed_lambda_ms']} ms at a fixed λ, "
        f"{found['target_rate_ms']} ms at a target rate, in {found['browser'].title()} on the same machine."
        + (more_of_page(found, found["large"]) if "large" in found else "")
    )


def more_of_page(found: dict, large: dict) -> str:
    return (
        f" The measures follow within {max(found[f'{m}_measures_ms'] for m in ('fixed_lambda', 'target_rate')):,} ms. "
        f"{large['size']}: {large['fixed_lambda_ms'] / 1000:.1f} s, in {large['states_of_progress']} steps of the "
        f"progress bar. From `python app.py` to a page that answers: {found['start_s']} s."
    )


def memory(found: dict) -> str:
    same = found["psnr_of_tiled_against_whole"]
    return (
        f"{found['size']}: {found['peak_mb']:,} MB at the peak of coding and decoding ({found['encode_s']} s and "
        f"{found['decode_s']} s); tiled against whole: {same}" + ("." if isinstance(same, str) else " dB.")
    )


def sizes(found: dict) -> str:
    """Encoding and decoding at every size on every device, in one line each."""
    rows = [
        [p["size"], f"{p['device'].upper()}, {p['precision']}", f"{p['encode_ms']:,.0f}", f"{p['decode_ms']:,.0f}"]
        for p in found["points"]
    ]
    where = f"{found['threads']} threads of {found['versions']['machine']}; CUDA: {found['cuda']}"
    heads = ["size", where, "encode, ms", "decode, ms"]
    return table(heads, rows)


def beside_peers(found: dict) -> str:
    codecs = found["codecs"]
    rest = [
        f"{name} takes {row['times_ours']:.1f} times as long ({row['total_ms']:,.0f} ms; its networks alone "
        f"{row['networks_alone_times_ours']:.1f} times)"
        for name, row in codecs.items()
        if name != OURS
    ]
    return (
        f"{found['size']}, {found['threads']} threads, in turns, encode and decode: ours "
        f"{codecs[OURS]['total_ms']:,.0f} ms; {'; '.join(rest)}. CompressAI {found['peer_versions']['compressai']} at "
        f"quality {found['quality']}, its weights untrained, its latents scaled to the published rate."
    )


def promises(checks: dict, timed: dict, on_cuda: dict, jpeg: dict) -> str:
    """Rate targets; then one line for everything else that was checked or timed; then speed at every size."""
    lines = [
        ("Real size against the model's own estimate", checks.get("estimate"), estimate),
        ("Exactness", checks.get("exactness"), exactness),
        ("Speed", checks.get("speed"), speed),
        ("Beside CompressAI", timed.get("peers"), beside_peers),
        ("Page", checks.get("page"), page),
        ("Memory", checks.get("memory"), memory),
        ("JPEG against CompressAI's published curve", jpeg.get("verdict"), str),
    ]
    listed = "\n".join(f"- **{name}:** {write(found) if found else YET + '.'}" for name, found, write in lines)
    first = targets(checks["rate"]) if "rate" in checks else f"Rate targets: {YET}."
    last = [sizes(found) for found in (timed, on_cuda) if found.get("points")] or [f"Speed at other sizes: {YET}."]
    return "\n\n".join([first, listed, *last])


def section(results: Path) -> str:
    """The whole text between the markers."""
    names = ("kodak", "cid22", "kodak-iso", "cid22-iso", "checks", "speed", "speed-cuda", "jpeg")
    kodak, cid22, *iso, checks, timed, on_cuda, jpeg = (read_json(results / f"{name}.json") for name in names)
    parts = [rate_distortion(kodak, cid22), plots(results), equal_size(*iso), promises(checks, timed, on_cuda, jpeg)]
    return "\n\n".join([START, *parts]).replace(f"{START}\n\n", f"{START}\n") + f"\n{END}"


def update(readme: Path, results: Path) -> bool:
    """Puts the current tables into the README; whether that changed it."""
    text = readme.read_text()
    start, end = text.index(START), text.index(END) + len(END)
    new = text[:start] + section(results) + text[end:]
    readme.write_text(new)
    return new != text
