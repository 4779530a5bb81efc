"""The page's texts: every key that the code uses is there, every one that is there is used, in every language."""

import ast
import re
from pathlib import Path
from string import Formatter

import pytest

from codec.ui import texts
from codec.ui.hosting import gradio_private
from codec.ui.texts import LANGUAGE, LANGUAGES, t

UI = Path(texts.__file__).parents[1]
ROOT = UI.parents[1]
#: A key in a call, f"region.psnr_{where}" among them; a table taken as a whole; and a key that is passed on.
CALL = re.compile(r"""\b(?:t|refuse|dropdown)\(\s*f?["']([a-z]\w*(?:\.[\w{}\[\]' ]+)+)["']""")
TABLE = re.compile(r"""\bsection\(["']([\w.]+)["']\)""")
PASSED = re.compile(r"""["']((?:compare)\.\w+)["']""")
BANNED = "dear|dearer|dearest|foresee|foreseen|so many|to be had|of which|drawn by|made wrong|ours"


def patterns() -> list[str]:
    """Regular expressions for the keys that the code uses."""
    found = []
    for path in UI.rglob("*.py"):
        code = path.read_text(encoding="utf-8")
        keys = CALL.findall(code) + PASSED.findall(code)
        found += [re.sub(r"\\\{.*?\\\}", r"[\\w-]+", re.escape(key)) for key in keys]
        found += [re.escape(table) + r"\..+" for table in TABLE.findall(code)]
    return found


def test_every_key_in_the_code_is_in_the_file_and_every_one_in_the_file_is_used():
    known, used = set(texts.texts("en")), patterns()
    assert len(known) > 300 and [p for p in used if not any(re.fullmatch(p, key) for key in known)] == []
    assert [key for key in known if not any(re.fullmatch(p, key) for p in used)] == []


@pytest.mark.parametrize("language", [name for name in LANGUAGES if name != "en"])
def test_a_language_has_every_key_and_no_other_with_the_same_placeholders(language):
    english, other = texts.texts("en"), texts.own(language)
    assert set(english) == set(other)

    def names(text: str) -> set:
        return {field for _, field, _, _ in Formatter().parse(text) if field}

    assert [k for k in english if "%{" not in english[k] and names(english[k]) != names(other[k])] == []
    assert all(other[f"lesson.{step}.title"] != english[f"lesson.{step}.title"] for step in range(1, 8))


def test_a_text_comes_in_the_language_of_the_request():
    token = LANGUAGE.set("fr")
    try:
        assert t("lesson.answer") == "Réponse" and t("page.title")
    finally:
        LANGUAGE.reset(token)
    assert t("lesson.answer") == "Answer" and t("errors.no_step", count=7) != t("errors.no_step", count=8)


def test_gradio_is_pinned_to_the_version_whose_private_names_are_used():
    requirements, readme = ((ROOT / name).read_text(encoding="utf-8") for name in ("requirements.txt", "README.md"))
    wanted = re.search(r"^gradio>=(\d+)\.(\d+),<(\d+)\.(\d+)\b", requirements, re.MULTILINE).groups()
    assert f"{wanted[0]}.{wanted[1]}" == gradio_private.VERSION and int(wanted[3]) == int(wanted[1]) + 1
    assert re.search(rf"^sdk_version: {re.escape(gradio_private.VERSION)}\.\d+$", readme, re.MULTILINE)
    gradio_private.check()


def test_another_gradio_is_named_in_one_sentence(monkeypatch):
    monkeypatch.setattr(gradio_private.gr, "__version__", "7.0.1")
    with pytest.raises(RuntimeError, match=r"6\.31, and 7\.0\.1 is installed"):
        gradio_private.check()


def test_only_one_module_knows_private_names_of_gradio():
    for path in UI.rglob("*.py"):
        code = path.read_text(encoding="utf-8")
        private = re.findall(
            r"^\s*from gradio\.\S+ import|\b(?:demo|blocks)\._\w+|temp_file_sets|keep_in_cache", code, re.M
        )
        assert path.name == "gradio_private.py" or private == [], path


def test_no_module_of_the_page_imports_within_a_function():
    for path in UI.rglob("*.py"):
        for function in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef):
                assert not [n for n in ast.walk(function) if isinstance(n, ast.Import | ast.ImportFrom)], path


def test_the_words_are_those_of_the_field():
    said = re.sub(r"\{.*?\}", "", "\n".join(texts.texts("en").values()))
    assert re.findall(rf"\b(?:{BANNED})\b", said, re.IGNORECASE) == []


@pytest.mark.parametrize("language, shown", [("en", "1,234.5"), ("fr", "1\u202f234,5"), ("zh", "1,234.5")])
def test_numbers_are_written_as_the_language_has_them(language, shown):
    token = texts.LANGUAGE.set(language)
    try:
        assert texts.written(1234.5, ",.1f") == shown
        assert ("26,4" if language == "fr" else "26.4") in texts.t("compare.against_psnr", other=26.4, ours=27.1)
    finally:
        texts.LANGUAGE.reset(token)
