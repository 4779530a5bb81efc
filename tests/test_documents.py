"""The documents name files that are there, and say things plainly."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
DOCUMENTS = [p for folder in (".", "docs", "weights") for p in sorted((ROOT / folder).glob("*.md"))]
BANNED = r"\b(dear(er|est)?|so many|to be had|of which|drawn by|foresee\w*|made wrong)\b"


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_what_a_document_names_is_there(document):
    text = document.read_text()
    links = re.findall(r"\]\((?!https?:)([^)#]+)\)", text)
    missing = [link for link in links if not (document.parent / link).exists()]
    paths = re.findall(r"`((?:codec|docs|results|tests|weights)/[\w./-]*)`", text)
    assert not missing + [path for path in paths if not (ROOT / path).exists()]
    assert not re.search(BANNED, text)


def test_the_readme_and_the_model_card_stay_short():
    assert len((ROOT / "README.md").read_text().splitlines()) <= 120
    assert len(re.findall(r"[A-Za-zσλ][\w'’.-]*", (ROOT / "weights" / "README.md").read_text())) <= 700


def test_the_project_says_how_it_may_be_used():
    assert "Apache License" in (ROOT / "LICENSE").read_text()
    assert "license: Apache-2.0" in (ROOT / "CITATION.cff").read_text()
