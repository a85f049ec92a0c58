"""Choosing among ten million frames."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Iterator

import numpy as np

from benchmarks.memory import peak_bytes
from benchmarks.timing import Row
from thrifty.scoring.smoothing import gaussian_weights, smooth
from thrifty.selection.choosing import choose_among
from thrifty.selection.closeness import Candidates, Rules
from thrifty.timeline import Timeline

FRAMES, VIDEO, BUDGET = 10_000_000, 5_000, 500


class _Ids:
    """Ids of the form that video frames have, made when asked for."""

    def __len__(self) -> int:
        return FRAMES

    def __getitem__(self, index: int) -> str:
        return f"{index // VIDEO:016x}.{index % VIDEO:08d}.{index % VIDEO}"


def rows() -> Iterator[Row]:
    """The promise, in a process of its own, so that its memory is its own."""
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.selection"], check=True, capture_output=True, text=True
    )
    seconds, smoothing, peak = (float(value) for value in done.stdout.split())
    yield Row(
        f"choosing {BUDGET} of 10 million scored video frames, smoothing and both rules",
        "10 s, 2 GB",
        f"{seconds:.1f} s, {peak:.2f} GB",
        seconds <= 10 and peak <= 2,
        f"smoothing {smoothing:.1f} s of it",
    )


def _choose() -> None:
    rng = np.random.default_rng(0)
    scores = rng.random(FRAMES)
    earlier = Timeline(np.arange(1_000, dtype=np.int64), np.full(1_000, 77, dtype=np.int64))
    smooth(scores[:10], Timeline(np.zeros(10, np.int64), np.arange(10)), gaussian_weights())
    began = time.perf_counter()
    frames = np.arange(FRAMES, dtype=np.int64)
    timeline = Timeline(frames // VIDEO, frames % VIDEO)
    smoothed = smooth(scores, timeline, gaussian_weights())
    middle = time.perf_counter()
    before = Candidates([f"earlier-{index}" for index in range(1_000)], earlier)
    choice = choose_among(Candidates(_Ids(), timeline), smoothed, BUDGET, Rules(), before)
    seconds = time.perf_counter() - began
    if len(choice.chosen) != BUDGET:
        raise RuntimeError("fewer frames were chosen than asked for")
    print(seconds, middle - began, peak_bytes() / 1e9)  # noqa: T201


if __name__ == "__main__":
    _choose()
