from __future__ import annotations

import re

import pytest
from playwright.sync_api import Browser, Page

from thrifty.report import page

from . import synthetic


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> str:
    path = tmp_path_factory.mktemp("page") / "page.html"
    page.write(synthetic.content(), path)
    return path.as_uri()


def _open(
    browser: Browser, address: str, width: int, scheme: str = "light"
) -> tuple[Page, list[str], list[str]]:
    tab = browser.new_page(viewport={"width": width, "height": 800}, color_scheme=scheme)  # type: ignore[arg-type]
    complaints: list[str] = []
    requests: list[str] = []
    tab.on("console", lambda message: complaints.append(message.text))
    tab.on("pageerror", lambda error: complaints.append(str(error)))
    tab.on("request", lambda request: requests.append(request.url))
    tab.goto(address)
    tab.wait_for_function(
        "[...document.images].every(image => image.complete && image.naturalWidth > 0)"
    )
    return tab, complaints, requests


def test_browser_shows_the_page_without_complaint_or_request(
    browser: Browser, address: str
) -> None:
    tab, complaints, requests = _open(browser, address, 1280)
    assert complaints == []
    assert [url for url in requests if not url.startswith("data:")] == [address]
    tab.close()


def test_checkboxes_switch_the_layers(browser: Browser, address: str) -> None:
    tab, _, _ = _open(browser, address, 1280)
    for box, layer in (
        ("#show-map", ".map"),
        ("#show-drawn", "g.drawn .line"),
        ("#show-detected", "g.detected .line"),
    ):
        first = tab.locator(layer).first
        assert first.is_visible()
        tab.locator(box).uncheck()
        assert first.is_hidden()
        tab.locator(box).check()
        assert first.is_visible()
    tab.close()


def test_narrow_page_does_not_scroll_sideways(browser: Browser, address: str) -> None:
    tab, _, _ = _open(browser, address, 360)
    tab.evaluate("document.querySelectorAll('details').forEach(one => one.open = true)")
    assert tab.evaluate("document.documentElement.scrollWidth") <= 360
    assert tab.evaluate("document.querySelector('.scroll').scrollWidth") > 360
    tab.close()


def test_charts_are_legible_in_light_and_dark(browser: Browser, address: str) -> None:
    shades = []
    for scheme in ("light", "dark"):
        tab, _, _ = _open(browser, address, 800, scheme)
        shades.append(
            tab.evaluate(
                "[getComputedStyle(document.querySelector('.chart text')).fill,"
                " getComputedStyle(document.body).backgroundColor]"
            )
        )
        tab.close()
    brightness = [
        [sum(map(int, re.findall(r"\d+", shade)[:3])) for shade in pair] for pair in shades
    ]
    assert brightness[0][0] + 300 < brightness[0][1]
    assert brightness[1][1] + 300 < brightness[1][0]
