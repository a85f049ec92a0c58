"""What a GPU makes of it: the fused score, scoring and training at 640 x 480, and the paper's whole protocol from them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from statistics import median

import torch

from benchmarks.scoring import HEIGHT, WIDTH, heads, plain_score
from benchmarks.timing import Row
from thrifty.config import DetectorSection, TrainingSection
from thrifty.detectors.network import PaperNetwork
from thrifty.engine.local import usual_batch
from thrifty.evaluation.completion import (
    PAPER_SCORE,
    PAPER_TRAIN,
    Workload,
    time_to_completion,
)
from thrifty.maps import ClassMaps
from thrifty.scoring.forms import Form, score_frames
from thrifty.study.machine import Subject, measure_scoring, measure_training
from thrifty.study.planning import FrameCost

PROTOCOL = Workload(pool=51_363, budget=7_000, per_cycle=500)
"""The paper's: 14 cycles of 500 frames."""
_TIMES = 100
_REPEATS = 60


@dataclass(frozen=True)
class Way:
    """How a network is run.

    Attributes:
        name: In words.
        detector: As it is asked.
        training: As it learns.
    """

    name: str
    detector: DetectorSection
    training: TrainingSection


def ways() -> list[Way]:
    """From the plainest to the fastest; all are the paper's network at full width, with double evaluation."""
    plain = DetectorSection(double_evaluation=True)
    half = plain.model_copy(update={"precision": "float16"})
    fused = half.model_copy(update={"compile": True})
    full, halved = TrainingSection(), TrainingSection(precision="bfloat16")
    return [
        Way("float32", plain, full),
        Way("half precision", half, halved),
        Way("half precision, compiled", fused, halved),
    ]


def rows() -> Iterator[Row]:
    """One row for each promise; nothing without a GPU."""
    if not torch.cuda.is_available():
        yield Row("scoring and training on a GPU", "100x", "–", None, "torch sees no GPU here")
        return
    yield from _score()
    scores: list[FrameCost] = []
    trains: dict[int, list[FrameCost]] = {1: [], 8: []}
    for way in ways():
        score = measure_scoring(Subject(device="cuda", detector=way.detector), _REPEATS)
        yield _row("scored, double evaluation", way, score, PAPER_SCORE.seconds)
        scores.append(score)
        for batch, measured in trains.items():
            settings = way.training.model_copy(update={"batch": batch})
            train = measure_training(
                Subject(device="cuda", detector=way.detector, training=settings), _REPEATS
            )
            yield _row(f"learned from, batches of {batch}", way, train, PAPER_TRAIN.seconds)
            measured.append(train)
    score = min(scores, key=_seconds)
    before = time_to_completion(PROTOCOL, PAPER_SCORE, PAPER_TRAIN)
    for batch, measured in trains.items():
        total = time_to_completion(PROTOCOL, score.each, min(measured, key=_seconds).each)
        ratio = before.seconds / total.seconds
        scoring = score.each.times(PROTOCOL.scored).hours
        learning = total.hours - scoring
        yield Row(
            f"the paper's protocol (51,363 frames, 14 x 500, T = 50), batches of {batch}: the paper's GPU over this one",
            f"at least {_TIMES}x",
            f"{ratio:.0f}x",
            ratio >= _TIMES,
            f"{before.hours:.0f} h over {total.hours:.2f} h: scoring {PROTOCOL.scored:,} frames {scoring:.2f} h, learning from "
            f"{PROTOCOL.effort.frames(PROTOCOL.learned, PROTOCOL.cycles):,} frames {learning:.2f} h",
        )


def _row(what: str, way: Way, cost: FrameCost, paper: float) -> Row:
    seconds = cost.each.seconds
    return Row(
        f"frames a second, 640 x 480, {what}; {way.name}",
        "",
        f"{1 / seconds:.0f}",
        None,
        f"{1e3 * seconds:.2f} ms a frame ({1e3 * cost.each.low:.2f} to {1e3 * cost.each.high:.2f}); the paper {1e3 * paper:.0f} ms, "
        f"{paper / seconds:.0f} times as long",
    )


def _score() -> Iterator[Row]:
    """The fused kernels beside the plain form, the network and one reading of the maps."""
    count = usual_batch("cuda")
    levels = tuple(level.repeat(count, 1, 1, 1).cuda() for level in heads(0).levels)
    maps = ClassMaps(levels, HEIGHT, WIDTH)
    error = abs(
        float(score_frames(maps, form=Form.TRITON)[0])
        / float(score_frames(heads(0), form=Form.REFERENCE))
        - 1
    )
    network = PaperNetwork().eval().cuda().to(memory_format=torch.channels_last)
    images = torch.zeros(count, 3, HEIGHT, WIDTH, dtype=torch.uint8, device="cuda")

    @torch.inference_mode()
    def forward() -> object:
        with torch.autocast("cuda", torch.float16):
            return network(images)

    plain, ours, passed = (
        _milliseconds(work) / count
        for work in (lambda: plain_score(maps), lambda: score_frames(maps), forward)
    )
    yield Row(
        f"score, 480 x 640, 5 maps, r = 9, {count} frames at once: plain `avg_pool2d` over ours",
        "",
        f"{plain / ours:.0f}x",
        None,
        f"{plain:.3f} ms over {ours:.3f} ms a frame; off the reference by {error:.0e}",
    )
    yield Row(
        "score over one forward pass, full width, float16, not compiled",
        "at most 2 %",
        f"{ours / passed:.1%}",
        ours / passed <= 0.02,
        f"{ours:.3f} ms over {passed:.3f} ms a frame",
    )


def _seconds(cost: FrameCost) -> float:
    return cost.each.seconds


def _milliseconds(work: Callable[[], object], rounds: int = 15) -> float:
    for _ in range(3):
        work()
    times = []
    for _ in range(rounds):
        begin, end = (torch.cuda.Event(enable_timing=True) for _ in "ab")  # type: ignore[no-untyped-call]
        begin.record()
        work()
        end.record()
        torch.cuda.synchronize()
        times.append(float(begin.elapsed_time(end)))
    return median(times)
