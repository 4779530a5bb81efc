"""The classroom: two small codecs in which the ideas are bare, trained by `python -m codec.classroom`."""
