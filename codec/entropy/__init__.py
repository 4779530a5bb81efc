"""Exact entropy coding: integer networks, integer probability tables, and the range coder."""
