"""The History tab: every system by its endpoint, and a visitor who moves through them."""

import pytest
from conftest import picture
from PIL import Image
from test_page_tabs import opened, refusal

from codec.classroom.history import systems
from codec.spec import HISTORY
from codec.ui import address
from codec.ui.jobs import curves
from codec.ui.tabs import history as tab

pytestmark = pytest.mark.skipif(set(systems.here()) != set(HISTORY), reason="the weights of history are not here")


@pytest.fixture(scope="module")
def original(photo):
    from gradio_client import handle_file

    return handle_file(photo)


def sizes(said: str) -> list[int]:
    """The bytes of every line of the table."""
    rows = said.split("<tr>")[2:]
    return [int(row.split("<td>")[1].split("<")[0].replace(",", "")) for row in rows]


def value(update):
    return update["value"] if isinstance(update, dict) else update


def test_more_steps_are_more_bytes_and_a_better_picture(client, original):
    found = []
    for step in (1, 4, 8):
        shown, said, _, _ = client.predict(original, step, "primed", 0, api_name="/history_rnn")
        names = [entry["key"] for entry in shown["pictures"]]
        assert names == ["original", "rnn-2018", "jpeg", "ours"] and f"step {step}" in said
        theirs, _, ours = sizes(said)
        assert ours <= theirs
        found.append((theirs, float(shown["pictures"][1]["remark"].split(", ")[1].split()[0])))
    assert found == sorted(found) and found[0][0] < found[-1][0] / 4


def test_tiles_stop_and_the_map_says_where(client, original):
    _, _, maps, _ = client.predict(original, 8, "primed", 26, api_name="/history_rnn")
    captions = [entry["caption"] for entry in value(maps)]
    assert "26 dB" in captions[0] and "This codec" in captions[1]


def test_the_map_the_costs_and_the_masks_are_drawn(client, original):
    for network, count in (("middle", 3), ("fixed-middle", 2), ("li", 3)):
        _, said, maps, channels = client.predict(original, network, api_name="/history_importance")
        assert len(value(maps)) == count and len(value(channels)) == 6 and len(sizes(said)) == 3
    for network in ("high", "mse"):
        shown, _, maps, _ = client.predict(original, network, api_name="/history_attention")
        assert len(value(maps)) == 5 and shown["pictures"][1]["key"] == "attention-2021"


def test_every_network_of_the_page_is_shipped_and_others_are_refused(client, original):
    modules = {name.partition("-")[0]: module for name, module in systems.MODULES.items()}
    assert {name: set(networks) for name, networks in tab.NETWORKS.items()} == {
        name: set(module.VARIANTS) for name, module in modules.items()
    }
    for name in ("rnn", "importance", "attention"):
        inputs = (1, "best", 0) if name == "rnn" else ("best",)
        said = refusal(client, original, *inputs, api_name=f"/history_{name}")
        assert "best" in said or "no such network" in said


def test_a_large_image_is_refused_in_a_sentence(client, tmp_path):
    from gradio_client import handle_file

    Image.fromarray(picture(1800, 1200)).save(tmp_path / "large.png")
    assert "megapixels" in refusal(client, handle_file(tmp_path / "large.png"), "middle", api_name="/history_attention")


def test_every_system_is_a_side_and_a_curve(client, photo, original):
    from gradio_client import handle_file
    from test_page import compress

    stream = handle_file(compress(client, photo)[4])
    _, _, facts, table, _ = client.predict(
        stream, original, "importance-2018", "attention-2021", "rnn-2018", False, "size", api_name="/measure"
    )
    rows = {row["key"]: row for row in facts}
    for name in systems.MODULES:
        assert rows[name]["bytes"] <= rows["ours"]["bytes"] or "its smallest" in rows[name]["name"]
        assert name in table
    points = list(curves.sweep(str(photo), ["rnn-2018", "cae-2017"], "cpu"))[-1][0]
    assert [p[1] for p in points if p[0] == "rnn-2018"] == [1, 2, 3, 4, 6, 8]
    assert len([p for p in points if p[0] == "cae-2017"]) == 4
    shown, said = client.predict(original, "rnn-2018|2", api_name="/point")
    assert len(shown["pictures"]) == 2 and "rnn-2018" in said


def test_a_visitor_moves_through_ten_years(browser, url):
    assert address.parse({"tab": "course", "sub": "cae"}) == {"tab": "history", "sub": "cae"}
    page = opened(browser, f"{url}?tab=history")
    page.locator("#history-curves .js-plotly-plot").wait_for()
    page.locator("[role=tab][data-tab-id=rnn] >> visible=true").click()
    page.locator("#rnn-said tbody tr:nth-child(3)").wait_for()
    before = page.locator("#rnn-said tbody tr").first.inner_text()
    page.locator("#rnn-step input[type=range]").fill("5")
    page.locator("#rnn-step input[type=range]").dispatch_event("pointerup")
    page.wait_for_function(
        "old => document.querySelector('#rnn-said tbody tr')?.innerText !== old", arg=before, timeout=60_000
    )
    assert "step 5" in page.locator("#rnn-said tbody tr").first.inner_text()
    page.close()
