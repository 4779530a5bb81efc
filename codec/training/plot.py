"""The progress of a run as an HTML page: training loss, rate, error, and validation score over minutes."""

import json
from pathlib import Path

import plotly.graph_objects as go
from plotly.subplots import make_subplots


def plot(run: str, out: str) -> None:
    """Reads RUN/log.jsonl and writes a page that needs no network."""
    rows = [json.loads(line) for line in (Path(run) / "log.jsonl").read_text().splitlines()]
    steps = [r for r in rows if "loss" in r]
    checks = [r for r in rows if "validation" in r]
    figure = make_subplots(rows=4, cols=1, shared_xaxes=True, vertical_spacing=0.04)
    minutes = [r["minutes"] for r in steps]
    for i, name in enumerate(("loss", "bpp", "mse", "lr"), 1):
        figure.add_trace(go.Scatter(x=minutes, y=[r[name] for r in steps], name=name, mode="lines"), row=i, col=1)
        figure.update_yaxes(title_text=name, type="linear" if name == "lr" else "log", row=i, col=1)
    scores = [r["validation"]["score"] for r in checks]
    figure.add_trace(go.Scatter(x=[r["minutes"] for r in checks], y=scores, name="validation score"), row=1, col=1)
    figure.update_xaxes(title_text="minutes", row=4, col=1)
    figure.update_layout(height=900, title=f"{run}: {rows[-1]['step']:,} steps, best score {min(scores):.4f}")
    figure.write_html(out, include_plotlyjs=True)
    print(f"wrote {out}")
