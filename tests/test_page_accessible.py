"""What axe-core finds in every place of the page, light and dark: names, contrast, roles, structure."""

import json
from urllib.request import urlopen

import pytest
from places import GRAVE, OPTIONS, SIGNS, TAB
from test_page_tabs import opened

from codec.ui.address import PLACES


def test_every_picture_is_named_before_its_own_sentence_comes(url):
    with urlopen(f"{url}config") as answer:
        components = json.load(answer)["components"]
    pictures = [c["props"] for c in components if c["type"] == "image"]
    assert len(pictures) >= 3
    assert [p["elem_id"] for p in pictures if not p["alt_text"]] == []


def test_no_place_has_grave_findings(browser, url):
    axe = pytest.importorskip("axe_playwright_python.sync_playwright").Axe()
    page, findings = opened(browser, f"{url}?tab=compare&__theme=light"), []
    page.locator(f"{SIGNS['one']} >> visible=true").first.wait_for()
    for tab, places in PLACES.items():
        page.locator(TAB.format(tab)).click()
        for place in places or (tab,):
            if places:
                page.locator(TAB.format(place)).click()
            page.locator(f"{SIGNS[place]} >> visible=true").first.wait_for()
            for theme, options in OPTIONS.items():
                page.evaluate("dark => document.body.classList.toggle('dark', dark)", theme == "dark")
                page.wait_for_timeout(500)  # colours fade in
                for violation in axe.run(page, options=options).response["violations"]:
                    if violation["impact"] in GRAVE:
                        nodes = [node["html"][:160] for node in violation["nodes"][:3]]
                        findings.append((theme, place, violation["id"], nodes))
    page.close()
    assert not findings
