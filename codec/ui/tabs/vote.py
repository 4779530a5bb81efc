"""The tab that leads to the blind vote, whose pages are beside Gradio's: phones load a few kilobytes, not the page."""

import gradio as gr

from codec.ui.texts import t
from codec.vote.ballots import MIN_VOTERS


def build() -> None:
    """Lays out the tab: what the vote is, where it begins, and what it stores."""
    gr.Markdown(t("vote.tab.intro", me="vote/me", host="vote/host", join="vote"), elem_id="vote-intro")
    gr.Markdown(t("vote.tab.privacy", least=MIN_VOTERS), elem_classes="hint")
