"""What a student is asked to do on the page (docs/assignment.md, docs/lecturing.md): each in under five clicks."""

import io
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from test_page_tabs import opened

MOST = 4  # clicks


class Student:
    """A browser's page whose clicks are counted; every task begins on the Compare tab."""

    def __init__(self, page):
        self.page, self.clicks = page, 0

    def begin(self) -> None:
        self.page.locator("#tabs > .tab-wrapper [data-tab-id=compare]").click()
        self.page.locator("#compare-places > .tab-wrapper [data-tab-id=one]").click()
        self.clicks = 0

    def click(self, selector: str) -> None:
        self.page.locator(f"{selector} >> visible=true").first.click()
        self.clicks += 1
        assert self.clicks <= MOST

    def tab(self, name: str) -> None:
        self.click(f"[role=tab][data-tab-id='{name}']")

    def sees(self, selector: str) -> str:
        place = self.page.locator(f"{selector} >> visible=true").first
        place.wait_for()
        return place.inner_text()

    def saves(self, selector: str) -> bytes:
        with self.page.expect_download() as download:
            self.click(selector)
        return Path(download.value.path()).read_bytes()


@pytest.fixture(scope="module")
def student(browser, url):
    page = opened(browser, f"{url}?tab=compare&example=portrait&lambda=0.0067&model=mse")
    page.locator("#figures tbody tr:nth-child(2)").first.wait_for()
    page.wait_for_function("() => window.codecPage.coded")
    yield Student(page)
    page.close()


@pytest.fixture(autouse=True)
def at_the_start(student):
    student.begin()


def test_the_jpeg_of_the_same_psnr_and_its_bytes(student):
    student.click("#equal input")
    student.click("[role=option]:has-text('PSNR')")
    assert "× the bytes" in student.sees("#verdict:has-text('JPEG needs')")


def test_one_step_of_the_course_and_its_answer(student):
    student.tab("course")
    student.click("#lesson-steps [data-tab-id='3']")
    assert "MSE" in student.sees("#lesson-steps .step-figures b")
    original = student.page.locator("#step-picture-3 .over:not([hidden])")
    result = student.page.locator("#step-picture-3 .under:not([hidden])")
    assert original.get_attribute("alt") == "Original" and "MSE" in result.get_attribute("alt")
    assert original.get_attribute("src") != result.get_attribute("src")
    student.click("#lesson-steps .label-wrap")
    assert "step²/12" in student.sees("text=four times as much")


def test_where_the_bits_went_as_a_figure_for_the_report(student):
    student.tab("bits")
    assert "hold half of the bits" in student.sees("#ledger")
    student.page.locator("#along-lambda img").first.wait_for()
    svg = student.saves(".slides[data-name='bit-map'] [data-format=svg]").decode()
    texts = [e.text for e in ElementTree.fromstring(svg).iter("{http://www.w3.org/2000/svg}text")]
    assert any("hyper-latent" in text for text in texts) and "tab=bits" in texts[-1]  # the last says where it is from
    images = [e.get("href") for e in ElementTree.fromstring(svg).iter("{http://www.w3.org/2000/svg}image")]
    assert len(images) == 2 and all(href.startswith("data:image/png;base64,") for href in images)
    png = np.asarray(Image.open(io.BytesIO(student.saves(".slides[data-name='bit-map'] [data-format=png]"))))
    assert png.shape[1] >= 1280 and png[0, 0].min() == 255 and png.std() > 30  # white around, and drawn


def test_which_decoder_has_the_lower_lpips(student):
    student.tab("decoders")
    student.sees("#decoder-figures tbody tr:nth-child(5)")
    heads = student.page.locator("#decoder-figures thead").inner_text()
    assert "LPIPS" in heads and "PSNR" in heads


def test_which_entropy_coder_comes_closest(student):
    student.tab("latents")
    student.tab("ladder")
    student.sees("#ladder .rung")
    assert "Huffman" in student.page.locator("#ladder").inner_text()
    texts = student.saves(".slides[data-name='entropy-ladder'] [data-format=svg]").decode()
    assert "Huffman" in texts


def test_what_the_prior_draws(student):
    student.tab("latents")
    student.tab("sampling")
    student.sees("#drawn img")


def test_the_systems_of_ten_years_on_one_plot(student):
    student.tab("history")
    student.sees("#history-curves .js-plotly-plot")
