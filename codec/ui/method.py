"""The tab with what was measured, how the weights were made, limits, sources, and how to do it all again."""

import gradio as gr

from codec import results
from codec.spec import MAX_PIXELS
from codec.ui.compare import MODELS
from codec.ui.examples import sources

YET = "not measured yet"
LIMITS = """
- Pictures are coded as 8-bit RGB; transparency is laid on white, and wider gamuts and bit depths are converted.
- Streams decode with the trunk that they name and with no other; its id is a hash of everything that decoding needs.
- A decoder trained with a GAN or a perceptual loss draws texture that *looks* right. It is not evidence of what was
  there: do not read faces, signs or medical images from it.
- λ lies between 0.0005 and 0.0483. Below and above there is nothing to choose: the page says so when a rate is asked
  for that is out of reach.
- Up to {megapixels} megapixels. Past a few of them the networks run in overlapping tiles.
- The training was short, as the table above says; the codecs whose published curves the page draws had far more of it.
"""
SOURCES = """
- Hyperprior: Ballé, Minnen, Singh, Hwang, Johnston, “Variational image compression with a scale hyperprior”, ICLR 2018
- Mean and scale, and context: Minnen, Ballé, Toderici, “Joint autoregressive and hierarchical priors for learned image
  compression”, NeurIPS 2018
- The four-step context's pattern: Li, Li, Lu, “Neural video compression with diverse contexts”, CVPR 2023
- Variable rate by gains: Cui et al., “Asymmetric gained deep image compression with continuous rate adaptation”,
  CVPR 2021
- Integers, for exactness: Ballé, Johnston, Minnen, “Integer networks for data compression with latent-variable models”,
  ICLR 2019
- HiFiC: Mentzer, Toderici, Tschannen, Agustsson, “High-fidelity generative image compression”, NeurIPS 2020
- Texture: Sajjadi, Schölkopf, Hirsch, “EnhanceNet”, ICCV 2017
- Perception and distortion: Blau, Michaeli, “Rethinking lossy compression: the rate–distortion–perception tradeoff”,
  ICML 2019; Zhang et al., “Universal rate–distortion–perception representations”, NeurIPS 2021
- LPIPS: Zhang, Isola, Efros, Shechtman, Wang, “The unreasonable effectiveness of deep features as a perceptual metric”,
  CVPR 2018; MS-SSIM: Wang, Simoncelli, Bovik, Asilomar 2003; BD-rate: Bjøntegaard, VCEG-M33, 2001
"""
AGAIN = """
```bash
python -m codec.evaluation rd KODAK --out results/kodak.json       # curves and BD-rates; KODAK: a folder of PNGs
python -m codec.evaluation checks KODAK --out results/checks.json  # rate targets, exactness, speed, memory
python -m codec.evaluation readme                                  # the tables above, from all files in results/
CODEC_DATA=data python -m codec.training train                     # the trunk; then `export`
```

The README has the commands for the other files in `results/`.
"""
LINKS = """
For a slide, or to send a state to somebody, put into this page's address: `?tab=` with one of {tabs}; `example=`
({examples}, or a number from 1); `model=` ({models}); `lambda=` or `bpp=`; `step=` of the lesson; and `lecture=1` for
large type. As in `?tab=bits&example=night&lambda=0.0067`.
"""


def measured() -> str:
    """The measured tables as Markdown, without the paragraphs that show or link plots of the repository."""
    paragraphs = results.tables().split("\n\n")  # the tab 'Rate–distortion' draws these curves
    return "\n\n".join(p for p in paragraphs if "](docs/" not in p) or f"Curves, BD-rates, speed: {YET}."


def trained() -> str:
    """How the weights were made, as their manifest has it, as a Markdown table."""
    known = results.manifest()
    rows = []
    for kind, entries in (("trunk", known.get("trunks", {})), ("decoder", known.get("decoders", {}))):
        for name, entry in entries.items():
            cells = (
                f"{kind} `{name}`",
                results.loss(entry),
                f"{entry['steps']:,}" if "steps" in entry else "–",
                f"{entry['wall_minutes']:,.0f}" if "wall_minutes" in entry else "–",
                entry.get("device", "–"),
                str(entry.get("seed", "–")),
                entry.get("data", "–"),
                f"`{entry.get('revision', '–')[:8]}`",
            )
            rows.append("| " + " | ".join(str(c).replace("|", "·") for c in cells) + " |")
    if not rows:
        return "The manifest of the weights cannot be read; restore the weights folder."
    head = ("what", "loss, or network", "steps", "minutes", "device", "seed", "pictures", "revision")
    return "\n".join(["| " + " | ".join(head) + " |", "|" + " --- |" * len(head), *rows])


def text(tabs: tuple[str, ...]) -> str:
    """The whole tab as Markdown: what was measured, how it was trained, limits, sources, and how to repeat it."""
    tabs, pictures, models = (", ".join(f"`{name}`" for name in names) for names in (tabs, sources(), MODELS))
    parts = [
        ("Measured", measured()),
        ("How it was trained", trained()),
        ("Limits", LIMITS.format(megapixels=MAX_PIXELS // 10**6)),
        ("To do it again", AGAIN),
        ("Links that open a state", LINKS.format(tabs=tabs, examples=pictures, models=models)),
        ("Sources", SOURCES),
    ]
    return "\n\n".join(f"## {title}\n\n{body.strip()}" for title, body in parts)


def build(demo: gr.Blocks, tabs: tuple[str, ...]) -> None:
    """Lays out the tab; it is read from the files at every visit, since results come in while the page runs."""
    words = gr.Markdown(elem_id="method", latex_delimiters=[])

    def method() -> str:
        """What was measured, how the weights were made, limits, sources, and how to repeat it, as Markdown."""
        return text(tabs)

    demo.load(method, None, words, api_name="method", queue=False)
