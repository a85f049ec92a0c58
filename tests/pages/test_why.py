"""Why this frame, as people see it."""

import io
import re
from collections.abc import Iterator
from pathlib import Path

import httpx2
import numpy as np
import pytest
from PIL import Image as Pillow
from playwright.sync_api import Browser, Page, expect

from tests.pages.serving import served, with_a_batch
from tests.tiny import HEIGHT, WIDTH, TinyData
from thrifty.project.project import open_project
from thrifty.store.project.rows import Choice

Shop = tuple[list[Choice], str]


@pytest.fixture(scope="module")
def shop(tiny: TinyData, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shop]:
    folder: Path = tmp_path_factory.mktemp("asked") / "shop"
    with_a_batch(folder, tiny)
    with open_project(folder) as project:
        choices = project.store.choices()
    with served(folder) as address:
        yield choices, address


@pytest.fixture
def tab(browser: Browser) -> Iterator[Page]:
    page = browser.new_page(viewport={"width": 1100, "height": 800})
    complaints: list[str] = []
    page.on("console", lambda message: complaints.append(message.text))
    page.on("pageerror", lambda error: complaints.append(str(error)))
    yield page
    page.close()
    assert complaints == []


def test_a_frame_says_what_chose_it(shop: Shop, tab: Page) -> None:
    choices, address = shop
    tab.goto(f"{address}batches/1")
    for number, choice in enumerate(choices):
        tab.get_by_role("link", name="why").nth(number).click()
        expect(tab.get_by_role("heading", level=1)).to_have_text(f"Why {choice.record.label}")
        expect(tab.get_by_text(f"Frame {choice.rank} of batch-001")).to_contain_text(choice.reason)
        expect(tab.get_by_text(f"{choice.score:.4f}", exact=True).first).to_be_visible()
        expect(tab.locator(".heads figure")).to_have_count(5)
        expect(tab.locator(".timeline svg")).to_be_visible()
        tab.go_back()


def test_maps_are_laid_over_the_frame_and_taken_away(shop: Shop, tab: Page) -> None:
    choices, address = shop
    tab.goto(f"{address}frames/{choices[0].record.id}/why")
    for switch, shape in (("maps", ".frame .map"), ("regions", ".regions"), ("found", ".found")):
        layer = tab.locator(shape)
        assert layer.evaluate("one => getComputedStyle(one).display") != "none"
        tab.locator(f"#{switch}").uncheck()
        assert layer.evaluate("one => getComputedStyle(one).display") == "none"
    tab.goto(f"{address}batches/1")
    overlay = tab.locator(".gallery .map")
    expect(overlay).to_have_count(4)
    assert not overlay.first.is_visible()
    tab.locator("#maps").check()
    for one in overlay.all():
        one.scroll_into_view_if_needed()
        expect(one).to_have_js_property("complete", True)
    assert all(overlay.evaluate_all("maps => maps.map(one => one.naturalWidth)"))
    assert overlay.first.bounding_box() == tab.locator(".gallery img").first.bounding_box()


def test_a_map_is_a_picture_of_the_frame_s_shape(shop: Shop) -> None:
    choices, address = shop
    place = f"{address}frames/{choices[1].record.id}"
    sizes, brightest = set(), []
    for which in ("total", "0", "1", "2", "3", "4"):
        answer = httpx2.get(f"{place}/maps/{which}", timeout=60)
        assert answer.headers["content-type"] == "image/png"
        picture = Pillow.open(io.BytesIO(answer.content)).convert("RGBA")
        sizes.add(picture.size)
        brightest.append(int(np.asarray(picture)[..., 3].max()))
    assert len(sizes) == 1
    width, height = sizes.pop()
    assert width / height == pytest.approx(WIDTH / HEIGHT, rel=0.05)
    # The sum reaches the end of its scale, and so does the strongest head.
    assert brightest[0] == max(brightest[1:]) > 200
    for which in ("5", "-1", "x", "total.png"):
        assert httpx2.get(f"{place}/maps/{which}").status_code == 404


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_nothing_is_cut_off_on_a_narrow_window(shop: Shop, browser: Browser, scheme: str) -> None:
    choices, address = shop
    page = browser.new_page(viewport={"width": 360, "height": 800}, color_scheme=scheme)  # type: ignore[arg-type]
    page.goto(f"{address}frames/{choices[2].record.id}/why")
    page.wait_for_load_state("networkidle")
    assert page.evaluate("document.documentElement.scrollWidth") <= 360
    ink, paper = page.evaluate(
        "['color', 'backgroundColor'].map(name => getComputedStyle(document.body)[name])"
    )
    light = [sum(map(int, re.findall(r"\d+", one)[:3])) / 3 for one in (ink, paper)]
    assert abs(light[0] - light[1]) > 150
    assert (light[0] > light[1]) == (scheme == "dark")
    page.close()
