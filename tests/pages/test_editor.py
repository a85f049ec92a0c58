"""The editor in a real browser: by mouse, by keys, again after a reload, on a narrow window."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.pages.serving import served, with_a_batch
from tests.tiny import HEIGHT, WIDTH, TinyData
from thrifty.project.project import open_project
from thrifty.store.project.rows import Label


@dataclass
class Desk:
    """A project, and a tab with one of its frames."""

    folder: Path
    ids: list[str]
    address: str
    tab: Page
    complaints: list[str] = field(default_factory=list)

    def open(self, rank: int) -> None:
        """Go to a frame."""
        self.tab.goto(f"{self.address}frames/{self.ids[rank - 1]}")
        self.is_ready()

    def is_ready(self) -> None:
        """Wait until keys are heard."""
        expect(self.tab.locator("#status")).not_to_be_empty()

    def drag(self, start: tuple[float, float], end: tuple[float, float], key: str = "") -> None:
        """With the mouse, by pixels of the frame."""
        if key:
            self.tab.keyboard.down(key)
        self.tab.mouse.move(*self._on_screen(*start))
        self.tab.mouse.down()
        self.tab.mouse.move(*self._on_screen(*end), steps=5)
        self.tab.mouse.up()
        if key:
            self.tab.keyboard.up(key)

    def _on_screen(self, x: float, y: float) -> tuple[float, float]:
        place = self.tab.locator("#stage").bounding_box()
        assert place is not None
        return place["x"] + x * place["width"] / WIDTH, place["y"] + y * place["height"] / HEIGHT

    def press(self, *keys: str) -> None:
        """Keys, one after the other."""
        for key in keys:
            self.tab.keyboard.press(key)

    def boxes(self) -> list[list[float]]:
        """What is drawn, by pixels of the frame."""
        shapes = self.tab.locator("#stage .box rect").evaluate_all(
            "shapes => shapes.map(one => ['x', 'y', 'width', 'height'].map(name => Number(one.getAttribute(name))))"
        )
        return [[x, y, x + width, y + height] for x, y, width, height in shapes]

    def is_saved(self) -> None:
        """Wait until the draft is kept."""
        expect(self.tab.locator("#status")).to_have_text("draft saved")

    def label(self, rank: int) -> Label | None:
        """The one that counts."""
        with open_project(self.folder) as project:
            return project.store.labels().get(self.ids[rank - 1])


@pytest.fixture(scope="module")
def project(
    tiny: TinyData, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[Path, list[str], str]]:
    folder = tmp_path_factory.mktemp("edited") / "shop"
    ids = with_a_batch(folder, tiny)
    with served(folder) as address:
        yield folder, ids, address


@pytest.fixture
def sit(browser: Browser, project: tuple[Path, list[str], str]) -> Iterator[Callable[..., Desk]]:
    """Opens a tab; in the end none may have complained."""
    desks: list[Desk] = []

    def down(width: int = 1200, scheme: str = "light") -> Desk:
        size = {"width": width, "height": 800}
        tab = browser.new_page(viewport=size, color_scheme=scheme)  # type: ignore[arg-type]
        desk = Desk(*project, tab)
        tab.on("console", lambda message: desk.complaints.append(message.text))
        tab.on("pageerror", lambda error: desk.complaints.append(str(error)))
        desks.append(desk)
        return desk

    yield down
    for desk in desks:
        desk.tab.close()
        assert desk.complaints == []


def test_a_box_that_was_drawn_is_there_after_a_reload_and_becomes_a_label(
    sit: Callable[..., Desk],
) -> None:
    desk = sit()
    desk.open(1)
    desk.drag((10, 10), (40, 50))
    [drawn] = desk.boxes()
    assert drawn == pytest.approx([10, 10, 40, 50], abs=0.2)
    desk.is_saved()
    desk.tab.reload()
    desk.is_ready()
    assert desk.boxes() == [pytest.approx(drawn)]
    assert desk.label(1) is None

    desk.press("Enter")
    desk.tab.wait_for_url(f"**/frames/{desk.ids[1]}")
    label = desk.label(1)
    assert label is not None
    assert label.drawn.boxes.tolist() == [pytest.approx(drawn)]
    assert label.seconds is not None
    assert 0 < label.seconds < 60
    desk.tab.goto(f"{desk.address}batches/1")
    expect(desk.tab.get_by_text("labelled, 1 objects")).to_have_count(1)


def test_everything_goes_by_the_keyboard(sit: Callable[..., Desk]) -> None:
    desk = sit()
    desk.open(2)
    desk.press("n")
    [first] = desk.boxes()
    desk.press("ArrowRight", "Control+ArrowDown", "Shift+ArrowRight", "Alt+ArrowUp")
    [moved] = desk.boxes()
    assert moved == pytest.approx([first[0] + 1, first[1] + 9, first[2] + 2, first[3] + 10])
    desk.press("Control+z", "Control+z")
    assert desk.boxes()[0] == pytest.approx(
        [first[0] + 1, first[1] + 10, first[2] + 1, first[3] + 10]
    )
    desk.press("Control+Shift+z", "Control+y")
    assert desk.boxes() == [pytest.approx(moved)]
    desk.press("i")
    expect(desk.tab.locator("#boxes")).to_have_text("1 ignore")
    desk.press("1")
    expect(desk.tab.locator("#boxes")).to_have_text("1 person")
    desk.press("x")
    expect(desk.tab.locator("#boxes")).to_have_text("nothing in it")
    desk.press("Control+z")
    assert desk.boxes() == [pytest.approx(moved)]
    # Nothing leaves the frame, however often one asks.
    desk.press("k", *["Control+ArrowLeft"] * 15)
    [edge] = desk.boxes()
    assert edge[0] == 0
    assert edge[2] == pytest.approx(moved[2] - moved[0])
    desk.is_saved()
    desk.press("PageUp")
    desk.tab.wait_for_url(f"**/frames/{desk.ids[0]}")


def test_boxes_are_moved_resized_and_reached_inside_others(sit: Callable[..., Desk]) -> None:
    desk = sit()
    desk.open(3)
    desk.drag((10, 10), (70, 54))
    desk.drag((40, 30), (45, 35))
    [moved] = desk.boxes()
    assert moved == pytest.approx([15, 15, 75, 59], abs=0.3)
    desk.drag((75, 59), (80, 49))
    [resized] = desk.boxes()
    assert resized == pytest.approx([15, 15, 80, 49], abs=0.3)
    desk.drag((15, 30), (20, 40))
    assert desk.boxes()[0] == pytest.approx([20, 15, 80, 49], abs=0.3)
    desk.drag((40, 20), (50, 40), key="Shift")
    assert len(desk.boxes()) == 2
    expect(desk.tab.locator("#stage .selected rect")).to_have_count(1)
    desk.press("Delete", "Escape")
    assert len(desk.boxes()) == 1
    desk.press("+", "+")
    assert desk.tab.evaluate("document.querySelector('#stage').style.width") == "156.25%"
    desk.press("0")
    assert desk.tab.evaluate("document.querySelector('#stage').style.width") == "100%"


def test_the_detector_s_boxes_and_the_frame_before_are_a_start(
    sit: Callable[..., Desk],
) -> None:
    desk = sit()
    with open_project(desk.folder) as project:
        choices = {choice.rank: choice for choice in project.store.choices(1)}
        found = project.store.found(desk.ids)
        first, last = sorted(choices.values(), key=lambda one: one.record.place or 0)[::3]
    desk.open(first.rank)
    desk.press("x", "Control+z")
    desk.drag((5, 5), (25, 35))
    desk.is_saved()
    desk.press("Enter")
    desk.tab.wait_for_url(lambda url: first.record.id not in url)

    desk.open(last.rank)
    before = len(desk.boxes())
    others = desk.tab.get_by_role("button", name="the frame before's")
    wanted = int(others.inner_text().split()[-1])
    assert wanted >= 1
    desk.press("c", "c")
    assert len(desk.boxes()) == before + wanted
    desk.press("m", "m")
    assert len(desk.boxes()) == before + wanted + len(found[last.record.id])


def test_what_cannot_be_saved_is_told_and_saved_later(sit: Callable[..., Desk]) -> None:
    desk = sit()
    desk.open(4)
    count = len(desk.boxes())
    desk.tab.route("**/draft", lambda route: route.abort())
    desk.drag((50, 10), (70, 30))
    expect(desk.tab.locator("#status.wrong")).to_contain_text("not saved")
    desk.tab.unroute("**/draft")
    desk.press("ArrowRight")
    desk.is_saved()
    drawn = desk.boxes()
    assert len(drawn) == count + 1
    desk.tab.reload()
    desk.is_ready()
    assert desk.boxes() == [pytest.approx(box) for box in drawn]
    # The browser itself tells of the request that was cut off.
    assert all("ERR_FAILED" in said for said in desk.complaints)
    desk.complaints.clear()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_nothing_is_cut_off_on_a_narrow_window(sit: Callable[..., Desk], scheme: str) -> None:
    desk = sit(width=360, scheme=scheme)
    for path in ("", "batches/1", f"frames/{desk.ids[3]}"):
        desk.tab.goto(desk.address + path)
        desk.tab.wait_for_load_state("networkidle")
        assert desk.tab.evaluate("document.documentElement.scrollWidth") <= 360, path
