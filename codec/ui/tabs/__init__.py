"""The tabs: one module each, with layout, wiring and the endpoints' descriptions. `codec.ui.jobs` does the work."""
