"""Writes the measured tables of the README from the committed results files, and nothing else."""

import json
from pathlib import Path

START, END = "<!-- results -->", "<!-- /results -->"
NAMES = {"jpeg": "JPEG", "webp": "WebP", "avif": "AVIF", "heic": "HEIC (x265 intra)"}


def table(head: list[str], rows: list[list[str]]) -> str:
    return "\n".join("| " + " | ".join(row) + " |" for row in [head, ["---"] * len(head), *rows])


def rate_distortion(kodak: dict) -> str:
    """BD-rates and our own curve."""
    bd = table(
        ["against", "BD-rate in PSNR", "over"],
        [
            [NAMES[n], f"{v['percent']:+.1f} %", f"{v['psnr_from']:.1f}–{v['psnr_to']:.1f} dB"]
            for n, v in sorted(kodak["bd_rate_psnr"].items(), key=lambda item: item[1]["percent"])
        ],
    )
    ours = kodak["curves"]["ours"]
    curve = table(
        ["λ", *(f"{p['setting']:g}" for p in ours)],
        [["bpp", *(f"{p['bpp']:.3f}" for p in ours)], ["PSNR, dB", *(f"{p['psnr']:.2f}" for p in ours)]],
    )
    intro = (
        f"Rate is bytes on disk, header included. Means over the {kodak['pictures']} Kodak pictures, weights "
        f"`{kodak['weights']}`; Akima interpolation over the PSNR range that both codecs cover (negative: we need "
        "fewer bits). JPEG is progressive and optimised, at the better of 4:2:0 and 4:4:4."
    )
    return f"{intro}\n\n{bd}\n\n{curve}"


def promises(checks: dict) -> str:
    """Rate targets, estimate, exactness, speed and memory."""
    targets = table(
        ["target, bpp", "pictures in range", "above target", "largest shortfall", "out of the model's range"],
        [
            [
                f"{t['target_bpp']:.2f}",
                f"{t['in_range']} of {t['pictures']}",
                str(t["above_target"]),
                f"{t['largest_shortfall_percent']:.2f} %",
                str(len(t["below_range"])) + " need more, " + str(len(t["at_top"])) + " need less",
            ]
            for t in checks["rate"]["targets"]
        ],
    )
    estimate, exact, speed, memory, page = (checks[k] for k in ("estimate", "exactness", "speed", "memory", "page"))
    stages = speed["float32"]["stages_ms"]
    lines = [
        f"- **Real size against the model's own estimate:** at most {100 * estimate['worst']['relative']:.2f} % apart "
        f"({estimate['worst']['payload_bytes']:,} against {estimate['worst']['estimate_bytes']:,.0f} bytes) in "
        f"{estimate['streams']} streams.",
        f"- **Exactness:** {exact['compared']:,} decodings ({exact['pictures']} Kodak pictures and "
        f"{exact['random_sizes']} random sizes; encoded in {', '.join(exact['encoded'])}; decoded with "
        f"{', '.join(exact['decoded'])}), {len(exact['unequal'])} of them with a `y_hat` other than the encoder's. "
        f"CUDA: {exact['cuda']}.",
        f"- **Speed**, {speed['size']}, {speed['threads']} threads, median of {speed['runs']}: compress and decompress "
        f"{speed['float32']['compress_and_decompress_ms']:.0f} ms ("
        + ", ".join(f"{k} {v:.0f}" for k, v in stages.items())
        + f"); to a target rate {speed['float32']['rate_targeted_compress_ms']:.0f} ms.",
        f"- **Page**, {page['size']}: from the click to the picture {page['fixed_lambda_ms']} ms at a fixed λ, "
        f"{page['target_rate_ms']} ms at a target rate, in {page['browser'].title()} on the same machine.",
        f"- **Memory**, {memory['size']}: {memory['peak_mb']:,} MB at the peak of coding and decoding "
        f"({memory['encode_s']} s and {memory['decode_s']} s); tiled against whole: "
        f"{memory['psnr_of_tiled_against_whole']}"
        + ("." if isinstance(memory["psnr_of_tiled_against_whole"], str) else " dB."),
    ]
    return targets + "\n\n" + "\n".join(lines)


def section(results: Path) -> str:
    """The whole text between the markers."""
    kodak, checks = (json.loads((results / f"{name}.json").read_text()) for name in ("kodak", "checks"))
    return f"{START}\n{rate_distortion(kodak)}\n\n{promises(checks)}\n{END}"


def update(readme: Path, results: Path) -> bool:
    """Puts the current tables into the README; whether that changed it."""
    text = readme.read_text()
    start, end = text.index(START), text.index(END) + len(END)
    new = text[:start] + section(results) + text[end:]
    readme.write_text(new)
    return new != text
