"""Matching a million detections."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Iterator

import numpy as np

from benchmarks.memory import peak_bytes
from benchmarks.timing import Row
from thrifty.evaluation.matching import match
from thrifty.evaluation.miss_rate import miss_rate_curve
from thrifty.types import Annotations, Detections, FloatArray

IMAGES, DETECTIONS, OBJECTS, REGIONS = 10_000, 100, 8, 3


def rows() -> Iterator[Row]:
    """The promise, in a process of its own, so that its memory is its own."""
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.evaluation"], check=True, capture_output=True, text=True
    )
    seconds, peak = (float(value) for value in done.stdout.split())
    yield Row(
        f"miss rate of {IMAGES * DETECTIONS:,} detections on {IMAGES:,} images, one thread",
        "20 s, 1 GB",
        f"{seconds:.1f} s, {peak:.2f} GB",
        seconds <= 20 and peak <= 1,
        f"{OBJECTS} objects and {REGIONS} ignore regions an image",
    )


def _boxes(rng: np.random.Generator, count: int) -> FloatArray:
    corners = rng.uniform(0, 600, (count, 2))
    return np.concatenate([corners, corners + rng.uniform(15, 90, (count, 2))], axis=1)


def _evaluate() -> None:
    rng = np.random.default_rng(0)
    ignore = np.arange(OBJECTS + REGIONS) >= OBJECTS
    images = []
    for _ in range(IMAGES):
        truth = Annotations(_boxes(rng, OBJECTS + REGIONS), ignore=ignore)
        near = truth.boxes[rng.integers(0, OBJECTS, DETECTIONS // 2)]
        near = near + rng.normal(0, 6, near.shape)
        found = np.concatenate([near, _boxes(rng, DETECTIONS - len(near))])
        images.append((Detections(found, rng.random(DETECTIONS)), truth))
    began = time.perf_counter()
    curve = miss_rate_curve([match(detections, truth) for detections, truth in images])
    seconds = time.perf_counter() - began
    if not 0 < curve.log_average < 1:
        raise RuntimeError("the miss rate is none")
    print(seconds, peak_bytes() / 1e9)  # noqa: T201


if __name__ == "__main__":
    _evaluate()
