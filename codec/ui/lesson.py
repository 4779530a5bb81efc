"""The lesson: seven steps from pixels to invented detail, on the student's own picture, in three languages."""

import tempfile
from pathlib import Path

import gradio as gr

from codec.ui import examples, lesson_texts, parts
from codec.ui.bits import LAMBDAS
from codec.ui.compare import LAMBDA_MAX, LAMBDA_MIN

LIMITS = ((1, 8), (1, 64), (2, 128), (0, 1), (LAMBDA_MIN, LAMBDA_MAX), (LAMBDA_MIN, LAMBDA_MAX), (0, 1))  # of settings
COUNT = len(LIMITS)
SLIDERS = {1: (8, 1), 2: (6, 1), 3: (24, 2), 5: (0.0067, 0.0001), 7: (0, 0.05)}  # where each starts, and its steps
CSS = """
#lesson-steps .step-picture img { image-rendering: auto; }
.step-figures { font-variant-numeric: tabular-nums; }
.step-title.block p { font-size: 1.3rem; font-weight: 650; margin: 0; }
.step-question.block { border-left: 3px solid var(--primary-500) !important; padding-left: 0.6rem; }
.step-question.block p { font-weight: 600; }
"""
#: Opens the tab, and in it the step, that the address names: ?step=3.
OPEN_JS = """() => {
  const step = new URLSearchParams(location.search).get("step");
  if (!/^[1-7]$/.test(step || "")) return;
  let tries = 0;
  const open = () => {
    if (++tries > 150) return;
    const steps = document.querySelector("#lesson-steps");
    const tab = steps?.querySelector(`#lesson-${step}-button`);
    if (!steps?.offsetParent) {  // on narrow screens the tab is an entry of a menu
      document.querySelectorAll("#lesson-button, .overflow-dropdown button").forEach(b => {
        if (b.textContent.trim() === "Lesson") b.click();
      });
    } else if (tab?.getAttribute("aria-selected") === "true") {
      return;
    } else {
      tab?.click();
    }
    setTimeout(open, 200);
  };
  open();
}"""


def translated() -> gr.I18n:
    """What `launch(i18n=…)` takes."""
    return gr.I18n(**lesson_texts.translations())


def run(step: float, value: float, original: str | None):
    """Compute a step of the lesson. step: 1…7; value: its control; original: the picture, or none.

    value is: 1: bits kept, 1…8; 2: waves kept, 1…64; 3: the step, 2…128; 4: 0 for one table, 1 for one for each wave;
    5 and 6: λ, 0.0005…0.0483; 7: 0 (least error) to 1. Gives the picture (PNG) and its figures.
    """
    from codec.classroom import steps
    from codec.pictures.load import save_png
    from codec.pictures.sandbox import read_picture

    number, value = int(step or 0), float(value or 0)
    if not 1 <= number <= COUNT:
        raise gr.Error(f"There are {COUNT} steps, 1 to {COUNT}.", print_exception=False)
    low, high = LIMITS[number - 1]
    value = min(max(value, low), high)
    if number in (1, 2, 4):
        value = int(value)
    path = original or examples.files()[0]  # a link may open a step before the first tab has a picture
    with parts.said_plainly():
        shown, said = steps.STEPS[number - 1](steps.shrunk(read_picture(path).rgb), value)
    with tempfile.TemporaryDirectory() as folder:
        target = Path(folder) / f"step-{number}.png"
        save_png(shown, target)
        # A generator, so that the file still exists while Gradio copies it.
        yield str(target), f"<b data-alt-for='step-picture-{number}'>{said}</b>"


def control(number: int, i18n: gr.I18n):
    """The control of a step."""
    label = i18n(f"lesson_{number}_control")
    if number == 4:
        return gr.Radio([(i18n("lesson_all"), 0), (i18n("lesson_each"), 1)], value=0, label=label)
    if number == 6:
        return gr.Radio([(f"λ = {v:g}", v) for v in LAMBDAS], value=LAMBDAS[1], label=label)
    start, step = SLIDERS[number]
    return gr.Slider(*LIMITS[number - 1], start, step=step, label=label, buttons=[])


def build(demo: gr.Blocks, tab: gr.Tab, original: gr.File) -> None:
    """Lays out the tab; each step computes when it is opened, and when its control moves."""
    i18n = translated()
    how = {"concurrency_id": "codec", "trigger_mode": "always_last"}
    private = how | {"api_visibility": "private"}
    opened = []
    with gr.Tabs(elem_id="lesson-steps"):
        for number in range(1, COUNT + 1):
            with gr.Tab(str(number), id=number, elem_id=f"lesson-{number}") as step_tab:
                gr.Markdown(i18n(f"lesson_{number}_title"), elem_classes="step-title")
                with gr.Row(equal_height=False):
                    with gr.Column(scale=3, min_width=320):
                        picture = parts.picture(
                            f"Step {number}",
                            height=380,
                            elem_id=f"step-picture-{number}",
                            elem_classes="step-picture",
                            buttons=["fullscreen"],
                        )
                        figures = gr.HTML(elem_classes="step-figures", padding=False)
                    with gr.Column(scale=2, min_width=300):
                        gr.Markdown(i18n(f"lesson_{number}_text"))
                        setting = control(number, i18n)
                        gr.Markdown(i18n(f"lesson_{number}_question"), elem_classes="step-question")
                        with gr.Accordion(i18n("lesson_answer"), open=False):
                            gr.Markdown(i18n(f"lesson_{number}_answer"))
                        gr.Button(i18n("lesson_link"), link=f"?step={number}", link_target="_self", size="sm")
                inputs = [gr.State(number), setting, original]
                moved = setting.release if isinstance(setting, gr.Slider) else setting.change
                moved(run, inputs, [picture, figures], **private)
                step_tab.select(run, inputs, [picture, figures], **private)
                opened.append((inputs, [picture, figures]))
    tab.select(run, opened[0][0], opened[0][1], **private)
    # The same by name, for programs: a step's own control is a slider here and a choice there.
    step, value = gr.Number(1, visible=False), gr.Number(8, visible=False)
    gr.Button(visible=False).click(run, [step, value, original], opened[0][1], api_name="lesson", **how)
    demo.load(None, js=OPEN_JS)
