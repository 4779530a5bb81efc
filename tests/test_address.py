"""The state of the page in its address: written and read again, it is the same."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from codec.ui import address, examples


@st.composite
def states(draw) -> dict:
    """Any state that the page can be in."""
    state: dict = {}
    tab = draw(st.sampled_from([None, *address.PLACES]))
    if tab:
        state["tab"] = tab
        if address.PLACES[tab] and draw(st.booleans()):
            state["sub"] = draw(st.sampled_from(address.PLACES[tab]))
    if tab == "course" and "sub" not in state and draw(st.booleans()):
        state["step"] = draw(st.integers(1, address.STEPS))
    words = address.WORDS | {"example": tuple(examples.sources())}
    for key in draw(st.sets(st.sampled_from(sorted(words)))):
        state[key] = draw(st.sampled_from(words[key]))
    for key in draw(st.sets(st.sampled_from(sorted(address.NUMBERS)))):
        low, high = address.NUMBERS[key]
        state[key] = float(f"{draw(st.floats(low, high)):.6g}")
        state[key] = min(max(state[key], low), high)
    return state


@given(states())
def test_what_is_written_is_read_again(state):
    written = address.query(state)
    assert all(isinstance(value, str) for value in written.values())
    read = address.parse(written)
    assert read.keys() == state.keys()
    for key, value in state.items():
        assert math.isclose(read[key], value, rel_tol=1e-5) if isinstance(value, float) else read[key] == value
    assert set(written) - {"lang"} <= address.KEYS


@given(st.dictionaries(st.sampled_from([*sorted(address.KEYS), "lang", "else"]), st.text(max_size=12)))
def test_whatever_is_typed_opens_something(query):
    state = address.parse(query)
    assert address.parse(address.query(state)) == state


STATES = [
    {
        "tab": "compare",
        "example": "night",
        "model": "texture",
        "lambda": 0.0111,
        "left": "original",
        "right": "avif",
        "equal": "psnr",
        "zoom": 3.0,
        "x": 0.4,
        "y": 0.6,
    },
    {"tab": "compare", "sub": "decoders", "example": "portrait", "model": "mse", "bpp": 0.31, "realism": 0.25},
    {"tab": "course", "step": 3, "example": "coffee", "model": "perceptual", "kb": 9.5, "divider": 20.0},
]


@pytest.mark.parametrize("state", STATES, ids=lambda state: state["tab"] + state.get("sub", ""))
def test_the_page_opens_a_state_and_says_it(browser, url, state):
    from urllib.parse import parse_qsl, urlencode, urlsplit

    page = browser.new_page(viewport={"width": 1280, "height": 900})
    page.set_default_timeout(90_000)
    page.goto(f"{url}?{urlencode(address.query(state))}")
    page.wait_for_function("() => window.codecPage?.opened && window.codecPage.coded")
    page.wait_for_function(f"() => new URLSearchParams(location.search).get('tab') === '{state['tab']}'")
    page.wait_for_timeout(1000)  # the address must not change of itself

    def said() -> dict:
        return address.parse(dict(parse_qsl(urlsplit(page.url).query)))

    assert said().items() >= state.items()
    if state["tab"] == "compare" and "sub" not in state:
        page.locator("#right-side input").click()
        page.get_by_role("option", name="JPEG", exact=True).click()
        page.wait_for_function("() => location.search.includes('right=jpeg')")
        page.locator("#mode input").nth(1).check()
        page.wait_for_function("() => location.search.includes('bpp=') && !location.search.includes('lambda=')")
        assert said()["left"] == "original" and said()["example"] == "night"
    page.close()
