"""The tab with what was measured, how the weights were made, limits, sources, and how to reproduce it."""

import gradio as gr

from codec import results
from codec.spec import MAX_PIXELS
from codec.ui.examples import sources
from codec.ui.names import MODELS
from codec.ui.texts import section, t, written
from codec.vote.ballots import MIN_VOTERS


def trained() -> str:
    """How the weights were made, as their manifest has it, as a Markdown table."""
    manifest = results.manifest()
    rows = []
    for kind, entries in (("trunk", manifest.get("trunks", {})), ("decoder", manifest.get("decoders", {}))):
        for name, entry in entries.items():
            cells = (
                f"{t(f'about.{kind}')} `{name}`",
                results.loss(entry),
                written(entry["steps"], ",") if "steps" in entry else "–",
                written(entry["wall_minutes"], ",.0f") if "wall_minutes" in entry else "–",
                entry.get("device", "–"),
                str(entry.get("seed", "–")),
                entry.get("data", "–"),
                f"`{entry.get('revision', '–')[:8]}`",
            )
            rows.append("| " + " | ".join(str(c).replace("|", "·") for c in cells) + " |")
    if not rows:
        return t("about.no_manifest")
    head = section("about.head").values()
    return "\n".join(["| " + " | ".join(head) + " |", "|" + " --- |" * len(head), *rows])


def text(tabs: tuple[str, ...]) -> str:
    """The whole tab as Markdown: what was measured, how it was trained, limits, terms, how to repeat it, sources."""
    tabs, images, models = (", ".join(f"`{name}`" for name in names) for names in (tabs, sources(), MODELS))
    sections = {
        "results": results.tables() or t("about.not_measured"),  # the curves are in a tab of their own
        "training": trained(),
        "limits": t("about.limits", megapixels=MAX_PIXELS // 10**6),
        "glossary": t("about.glossary"),
        "reproduce": t("about.reproduce"),
        "permalinks": t("about.permalinks", tabs=tabs, examples=images, models=models),
        "sources": t("about.sources"),
    }
    privacy = f"## {t('vote.tab.privacy_title')}\n\n{t('vote.tab.privacy', least=MIN_VOTERS)}"
    return "\n\n".join(
        [*(f"## {t(f'about.title_{name}')}\n\n{body.strip()}" for name, body in sections.items()), privacy]
    )


def build(demo: gr.Blocks, tabs: tuple[str, ...]) -> None:
    """Lays out the tab; it is read from the files at every visit, since results come in while the page runs."""
    words = gr.Markdown(elem_id="method", latex_delimiters=[])

    def method() -> str:
        """What was measured, how the weights were made, limits, sources, and how to reproduce it, as Markdown."""
        return text(tabs)

    demo.load(method, None, words, api_name="method", queue=False)
