"""The whole page in three languages: what is described once and what is computed later, and nothing said elsewhere."""

import re

import httpx
import pytest

from codec import baselines, spec
from codec.ui import names, page, texts
from codec.ui.texts import LANGUAGE

#: Words that are the same in every language: names of codecs, measures and sizes, and what a choice is stored by.
SAME = {
    *baselines.NAMES.values(),
    *(d.title for d in spec.DECODERS.values()),
    *names.AXES,
    *names.MODES,
    *spec.HISTORY,
    "y",
}
VISIBLE = ("label", "info", "placeholder", "alt_text")


@pytest.fixture
def marked(monkeypatch):
    """Every text is its key in brackets."""
    keys = texts.texts("en")
    monkeypatch.setattr(texts, "texts", lambda language: {key: f"⟦{key}⟧" for key in keys})


def words_of(component: dict):
    props = component["props"]
    yield from (props.get(key) for key in VISIBLE)
    yield from (choice[0] for choice in props.get("choices") or () if isinstance(choice, (list, tuple)))
    if component["type"] in ("markdown", "button", "downloadbutton", "html"):
        yield props.get("value")


def test_no_word_of_the_page_stands_outside_the_files(marked):
    described = page.layout().get_config_file()["components"]
    found = set()
    for component in described:
        if component["props"].get("visible") in (False, "hidden"):
            continue
        for text in words_of(component):
            if isinstance(text, str):
                bare = re.sub(r"<[^>]*>|⟦.*?⟧|EN|FR|λ = \S+|JPEG( \(quality [^)]*\))?", "", text)
                if re.search(r"[A-Za-z]{2,}", bare) and bare.strip() not in SAME:
                    found.add(bare.strip())
    assert not found


@pytest.mark.parametrize(
    ("language", "word"), [("en", "Bit allocation"), ("fr", "Allocation des bits"), ("zh", "比特分配")]
)
def test_the_page_is_described_in_the_language_of_the_request(url, language, word):
    asked = httpx.get(f"{url}?tab=compare&lang={language}").text
    assert word.encode("unicode_escape").decode() in asked or word in asked
    assert f'lang="{language}"' in asked and f"'{texts.LANGUAGES[language]}'" in asked
    by_browser = httpx.get(f"{url}config", headers={"Accept-Language": f"{language};q=0.9, en;q=0.1"}).json()
    labels = {c["props"].get("label") for c in by_browser["components"]}
    assert word in labels


def test_what_is_computed_is_said_in_the_language_of_the_page(browser, url):
    view = browser.new_page(viewport={"width": 1280, "height": 900})
    view.set_default_timeout(90_000)
    view.goto(f"{url}?tab=compare&lang=fr&example=portrait&model=mse&lambda=0.0041")
    view.locator("#headline .big", has_text="plus petit que les pixels bruts").wait_for()
    view.locator("#verdict .big", has_text="ce codec").wait_for()
    view.locator("#languages a[lang=zh]").click()
    view.locator("#headline .big", has_text="比原始像素小").wait_for()
    assert "lang=zh" in view.url and "example=portrait" in view.url
    view.close()
    assert LANGUAGE.get() == "en"
