"""A whole room in a real browser: a host, two phones, a reload, a lost connection, a late joiner; three languages."""

import random
import re

import pytest
from voting import chosen, filled, serving, watched

from codec.ui.texts import LANGUAGES, texts
from codec.vote import trials

PHONE = {"viewport": {"width": 390, "height": 844}, "device_scale_factor": 3, "is_mobile": True, "has_touch": True}
GRAVE = ("serious", "critical")


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    with serving(tmp_path_factory.mktemp("votes")) as served:
        yield served


def open_room(page, address: str, language: str, ties: bool = False) -> str:
    """The code of a room with the shipped set, made as a lecturer would."""
    page.goto(f"{address}/vote/host?lang={language}")
    page.locator("input[value=shipped]").check()
    if ties:
        page.locator("input[name=ties]").check()
    page.locator("form.setup button.main").click()
    return page.locator(".room .code").inner_text().strip()


def start(page, address: str, code: str, language: str) -> None:
    page.goto(f"{address}/vote/{code}?lang={language}")
    page.locator("section.card button.main").click()


def at(page, number: int) -> None:
    """Waits for the trial with this number, from 1, until it takes an answer."""
    page.locator(f".progress progress[value='{number - 1}']").wait_for()
    page.locator(".stage img").first.wait_for()
    page.wait_for_timeout(300)  # an answer sooner is taken for a second tap on the last one


def answer(page, store, code: str, number: int, rng: random.Random) -> None:
    """Chooses as somebody would who sees what the images are."""
    at(page, number)
    token = page.evaluate(f"sessionStorage.getItem('vote.{code}')")
    _, trial, _ = store.trials(code, token)[number - 1]
    letter = "A" if chosen(trial, rng) == trials.LEFT else "B"
    page.get_by_role("button", name=re.compile(f" {letter}$")).click()


def findings(page) -> list:
    axe = pytest.importorskip("axe_playwright_python.sync_playwright").Axe()
    grave = [v for v in axe.run(page).response["violations"] if v["impact"] in GRAVE]
    return [(v["id"], v["nodes"][0]["html"][:160]) for v in grave]


def test_a_whole_room(browser, site):
    """The host's page is in French, one phone in English, the other in Chinese."""
    address, votes = site
    errors, rng, store = [], random.Random(3), votes.opened()
    french, chinese = texts("fr"), texts("zh")
    contexts = [
        browser.new_context(viewport={"width": 1024, "height": 768}),
        *(browser.new_context(**PHONE) for _ in "ab"),
    ]
    host, one, two = (watched(context, errors) for context in contexts)
    code = open_room(host, address, "fr")
    one.goto(f"{address}/vote?lang=en")
    one.get_by_label("Code of the room").fill(code.lower())
    one.get_by_role("button", name="Join").click()
    one.get_by_role("button", name="Start").click()
    at(one, 1)
    assert findings(one) == []
    # One image pixel on one device pixel, and the original in place while a finger is down.
    image = one.locator(".left .shot img").first
    assert image.evaluate("i => [i.naturalWidth, i.getBoundingClientRect().width * devicePixelRatio]") == [480, 480]
    flag = one.locator(".left .shot .flag")
    one.locator(".left .shot").dispatch_event("pointerdown")
    assert flag.is_visible()
    one.locator(".left .shot").dispatch_event("pointerup")
    assert not flag.is_visible()
    for number in (1, 2, 3):
        answer(one, store, code, number, rng)
    at(one, 4)
    one.reload()
    at(one, 4)  # where it was
    # A lost connection: images are there already, votes wait and are sent later, once.
    one.wait_for_function(
        "performance.getEntriesByType('resource').filter(e => e.name.includes('/image/')).length >= 12"
    )
    contexts[1].set_offline(True)
    for number in (4, 5):
        answer(one, store, code, number, rng)
    at(one, 6)
    one.locator("#unsent", has_text="2").wait_for()
    assert store.counts(code)["votes"] == 3
    contexts[1].set_offline(False)
    one.locator("#unsent", has_text=re.compile("^$")).wait_for(state="attached")
    assert store.counts(code)["votes"] == 5
    filled(store, code, 6)
    start(two, address, code, "zh")  # late
    for number in range(1, 13):
        answer(two, store, code, number, rng)
    two.get_by_role("heading", name=chinese["vote.phone.thanks"]).wait_for()
    counts = french["vote.host.counts"].format(joined=8, votes=89, expected=96)
    host.locator(".counts", has_text=counts).wait_for()
    host.reload()
    host.locator(".counts", has_text=counts).wait_for()
    assert findings(host) == []
    # The reveal by the keyboard alone; the first press only asks.
    host.keyboard.press(" ")
    host.get_by_role("button", name=french["vote.host.sure"]).wait_for()
    host.keyboard.press(" ")
    signs = (
        french["vote.chart.side"].format(pair=1, side="A"),
        f"{french['vote.method.hific']} · ",
        french["vote.chart.scale_axis"].split()[0],
        french["vote.chart.tau"].format(name="PSNR", tau="").rstrip(),
    )
    for step, sign in enumerate(signs, 1):
        section = host.locator(f".revealed[data-step='{step}']")
        section.wait_for()
        assert sign in section.locator("svg").text_content()
        assert step > 1 or "JPEG ·" not in section.text_content()
        assert host.evaluate("document.documentElement.scrollWidth <= innerWidth")
        host.keyboard.press("PageDown")
    assert findings(host) == []
    with host.expect_download() as download:
        host.get_by_role("button", name=french["vote.host.export"]).click()
    assert download.value.suggested_filename == f"vote-{code}.zip"
    with host.expect_download() as download:
        host.get_by_role("button", name=french["vote.host.png"]).click()
    assert download.value.suggested_filename == "vote-4.png"
    # The voter who is late is told, and comes along to the next round.
    answer(one, store, code, 6, rng)
    one.get_by_role("heading", name="This vote is closed.").wait_for()
    assert store.counts(code)["votes"] == 89
    host.locator(".more summary").click()
    host.get_by_role("button", name=french["vote.host.next"]).click()
    new = host.locator(".room .code")
    new.wait_for()
    two.get_by_role("link", name=chinese["vote.phone.next"].format(code=new.inner_text().strip())).click()
    two.get_by_role("button", name=chinese["vote.phone.start"]).wait_for()
    one.get_by_role("link", name="Join the next round").wait_for()
    for context in contexts:
        context.close()
    assert errors == []


