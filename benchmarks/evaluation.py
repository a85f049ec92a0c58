"""Judging a million detections."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Iterator

import numpy as np

from benchmarks.memory import peak_bytes
from benchmarks.timing import Row
from thrifty.evaluation.average_precision import average_precision
from thrifty.evaluation.protocols import Setup
from thrifty.evaluation.truth import Truth
from thrifty.types import Annotations, Detections, FloatArray

IMAGES, DETECTIONS, OBJECTS, REGIONS = 10_000, 100, 8, 3
_MEASURES = {"miss": "miss rate", "coco": "COCO average precision"}


def rows() -> Iterator[Row]:
    """The promise, each measure in a process of its own, so that its memory is its own."""
    for measure, title in _MEASURES.items():
        command = [sys.executable, "-m", "benchmarks.evaluation", measure]
        done = subprocess.run(command, check=True, capture_output=True, text=True)
        seconds, peak = (float(value) for value in done.stdout.split())
        yield Row(
            f"{title} of {IMAGES * DETECTIONS:,} detections on {IMAGES:,} images, one thread",
            "20 s, 1 GB",
            f"{seconds:.1f} s, {peak:.2f} GB",
            seconds <= 20 and peak <= 1,
            f"{OBJECTS} objects and {REGIONS} ignore regions an image",
        )


def _boxes(rng: np.random.Generator, count: int) -> FloatArray:
    corners = rng.uniform(0, 600, (count, 2))
    return np.concatenate([corners, corners + rng.uniform(15, 90, (count, 2))], axis=1)


def _images() -> tuple[list[Detections], list[Truth]]:
    rng = np.random.default_rng(0)
    ignore = np.arange(OBJECTS + REGIONS) >= OBJECTS
    detections, truth = [], []
    for _ in range(IMAGES):
        drawn = Annotations(_boxes(rng, OBJECTS + REGIONS), ignore=ignore)
        near = drawn.boxes[rng.integers(0, OBJECTS, DETECTIONS // 2)]
        near = near + rng.normal(0, 6, near.shape)
        found = np.concatenate([near, _boxes(rng, DETECTIONS - len(near))])
        detections.append(Detections(found, rng.random(DETECTIONS)))
        truth.append(Truth(drawn))
    return detections, truth


def _evaluate(measure: str) -> None:
    detections, truth = _images()
    began = time.perf_counter()
    if measure == "miss":
        figure = Setup("all", aspect=0.41).curve(detections, truth).log_average
    else:
        figure = average_precision(detections, truth, ["person"]).overall.ap
    seconds = time.perf_counter() - began
    if not 0 < figure < 1:
        raise RuntimeError(f"{measure}: {figure} is no figure")
    print(seconds, peak_bytes() / 1e9)  # noqa: T201


if __name__ == "__main__":
    _evaluate(sys.argv[1])
