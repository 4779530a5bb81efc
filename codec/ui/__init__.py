"""The page: one module per tab, no codec logic in any of them."""

from codec.ui.page import build, launch_options

__all__ = ["build", "launch_options"]
