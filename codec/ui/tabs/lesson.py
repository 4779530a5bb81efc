"""The lesson: seven steps from pixels to synthesised detail, on the student's own image."""

import gradio as gr

from codec.spec import LAMBDA_MAX, LAMBDA_MIN
from codec.ui import examples, jobs, viewer
from codec.ui.names import LAMBDAS
from codec.ui.texts import t, written
from codec.ui.widgets import PRIVATE, Coded, Door, picture, tabs

LIMITS = ((1, 8), (1, 64), (2, 128), (0, 1), (LAMBDA_MIN, LAMBDA_MAX), (LAMBDA_MIN, LAMBDA_MAX), (0, 1))  # of settings
COUNT = len(LIMITS)
SLIDERS = {1: (8, 1), 2: (6, 1), 3: (24, 2), 5: (0.0067, 0.0001), 7: (0, 0.05)}  # where each starts, and its steps


def lesson(step: float, value: float, original: str | None):
    """Compute a step of the lesson. step: 1…7; value: its control; original: the image, or none.

    value is: 1: bits kept, 1…8; 2: waves kept, 1…64; 3: the step, 2…128; 4: 0 for one table, 1 for one for each wave;
    5 and 6: λ, 0.0005…0.0483; 7: 0 (least error) to 1. Gives the image (PNG) and its figures.
    """
    yield from jobs.lesson.run(*checked(step, value), original or examples.files()[0])


def show(step: float, value: float, original: str | None):
    """A step on the page: what `lesson` gives, beside the original."""
    # A link may open a step before the first tab has an image.
    yield from jobs.lesson.beside(*checked(step, value), original or examples.files()[0])


def checked(step: float, value: float) -> tuple[int, float]:
    """The number of a step, or a refusal, and the setting of its control within its limits."""
    number, value = int(step or 0), float(value or 0)
    if not 1 <= number <= COUNT:
        raise gr.Error(t("errors.no_step", count=COUNT), print_exception=False)
    low, high = LIMITS[number - 1]
    value = min(max(value, low), high)
    return number, int(value) if number in (1, 2, 4) else value


def control(number: int):
    """The control of a step."""
    label = t(f"lesson.{number}.control")
    if number == 4:
        return gr.Radio([(t("lesson.all"), 0), (t("lesson.each"), 1)], value=0, label=label)
    if number == 6:
        return gr.Radio([(f"λ = {written(v, 'g')}", v) for v in LAMBDAS], value=LAMBDAS[1], label=label)
    start, step = SLIDERS[number]
    return gr.Slider(*LIMITS[number - 1], start, step=step, label=label, buttons=[])


def build(demo: gr.Blocks, door: Door, coded: Coded) -> None:
    """Lays out the tab; each step computes when it is opened, and when its control moves."""
    how = {"concurrency_id": "codec", "trigger_mode": "always_last"}
    private = how | PRIVATE
    # By name, for programs: a step's own control is a slider here and a choice there.
    step, value = gr.Number(1, visible=False), gr.Number(8, visible=False)
    program, alone = gr.Button(visible=False), picture(t("lesson.result"), visible=False)
    with tabs("lesson-steps"):
        for number in range(1, COUNT + 1):
            title = f"{number} · {t(f'lesson.{number}.term')}"
            with gr.Tab(title, id=number, elem_id=f"door-step-{number}") as step_tab:
                setting, inputs, outputs = build_step(number, coded.original)
                if number == 1:
                    program.click(lesson, [step, value, coded.original], [alone, outputs[1]], api_name="lesson", **how)
                moved = setting.release if isinstance(setting, gr.Slider) else setting.change
                for event in (moved, Door(f"step-{number}", (*door.tabs, step_tab)).opened):
                    event(show, inputs, outputs, **private)
    demo.load(None, js="() => window.codecPage.openStep()")


def build_step(number: int, original: gr.File) -> tuple:
    """One step: its picture, words and control. Returns the control, and the inputs and outputs of `lesson`."""
    gr.Markdown(t(f"lesson.{number}.title"), elem_classes="step-title")
    with gr.Row(equal_height=False):
        with gr.Column(scale=3, min_width=320):
            figures = gr.HTML(elem_classes="step-figures", padding=False)
            pair = viewer.component(elem_id=f"step-picture-{number}", elem_classes="step-picture")
        with gr.Column(scale=2, min_width=300):
            gr.Markdown(t(f"lesson.{number}.text"))
            setting = control(number)
            gr.Markdown(t(f"lesson.{number}.question"), elem_classes="step-question")
            with gr.Accordion(t("lesson.answer"), open=False):
                gr.Markdown(t(f"lesson.{number}.answer"))
    return setting, [gr.State(number), setting, original], [pair, figures]
