"""Training of the networks; never imported by the page. Start with `python -m codec.training --help`."""
