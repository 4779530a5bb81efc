"""What axe-core finds in every tab, light and dark: names, contrast, roles, structure."""

import json
from urllib.request import urlopen

import pytest
from test_page_tabs import opened

SIGNS = {  # what a tab draws last
    "compare": "#figures tbody tr:nth-child(2)",
    "decoders": "#decoder-figures tbody tr:nth-child(5)",
    "curves": "#curves",
    "bits": "#along-lambda img",
    "bits&sub=region": "#code-region",
    "latents&sub=ladder": "#ladder-2017 .rung",
    "latents&sub=between": "#draw-strip",
    "latents&sub=corrupt": "#break",
    "generative": "#drawn img",
    "inside": "#channel-histogram .js-plotly-plot",
    "lesson": "#step-picture-1 img",
    "digits": "#digit-plane .js-plotly-plot",
    "cae": "#cae-curves .js-plotly-plot",
    "open": "#stream-upload",
    "vote": "#vote-intro a",
    "method": "#method table",
}
GRAVE = ("serious", "critical")


def test_every_picture_is_named_before_its_own_sentence_comes(url):
    with urlopen(f"{url}config") as answer:
        components = json.load(answer)["components"]
    pictures = [c["props"] for c in components if c["type"] == "image"]
    assert len(pictures) >= 10  # the lesson's alone
    assert [p["elem_id"] for p in pictures if not p["alt_text"]] == []


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_no_tab_has_grave_findings(browser, url, theme):
    axe = pytest.importorskip("axe_playwright_python.sync_playwright").Axe()
    found = []
    for tab, sign in SIGNS.items():
        page = opened(browser, f"{url}?tab={tab}&__theme={theme}")
        page.locator(f"{sign} >> visible=true").first.wait_for()
        page.wait_for_timeout(500)  # colours fade in
        for violation in axe.run(page).response["violations"]:
            if violation["impact"] in GRAVE:
                found.append((tab, violation["id"], [n["html"][:160] for n in violation["nodes"][:3]]))
        page.close()
    assert not found
