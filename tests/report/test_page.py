from __future__ import annotations

import dataclasses
import os
import re
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest

from thrifty.evaluation.axis import Axis
from thrifty.evaluation.statistics import compare
from thrifty.report import page
from thrifty.report.content import Content
from thrifty.study.headroom import Headroom
from thrifty.types import Record, Unreadable

from . import synthetic

HOSTILE = "<script>alert('x')</script>\"&$\\frac{1}$"
_VOID = {"meta", "link", "img", "input", "br"}


class Outline(HTMLParser):
    """Checks that tags close in order; gathers tags, ids and the addresses that a browser would follow."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: set[str] = set()
        self.ids: list[str] = []
        self.addresses: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        for name, value in attrs:
            if name == "id":
                self.ids.append(value or "")
            if name in {"src", "href", "xlink:href", "srcset", "action"}:
                self.addresses.append(value or "")
        if tag not in _VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)
        if tag not in _VOID:
            self.handle_endtag(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open
        assert self.open.pop() == tag


@pytest.fixture(scope="module")
def full() -> Content:
    return synthetic.content()


@pytest.fixture(scope="module")
def html(full: Content) -> str:
    return page.render(full)


def _bare(**changes: object) -> Content:
    nothing: dict[str, object] = {
        "chosen": [],
        "passed_over": [],
        "passed_over_counts": {},
        "unreadable": [],
    }
    return synthetic.content(**(nothing | changes))


def test_same_content_same_bytes(full: Content, html: str) -> None:
    assert page.render(full) == html


def test_document_is_well_formed_and_self_contained(html: str) -> None:
    outline = Outline(html)
    assert outline.open == []
    assert len(outline.ids) == len(set(outline.ids))
    assert outline.tags.isdisjoint({"script", "iframe", "object", "video", "form"})
    assert [a for a in outline.addresses if not a.startswith(("#", "data:"))] == []
    assert {a[1:] for a in outline.addresses if a.startswith("#")} <= set(outline.ids)
    assert re.search(r"https?://|@import|url\((?!#)", html) is None


def test_sections_come_in_order(html: str) -> None:
    titles = re.findall(r"<h2[^>]*>(.*?)</h2>", html)
    assert titles == [
        "Key figures",
        "Charts",
        "Chosen frames",
        "Passed over by the rules",
        "Frames that could not be read",
        "The run",
    ]


def test_rendered_pictures_are_announced_and_only_those(html: str) -> None:
    assert "not photographs" in html
    assert "not photographs" not in page.render(_bare(points=[], rendered=False))


def test_hostile_names_are_text() -> None:
    record = Record("id", f"videos/{HOSTILE}", 640, 480)
    text = page.render(
        synthetic.content(
            title=HOSTILE,
            description=HOSTILE,
            points=[
                dataclasses.replace(p, strategy=p.strategy + HOSTILE) for p in synthetic.points()
            ],
            chosen=[
                dataclasses.replace(
                    synthetic.chosen("divergence", 1, 0), record=record, relaxed=HOSTILE
                )
            ],
            passed_over=[
                dataclasses.replace(
                    synthetic.passed_over(1), record=record, rule=HOSTILE, because=record
                )
            ],
            passed_over_counts={(HOSTILE, 1, HOSTILE): 3},
            unreadable=[(HOSTILE, Unreadable(record, HOSTILE))],
            facts={HOSTILE: HOSTILE},
            versions={HOSTILE: HOSTILE},
            recipe=HOSTILE,
        )
    )
    assert "<script" not in text
    assert text.count("&lt;script&gt;") > 15
    assert Outline(text).open == []


def test_findings_say_what_their_curves_lie_along() -> None:
    words = {
        Axis.FRAMES: "Curves lie along labelled frames.",
        Axis.BOXES: "Curves lie along drawn boxes.",
        Axis.SECONDS: "Curves lie along labelling time by the recipe’s costs.",
    }
    for along, sentence in words.items():
        text = page.render(_bare(findings={"divergence": ["better"]}, along=along))
        assert [other for other in words.values() if other in text] == [sentence]


def test_whether_labels_matter_is_said_where_it_is_known() -> None:
    assert "Do labels matter?" not in page.render(_bare())
    better = {"start": 0.9, "chance": 0.6, "whole": 0.4}
    figures = {name: np.full(6, value) for name, value in better.items()}
    gain = compare(figures["whole"], figures["chance"], np.random.default_rng(0))
    text = page.render(_bare(room=Headroom(**figures, labelled=20, pool=100, gain=gain)))
    assert text.count("Do labels matter?") == 2
    assert "<li>start weights miss 0.900 (0.900 to 0.900)</li>" in text
    assert "labels matter here</li>" in text
    assert Outline(text).open == []


def test_nothing_at_all_is_said_in_words() -> None:
    text = page.render(_bare(points=[], facts={}, versions={}, seeds=(), recipe="", description=""))
    for sentence in (
        "This run has no figures yet.",
        "Nothing to draw yet.",
        "No chosen frames to show",
        "The rules held no frame back.",
        "Every frame could be read.",
        "No versions are recorded.",
        "No seeds are recorded.",
    ):
        assert sentence in text


@pytest.mark.parametrize(
    ("strategies", "seeds", "cycles"),
    [
        (("divergence",), (3,), 1),
        (("random",), (3,), 0),
        (("guided-random", "entropy"), (0, 1), 2),
    ],
)
def test_small_runs_have_a_page(
    strategies: tuple[str, ...], seeds: tuple[int, ...], cycles: int
) -> None:
    text = page.render(_bare(points=synthetic.points(strategies, seeds, cycles), seeds=seeds))
    assert "nan" not in text.lower()
    assert text.count('class="chart"') == 3


def test_missing_figures_show_as_dashes() -> None:
    point = synthetic.point("divergence", 0, 1, 0.4, 0, 20)
    empty = np.zeros(0)
    lost = dataclasses.replace(
        point, miss_rate=float("nan"), log_average=float("nan"), fppi=empty, miss_rates=empty
    )
    text = page.render(_bare(points=[lost, dataclasses.replace(lost, strategy="guided-random")]))
    assert "nan" not in text.lower()
    assert "there is no miss rate to compare" in text
    assert "hold no people" in text


def test_boxes_are_scaled_with_their_picture() -> None:
    frame = dataclasses.replace(
        synthetic.chosen("divergence", 1, 0),
        boxes=np.array([[64.0, 32.0, 128.0, 320.0]]),
        ignored=np.zeros((0, 4)),
        detections=np.zeros((0, 4)),
        detection_scores=np.zeros(0),
        found=0,
    )
    text = page.render(_bare(points=[], chosen=[frame]))
    assert '<rect class="line" x="48.0" y="24.0" width="48.0" height="216.0"/>' in text
    assert "1 drawn, 0 detected before</span>" in text
    many = dataclasses.replace(synthetic.chosen("divergence", 1, 0), found=37)
    shown = len(many.detections)
    text = page.render(_bare(points=[], chosen=[many]))
    assert f"37 detected before, the {shown} surest shown" in text


def test_forty_cards_stay_small() -> None:
    frames = [synthetic.chosen("divergence", 1, rank) for rank in range(8)]
    assert len(page.render(_bare(points=[], chosen=frames))) / len(frames) * 40 < 5e6


def test_write_replaces_the_page_in_one_step(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "page.html"
    page.write(_bare(points=[]), path)
    before = path.read_bytes()
    assert before.decode("utf-8") == page.render(_bare(points=[]))

    def full_disk(_: int) -> None:
        raise OSError("no space left on device")

    monkeypatch.setattr(os, "fsync", full_disk)
    with pytest.raises(OSError, match="no space"):
        page.write(_bare(points=[], title="another"), path)
    assert path.read_bytes() == before
    assert [entry.name for entry in tmp_path.iterdir()] == ["page.html"]
