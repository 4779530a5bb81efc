"""The lesson and the tabs of the classroom, by name and in a browser."""

from pathlib import Path

import numpy as np
import pytest
from conftest import picture
from PIL import Image
from test_classroom import shipped

from codec import results
from codec.classroom import autoencoder, prior


def test_the_waves_lose_nothing_and_the_steps_do_what_they_say():
    from codec.classroom import steps

    rgb = steps.shrunk(picture(500, 333))
    assert rgb.shape[1] == 384 and not rgb.shape[0] % 8
    assert (steps.from_coefficients(steps.to_coefficients(rgb)) == rgb).all()
    assert (steps.coarse(rgb, 64)[0] == rgb).all() and "∞ dB" in steps.coarse(rgb, 64)[1]
    assert (steps.zipped(rgb, 8)[0] == rgb).all()
    assert sorted(steps.zigzag().ravel()) == list(range(64)) and steps.zigzag()[0, 1] == 1
    errors = [steps.psnr(rgb, steps.rounded(rgb, step)[0]) for step in (4, 8, 32)]
    assert errors == sorted(errors, reverse=True) and errors[0] - errors[1] > 3
    q = np.round(steps.to_coefficients(rgb) / steps.STEP)
    assert steps.surprise(q, True).sum() < steps.surprise(q, False).sum()


def test_the_tabs_answer_by_name(client, tmp_path):
    from gradio_client import handle_file
    from gradio_client.exceptions import AppError

    Image.fromarray(picture(120, 80)).save(tmp_path / "photo.png")
    photo = handle_file(tmp_path / "photo.png")
    for step, value in ((1, 3), (2, 6), (3, 24), (4, 1), (5, 0.0067), (6, 0.0067), (7, 0.5)):
        image, said = client.predict(step, value, photo, api_name="/lesson")
        assert "dB" in said or "λ" in said
        assert Image.open(image["path"] if isinstance(image, dict) else image).size == (120, 80)
    with pytest.raises(AppError, match="7 steps"):
        client.predict(8, 0, photo, api_name="/lesson")
    if shipped("mnist"):
        row = client.predict("l2000-d10", 0, True, 5, api_name="/digits")
        assert row.count("<figure>") == 10 and "bits" in row
        latent = client.predict(3, 0, api_name="/digit_latent")
        assert len(latent) == 10 and "cost" in client.predict(*latent, api_name="/decode_digit")
        assert "<img" in client.predict("l2000-d10", 1, 1.0, api_name="/sample_digits")
        with pytest.raises(AppError, match=r"no model|not in the list"):
            client.predict("nonsense", 0, False, 1, api_name="/digits")
    if shipped("cae"):
        _, said, file = client.predict(photo, "1", 128, api_name="/cae")
        assert f"{Path(file).stat().st_size:,} bytes" in said and Path(file).name == "picture-1-128.cae"
        decoded = client.predict(handle_file(file), api_name="/cae_decode")
        decoded = decoded["path"] if isinstance(decoded, dict) else decoded
        assert (np.asarray(Image.open(decoded)) == autoencoder.decompress(Path(file).read_bytes())).all()
        with pytest.raises(AppError, match="not a stream"):
            client.predict(handle_file(tmp_path / "photo.png"), api_name="/cae_decode")


def test_the_table_and_the_plot_of_the_autoencoder_show_what_was_measured():
    from codec.ui.jobs import cae as tab
    from codec.ui.names import CAE_CROPS

    found = results.read("classroom-cae")
    html = tab.table(found)
    for crop in CAE_CROPS:
        first, *rest = [p for p in found["points"] if p["crop"] == crop]
        assert len(rest) == 3
        for point in (first, *rest):
            assert f"{point['psnr']:.1f}</td><td>{point['bpp']:.3f}" in html
            assert f"{found['report'][point['experiment']]['psnr']:.1f}</td>" in html
        assert all(point["bpp"] < first["bpp"] / 4 and point["psnr"] < first["psnr"] for point in rest)
        plot = tab.progress(found, "4", crop)
        assert len(plot.data) == len(tab.TERMS) and all(len(line.x) == len(line.y) for line in plot.data)
        assert plot.data[0].x[-1] == 6000 + found["trained"][autoencoder.name_of("4", crop)]["steps"]
    assert tab.medians([5, 1, 3]).tolist() == [3, 3, 3] and tab.medians([float(k) for k in range(20)])[9] == 9


def test_the_prior_is_drawn_as_the_coder_has_it():
    from codec.ui.jobs.digit_plots import priors

    for line, scale in zip(priors([0.05, 0.5, 2.0]).data, (50, 500, 2000), strict=True):
        counts, heights = prior.table(scale), dict(zip(line.x.round(6), line.y, strict=True))
        middle = len(counts) // 2 - 1
        for q in (-2, 0, 1):
            assert heights[q] == pytest.approx(counts[middle + q] / counts.sum(), abs=1e-4)


def test_the_digits_stay_as_they_were_left_when_their_tab_is_opened_again():
    from codec.ui.jobs import digits as tab

    y = [float(k) for k in range(10)]
    _, strip, *found = tab.opened("l100-d10", 3, False, 1, 2, 0.5, *y)
    assert strip == tab.row("l100-d10", 3, False, 1) and found[:10] == y
    assert found[10:12] == [tab.decode(*y), tab.sample("l100-d10", 2, 0.5)]


def test_a_visitor_opens_a_step_by_its_link_and_moves_a_latent(url, browser):
    page = browser.new_page(viewport={"width": 1440, "height": 900}, locale="fr-FR")
    page.goto(f"{url}?step=3", timeout=90_000)
    page.get_by_text("Quantification : l'étape avec pertes").first.wait_for(timeout=90_000)
    page.locator("#step-picture-3 img.under[alt*='MSE']").wait_for(timeout=90_000)
    page.get_by_text("Réponse").locator("visible=true").click()
    page.get_by_text("quatre fois plus").locator("visible=true").wait_for(timeout=30_000)
    if shipped("mnist"):
        page.get_by_role("tab", name="Chiffres").click()
        page.locator("#one-digit img").wait_for(timeout=90_000)
        assert page.locator("#digit-row figure").count() == 10
        before = page.locator("#one-digit img").get_attribute("src")
        page.locator("input[type=range][aria-label*='y0']").first.fill("6")
        page.wait_for_function(
            "old => document.querySelector('#one-digit img').src !== old", arg=before, timeout=60_000
        )
        for plot in ("digit-curves", "prior-reported", "prior-learned", "digit-plane"):
            page.locator(f"#{plot} .main-svg").first.wait_for(timeout=90_000)
    if shipped("cae"):
        page.get_by_role("tab", name="Histoire").click()
        page.get_by_role("tab", name="Autoencodeur, 2017").click()
        page.locator("#cae-table table").wait_for(timeout=90_000)
        page.get_by_text("2 : avec entropie et caractéristiques").locator("visible=true").first.click()
        page.locator("#cae-curves .main-svg").first.wait_for(timeout=90_000)
    page.close()
