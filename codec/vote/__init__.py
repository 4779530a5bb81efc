"""Blind comparisons by a class: sets of frozen images, trials, votes, and what the votes say.

Nothing here knows of the page; `codec.ui.vote` serves it. In reading order: `sets`, `prepare`, `trials`, `store`,
`statistics`, `results`, `charts`, `export`.
"""
