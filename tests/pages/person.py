"""Somebody in front of the pages, who does with mouse and keys what people do."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from playwright.sync_api import Page, expect

from thrifty.data.dataset import Label

PATIENCE = 180_000
"""Milliseconds that a command may take."""


@dataclass
class Person:
    """Somebody with a tab open.

    Attributes:
        tab: Theirs.
        address: Of the pages, up to the slash.
        answers: What they would draw on each frame, by its name.
        pictures: Folder in which they keep pictures of the pages; `None` if they keep none.
    """

    tab: Page
    address: str
    answers: Mapping[str, Sequence[Label]]
    pictures: Path | None = None
    complaints: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.tab.on("console", lambda message: self.complaints.append(message.text))
        self.tab.on("pageerror", lambda error: self.complaints.append(str(error)))

    def keep(self, name: str, *, whole: bool = False) -> None:
        """Take a picture of what is seen."""
        if self.pictures is not None:
            path = self.pictures / f"{name}.jpg"
            self.tab.screenshot(path=path, full_page=whole, type="jpeg", quality=82)

    def home(self) -> None:
        """Go to where it stands."""
        self.tab.goto(self.address)

    def give(self, command: str, **values: str) -> str:
        """Give a command and wait; what the page says then."""
        self.begin(command, **values)
        job = self.tab.locator('#job[data-state="done"]')
        job.wait_for(timeout=PATIENCE)
        return self.tab.locator("#job-said").inner_text()

    def begin(self, command: str, **values: str) -> None:
        """Give a command."""
        self.home()
        form = self.tab.locator(f'form[data-command="{command}"]')
        for name, value in values.items():
            form.locator(f'[name="{name}"]').fill(value)
        form.get_by_role("button").click()

    def label_batch(self, number: int) -> int:
        """Label what is left of a batch; how many frames that were."""
        self.tab.goto(f"{self.address}batches/{number}")
        self.tab.get_by_role("link", name="label the next frame").click()
        count = 0
        while re.search(r"/frames/", self.tab.url):
            self._label_frame()
            count += 1
        return count

    def _label_frame(self) -> None:
        expect(self.tab.locator("#status")).not_to_be_empty()
        name = self.tab.locator("h1").inner_text()
        # A detector's boxes of the draft, or an earlier label, would be in the way.
        expect(self.tab.locator("#stage .box")).to_have_count(0)
        for label in self.answers[name]:
            self._draw(label)
        drawn = self.tab.locator("#stage .box")
        expect(drawn).to_have_count(len(self.answers[name]))
        if self.answers[name]:
            self.keep("editor")
        with self.tab.expect_navigation():
            self.tab.keyboard.press("Enter")

    def _draw(self, label: Label) -> None:
        left, top, right, bottom = label.box
        self.tab.keyboard.down("Shift")
        self.tab.mouse.move(*self._on_screen(left, top))
        self.tab.mouse.down()
        self.tab.mouse.move(*self._on_screen(right, bottom), steps=3)
        self.tab.mouse.up()
        self.tab.keyboard.up("Shift")
        if label.ignore:
            self.tab.keyboard.press("i")

    def _on_screen(self, x: float, y: float) -> tuple[float, float]:
        place = self.tab.locator("#stage").bounding_box()
        size = self.tab.locator("#stage image")
        assert place is not None
        width, height = (float(size.get_attribute(name) or 0) for name in ("width", "height"))
        return place["x"] + x * place["width"] / width, place["y"] + y * place["height"] / height
