"""Hostile input by the thousand: `python -m tests.fuzz streams --count 100000 --out results/fuzz.json`."""