@pytest.mark.parametrize("language", [name for name in LANGUAGES if name != "en"])
def test_the_other_languages(browser, site, language):
    address, votes = site
    errors, words = [], texts(language)
    host_context = browser.new_context(viewport={"width": 1440, "height": 900}, color_scheme="dark")
    phone_context = browser.new_context(**PHONE, color_scheme="dark", locale=language)
    host, phone = watched(host_context, errors), watched(phone_context, errors)
    code = open_room(host, address, language, ties=True)
    phone.goto(f"{address}/vote/{code}")  # in the browser's own language
    phone.get_by_role("heading", name=words["vote.question.closer"]).wait_for()
    phone.get_by_role("button", name=words["vote.phone.start"]).click()
    at(phone, 1)
    assert phone.evaluate("document.documentElement.scrollWidth <= innerWidth")
    phone.get_by_role("button", name=words["vote.phone.tie"]).click()
    at(phone, 2)
    filled(votes.opened(), code, 5)
    host.keyboard.press(" ")
    host.get_by_role("button", name=words["vote.host.sure"]).wait_for()
    host.keyboard.press(" ")
    host.get_by_role("heading", name=words["vote.reveal.masked"]).wait_for()
    host.keyboard.press("ArrowRight")
    host.get_by_role("heading", name=words["vote.reveal.unmasked"]).wait_for()
    assert words["vote.method.hific"] in host.locator("svg").text_content() and findings(host) == []
    host_context.close()
    phone_context.close()
    assert errors == []


def test_one_person_by_the_keyboard(browser, site):
    errors = []
    context = browser.new_context(viewport={"width": 1440, "height": 900})
    page = watched(context, errors)
    page.goto(f"{site[0]}/vote/me?lang=fr")
    page.get_by_role("button", name="Commencer").click()
    for number in range(1, 11):
        at(page, number)
        page.keyboard.press("ab"[number % 2])
    page.get_by_role("heading", name=re.compile(r"Le PSNR a été d'accord avec vos yeux \d fois sur 8")).wait_for()
    assert page.locator(".measures li").count() == 6 and page.locator(".answers li").count() == 10
    assert findings(page) == []
    context.close()
    assert errors == []


def test_hands_are_counted_at_the_hosts(browser, site):
    errors = []
    context = browser.new_context(viewport={"width": 1024, "height": 768})
    page = watched(context, errors)
    code = open_room(page, site[0], "en")
    page.get_by_role("button", name="No network? Count hands").click()
    for label, count in (("Option A", 7), ("Option B", 12), ("No difference", 1)):
        page.get_by_label(label, exact=True).locator("visible=true").last.fill(str(count))
    page.get_by_role("button", name="Next").click()
    page.get_by_text("2 of 12").wait_for()
    (hands,) = site[1].opened().hands(code)
    assert {hands.for_first, hands.for_second} == {7, 12} and hands.ties == 1
    context.close()
    assert errors == []
