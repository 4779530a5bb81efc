"""What a host takes home: votes, summary and setup as files, the reveal as a page, and earlier exports read back.

`archive` packs them into one ZIP; `read` takes such a ZIP, or its votes alone, from anybody, within limits.
"""

from __future__ import annotations

import csv
import io
import json
import re
import zipfile
from collections.abc import Sequence
from html import escape

from codec.errors import CodecError
from codec.vote import charts
from codec.vote.ballots import Vote
from codec.vote.charts import Words
from codec.vote.sets import CATCH, ORIGINAL
from codec.vote.trials import CHECK, CHOICES, REPEAT, TIE, VOTE

COLUMNS = "room voter trial kind question image image_name left right choice tie ms viewport dpr".split()  # noqa: SIM905
MAX_FILE = 5_000_000
MAX_MEMBER = 10_000_000
HASH = re.compile(r"[0-9a-z-]{1,40}")
NOT_AN_EXPORT = "This is not an export of a vote; choose the ZIP file that 'Export' has written."
OTHER_SET = "This export is of another set of images, or asked another question; only votes on the same can be added."


class ExportError(CodecError):
    """A file that is no export, or one that does not fit."""


def cell(value: str) -> str:
    """Text for a spreadsheet, which would take some beginnings for a formula."""
    return f"'{value}" if value[:1] in "=+-@\t\r" else value


def votes_csv(votes: Sequence[Vote], setup: dict) -> str:
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(COLUMNS)
    for v in votes:
        name = cell(setup["images"][v.image]["name"])
        answer = (v.left, v.right, v.choice, int(v.choice == TIE), v.ms, v.width, f"{v.dpr:g}")
        writer.writerow([v.room, v.voter, v.position, v.kind, v.question, v.image + 1, name, *answer])
    return out.getvalue()


def summary_csv(summary: dict) -> str:
    """A row for each pair, each method's strength, and each measure."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    head = "what first second estimate low high wins losses ties p p_holm p_voters"
    writer.writerow(head.split())
    for pair in summary["pairs"]:
        writer.writerow(
            [
                *("share", pair["first"], pair["second"], *rounded(pair["share"], *pair["wilson"])),
                *(pair["wins"], pair["losses"], pair["ties"], *rounded(pair["p"], pair["p_holm"], pair["p_voters"])),
            ]
        )
        writer.writerow(
            [
                "share (bootstrap over voters)",
                pair["first"],
                pair["second"],
                *rounded(pair["share"], *pair["bootstrap"]),
            ]
        )
    for row in summary["scale"]:
        writer.writerow(["strength", row["key"], "", *rounded(row["score"], row["low"], row["high"])])
    for row in summary["measures"]:
        tau = ["" if row["tau"] is None else row["tau"], row["low"], row["high"]]
        writer.writerow(["tau", row["name"], "", *(v if v == "" else round(v, 5) for v in tau)])
    for name in ("voters", "left_out", "votes", "ties", "consistent", "asked_twice"):
        writer.writerow([name, "", "", summary[name]])
    return out.getvalue()


def rounded(*values: float) -> list[float]:
    return [round(v, 5) for v in values]


def figures(summary: dict, names: dict[str, str], words: Words, caption: str) -> dict[str, str]:
    """The charts as files of their own: SVG by name."""
    document = {"caption": caption, "standalone": True}
    return {
        "bars.svg": charts.bars(summary, names, words, masked=False, **document),
        "scale.svg": charts.scale(summary, names, words, **document),
        "measures.svg": charts.measures(summary, words, **document),
    }


def reveal_html(svgs: dict[str, str], title: str, sentences: Sequence[str], language: str) -> str:
    """The reveal as one page that needs nothing else."""
    paragraphs = "".join(f"<p>{escape(sentence)}</p>" for sentence in sentences)
    drawings = "".join(f"<figure>{svg}</figure>" for svg in svgs.values())
    style = "body{max-width:1000px;margin:2rem auto;padding:0 1rem;font:1.1rem system-ui,sans-serif;color:#111827;"
    style += "background:#fff}figure{margin:2rem 0}svg{max-width:100%;height:auto}"
    return (
        f'<!doctype html><html lang="{language}"><meta charset="utf-8"><title>{escape(title)}</title>'
        f"<style>{style}</style><h1>{escape(title)}</h1>{paragraphs}{drawings}</html>\n"
    )


def archive(files: dict[str, str]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as file:
        for name, text in files.items():
            file.writestr(name, text)
    return buffer.getvalue()


# --- and back -----------------------------------------------------------------------------------------------


def read(data: bytes, set_id: str, question: str, setup: dict) -> list[Vote]:
    """The votes in an export on the same set and question. Raises ExportError with one sentence."""
    if len(data) > MAX_FILE:
        raise ExportError(f"An export has at most {MAX_FILE // 10**6} MB; this file is larger.")
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as file:
            about = json.loads(_member(file, "setup.json"))
            if not isinstance(about, dict) or about.get("set") != set_id or about.get("question") != question:
                raise ExportError(OTHER_SET)
            rows = list(csv.DictReader(io.StringIO(_member(file, "votes.csv").decode("utf-8"))))
        return [parsed(row, question, setup) for row in rows]
    except ExportError:
        raise
    except Exception as error:  # zipfile raises a dozen kinds for damaged files
        raise ExportError(NOT_AN_EXPORT) from error


def _member(file: zipfile.ZipFile, name: str) -> bytes:
    with file.open(name) as member:
        data = member.read(MAX_MEMBER + 1)
    if len(data) > MAX_MEMBER:
        raise ExportError(NOT_AN_EXPORT)
    return data


def parsed(row: dict[str, str], question: str, setup: dict) -> Vote:
    """A line of votes.csv. Raises ExportError, or what a wrong type gives."""
    methods = {m["key"] for m in setup["methods"]}
    image = int(row["image"]) - 1
    sides = {row["left"], row["right"]}
    check = row["kind"] == CHECK
    fits = (
        HASH.fullmatch(row["room"])
        and HASH.fullmatch(row["voter"])
        and row["kind"] in (VOTE, REPEAT, CHECK)
        and row["question"] == question
        and 0 <= image < len(setup["images"])
        and len(sides) == 2
        and (sides == {ORIGINAL, CATCH} if check else sides <= methods)
        and row["choice"] in CHOICES
    )
    if not fits:
        raise ExportError(NOT_AN_EXPORT)
    numbers = (min(max(int(row["ms"]), 0), 10**9), min(max(int(row["viewport"]), 0), 10**5), float(row["dpr"]))
    position = min(max(int(row["trial"]), 0), 1000)
    return Vote(
        row["room"],
        row["voter"],
        position,
        row["kind"],
        question,
        image,
        row["left"],
        row["right"],
        row["choice"],
        *numbers,
    )
