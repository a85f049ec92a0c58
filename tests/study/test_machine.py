"""Measuring a machine by a clock that says what we want it to."""

from collections.abc import Iterator
from contextlib import contextmanager

import pytest
import torch

from thrifty.config import DetectorSection, TrainingSection
from thrifty.detectors.paper import PaperDetector
from thrifty.detectors.paper_training import TrainablePaper
from thrifty.engine.local import BATCH
from thrifty.errors import CapabilityError
from thrifty.progress import Step
from thrifty.study.machine import Subject, measure_scoring, measure_training, synchronised

DETECTOR = DetectorSection(width=0.1, box_scale=0.3)


def subject(batch: int = 1) -> Subject:
    return Subject(64, 48, "cpu", DETECTOR, TrainingSection(batch=batch))


class Clock:
    """Goes on by the next of some spans whenever it is read."""

    def __init__(self, spans: list[float]) -> None:
        self.spans, self.now = spans, 0.0

    def __call__(self) -> float:
        self.now += self.spans.pop(0)
        return self.now


class Bars:
    """What was shown."""

    def __init__(self) -> None:
        self.shown: list[tuple[str, int, str]] = []
        self.done = 0

    @contextmanager
    def __call__(self, what: str, total: int, unit: str) -> Iterator[Step]:
        self.shown.append((what, total, unit))

        def step(units: int = 1) -> None:
            self.done += units

        yield step


def test_scoring_is_timed_batch_by_batch_after_a_warm_up() -> None:
    # Between readings of one batch, then from one batch to the next: neither the warm-up nor what lies between counts.
    clock = Clock([0, 1000, 7, 1000, 7, 4, 7, 8, 7, 12])
    bars = Bars()
    cost = measure_scoring(subject(), 3, clock, bars)
    assert cost.repeats == 3
    assert cost.each.seconds == pytest.approx(8 / BATCH)
    assert 4 / BATCH <= cost.each.low < cost.each.seconds < cost.each.high <= 12 / BATCH
    assert clock.spans == []
    assert bars.shown == [("measuring scoring", 5, "batches")]
    assert bars.done == 5


def test_training_is_timed_step_by_step_after_a_warm_up() -> None:
    clock = Clock([0, 1000, 2, 6, 4])
    bars = Bars()
    cost = measure_training(subject(batch=2), 3, clock, bars)
    assert cost.repeats == 3
    assert cost.each.seconds == pytest.approx(4 / 2)
    assert clock.spans == []
    assert bars.shown == [("measuring training", 5, "steps")]
    assert bars.done == 5


def test_chance_and_threads_are_left_as_they_were() -> None:
    torch.manual_seed(7)
    expected = torch.rand(3)
    threads = torch.get_num_threads()
    torch.manual_seed(7)
    for measure in (measure_scoring, measure_training):
        measure(subject(), 1)
    assert torch.equal(torch.rand(3), expected)
    assert torch.get_num_threads() == threads


def test_a_real_clock_gives_a_time() -> None:
    cost = measure_scoring(subject(), 3)
    assert 0 < cost.each.low <= cost.each.seconds <= cost.each.high


def test_every_batch_shows_other_pictures(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[bytes] = []
    original = PaperDetector.class_maps

    def watch(self: PaperDetector, frames: list) -> object:  # type: ignore[type-arg]
        seen.extend(frame.image.tobytes() for frame in frames)
        return original(self, frames)

    monkeypatch.setattr(PaperDetector, "class_maps", watch)
    measure_scoring(subject(), 3)
    assert len(set(seen)) == len(seen) == 5 * BATCH


def test_a_gpu_has_finished_before_the_clock_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    happened: list[str] = []
    monkeypatch.setattr(torch.cuda, "synchronize", happened.append)

    def clock() -> float:
        happened.append("read")
        return 1.0

    assert synchronised("cuda", clock)() == 1.0
    assert happened == ["cuda", "read"]
    assert synchronised("cpu", clock) is clock


def test_a_detector_without_class_maps_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(TrainablePaper, "gives", frozenset())
    with pytest.raises(CapabilityError, match="gives no class maps.*give --score-ms"):
        measure_scoring(subject(), 1)
