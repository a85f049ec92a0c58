"""A run that never happened: streets of rectangles, score maps around some of them, plausible figures."""

from __future__ import annotations

import numpy as np

from thrifty.report.content import ChosenFrame, Content, PassedOver
from thrifty.study.point import Point
from thrifty.types import FloatArray, Image, Record, Unreadable

STRATEGIES = ("divergence", "guided-random", "random")
_LEVEL = {"divergence": 0.8, "guided-random": 0.9, "random": 0.93}
_PEOPLE = {"divergence": 62, "guided-random": 30, "random": 27}


def record(number: int, source: str = "drives/set 3/drive-03.mp4") -> Record:
    return Record(
        f"{source}-{number}", source, 640, 480, sequence=source, place=number, frame=number * 30
    )


def street(
    rng: np.random.Generator, height: int = 480, width: int = 640
) -> tuple[Image, FloatArray]:
    """A road under a sky with people on it, and where they stand."""
    rows = np.linspace(0, 1, height)[:, None, None]
    sky, road = np.array([150, 180, 215]), np.array([88, 86, 84])
    canvas = np.where(rows < 0.45, sky + 40 * rows, road * (1.3 - 0.5 * rows)) * np.ones(
        (1, width, 1)
    )
    for _ in range(6):
        left, top = int(rng.integers(0, width - 60)), int(rng.integers(60, 160))
        canvas[top : int(height * 0.48), left : left + int(rng.integers(50, 130))] = rng.integers(
            70, 170, 3
        )
    corners = []
    for _ in range(int(rng.integers(2, 6))):
        tall = int(rng.integers(50, 190))
        left, foot = int(rng.integers(5, width - 90)), int(height * 0.5 + tall * 0.6)
        canvas[foot - tall : foot, left : left + int(tall * 0.4)] = rng.integers(20, 220, 3)
        canvas[
            foot - tall : foot - int(tall * 0.84), left + int(tall * 0.12) : left + int(tall * 0.28)
        ] = (214, 170, 140)
        corners.append((left, foot - tall, left + tall * 0.4, foot))
    noisy = canvas + rng.normal(0, 5, canvas.shape)
    return np.clip(noisy, 0, 255).astype(np.uint8), np.array(corners, dtype=np.float64)


def contradiction(
    rng: np.random.Generator, boxes: FloatArray, height: int = 480, width: int = 640
) -> FloatArray:
    """Rings of score around boxes, as a detector in doubt about their outlines would give."""
    ys, xs = np.mgrid[0:height, 0:width]
    scores = np.zeros((height, width))
    for x0, y0, x1, y1 in boxes.tolist():
        far = np.hypot(
            (xs - (x0 + x1) / 2) / ((x1 - x0) / 2 + 4), (ys - (y0 + y1) / 2) / ((y1 - y0) / 2 + 4)
        )
        scores += rng.uniform(0.1, 0.6) * np.exp(-(((far - 1) / 0.28) ** 2))
    return np.minimum(scores + 0.01 * rng.random((height, width)), np.log(2))


def point(
    strategy: str, seed: int, cycle: int, miss_rate: float, people: int, labelled: int
) -> Point:
    fppi = np.geomspace(0.004, 6.0, 60)
    rates = np.clip(miss_rate * fppi ** (-0.22), 0, 1)
    return Point(
        strategy,
        seed,
        cycle,
        labelled,
        people,
        miss_rate,
        min(1.0, miss_rate * 1.6),
        0.5,
        0.7,
        fppi,
        rates,
    )


def points(
    strategies: tuple[str, ...] = STRATEGIES, seeds: tuple[int, ...] = (0, 1, 2), cycles: int = 3
) -> list[Point]:
    rng = np.random.default_rng(7)
    starts = {seed: 0.55 + 0.02 * rng.standard_normal() for seed in seeds}
    made = []
    for strategy in strategies:
        for seed in seeds:
            made.append(point(strategy, seed, 0, starts[seed], 0, 0))
            for cycle in range(1, cycles + 1):
                rate = (
                    starts[seed] * _LEVEL.get(strategy, 0.85) ** cycle
                    + 0.012 * rng.standard_normal()
                )
                people = int(cycle * _PEOPLE.get(strategy, 40) + rng.integers(-6, 7))
                made.append(point(strategy, seed, cycle, float(rate), people, 20 * cycle))
    return made


def chosen(strategy: str, cycle: int, rank: int, seed: int = 0, relaxed: str = "") -> ChosenFrame:
    rng = np.random.default_rng([len(strategy), cycle, rank])
    image, boxes = street(rng)
    seen = boxes[::2] + rng.normal(0, 5, boxes[::2].shape)
    mapped = strategy not in ("guided-random", "random")
    score = float(0.31 - 0.013 * rank)
    return ChosenFrame(
        strategy=strategy,
        seed=seed,
        cycle=cycle,
        rank=rank,
        record=record(17 * rank + 5 * cycle),
        score=score,
        smoothed=score - 0.006 if mapped else score,
        relaxed=relaxed,
        image=image,
        score_map=contradiction(rng, boxes) if mapped else None,
        boxes=boxes,
        ignored=np.array([[430.0, 205.0, 560.0, 262.0]]) if rank % 2 else np.zeros((0, 4)),
        detections=seen,
        detection_scores=rng.uniform(0.3, 0.95, len(seen)),
        found=len(seen),
    )


def passed_over(number: int, strategy: str = "divergence", cycle: int = 1) -> PassedOver:
    image, _ = street(np.random.default_rng(number))
    rule = "within 15 frames of a frame chosen in this cycle"
    return PassedOver(
        strategy,
        0,
        cycle,
        record(number),
        0.29,
        rule,
        record(number + 3),
        "3 frames",
        image if number % 4 else None,
    )


def content(**changes: object) -> Content:
    """A whole run of three strategies and three seeds; `changes` replace its parts."""
    rule = "within 15 frames of a frame chosen in this cycle"
    parts: dict[str, object] = {
        "title": "Rendered street, three strategies",
        "description": "Twenty frames a cycle from rendered drives, after a start on 200 frames.",
        "rendered": True,
        "points": points(),
        "passed_over_counts": {
            ("divergence", 1, rule): 41,
            ("divergence", 2, rule): 37,
            ("divergence", 2, "within 2 frames of a frame chosen in an earlier cycle"): 3,
            ("guided-random", 1, rule): 6,
        },
        "unreadable": [
            ("pool", Unreadable(record(900), "truncated: the video ends in the middle"))
        ],
        "facts": {"Start set": "200 frames", "Pool": "3,600 frames", "Wall time": "41 min"},
        "versions": {"thrifty": "0.1.0", "torch": "2.11.0"},
        "seeds": (0, 1, 2),
        "recipe": 'title = "Rendered street"\n\n[cycle]\nb = 20\ncycles = 3\n',
    }
    # Pictures take their time to draw, so none are drawn that are replaced.
    if "chosen" not in changes:
        parts["chosen"] = _all_chosen()
    if "passed_over" not in changes:
        parts["passed_over"] = [passed_over(number) for number in range(5)]
    return Content(**(parts | changes))  # type: ignore[arg-type]


def _all_chosen() -> list[ChosenFrame]:
    relaxed = {3: "first rule dropped to fill the budget"}
    return [
        chosen(strategy, cycle, rank, relaxed=relaxed.get(rank, ""))
        for strategy in STRATEGIES[:2]
        for cycle in (1, 2)
        for rank in range(4)
    ]
