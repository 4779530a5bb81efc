"""Crowds at the real page, on loopback: `python -m tests.load crowd --clients 30 100 --out results/load.json`."""
