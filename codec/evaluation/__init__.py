"""Measurements on folders of pictures; never imported by the page. Start with `python -m codec.evaluation`."""
