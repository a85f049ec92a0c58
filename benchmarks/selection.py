"""Choosing among ten million frames by score, in memory and from files, and among a million by what they look like."""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from benchmarks.memory import peak_bytes
from benchmarks.pool import divergence
from benchmarks.timing import Row
from thrifty.scoring.smoothing import gaussian_weights, smooth
from thrifty.selected_pool import select_frames
from thrifty.selection.choosing import choose_among
from thrifty.selection.closeness import Candidates, Rules
from thrifty.selection.k_centre import k_centre
from thrifty.selection.streaming import streaming_k_centre
from thrifty.store.scored_frames import read_scores, shards_of
from thrifty.timeline import Timeline

FRAMES, VIDEO, BUDGET = 10_000_000, 5_000, 500
SHARDS = 100
FEATURES, SIZE, CENTRES, CLUSTERS = 1_000_000, 256, 1_000, 300


class _Ids:
    """Ids of the form that video frames have, made when asked for."""

    def __len__(self) -> int:
        return FRAMES

    def __getitem__(self, index: int) -> str:
        return f"{index // VIDEO:016x}.{index % VIDEO:08d}.{index % VIDEO}"


def rows() -> Iterator[Row]:
    """The promises, each in a process of its own, so that its memory is its own."""
    seconds, smoothing, peak = _measured("scores")
    yield Row(
        f"choosing {BUDGET} of 10 million scored video frames, smoothing and both rules",
        "10 s, 2 GB",
        f"{seconds:.1f} s, {peak:.2f} GB",
        seconds <= 10 and peak <= 2,
        f"smoothing {smoothing:.1f} s of it",
    )
    with tempfile.TemporaryDirectory() as name:
        _write_shards(Path(name))
        reading, seconds, peak = _measured("shards", name)
    yield Row(
        f"the same from {SHARDS} Parquet files to ids",
        "20 s, 3 GB",
        f"{seconds:.1f} s, {peak:.2f} GB",
        seconds <= 20 and peak <= 3,
        f"reading and looking for copies {reading:.1f} s of it",
    )
    for kind, what in (("clusters", "in 300 clusters"), ("noise", "of plain noise")):
        seconds, peak = _measured(kind)
        yield Row(
            f"k-centre: {CENTRES:,} of {FEATURES:,} features of {SIZE} numbers, {what}",
            "600 s, 4 GB",
            f"{seconds:.0f} s, {peak:.2f} GB",
            seconds <= 600 and peak <= 4,
            "two threads"
            if kind == "clusters"
            else "no triangle is unequal enough to save a distance",
        )
    seconds, peak = _measured("stream")
    yield Row(
        f"streaming k-centre: as many of as many, in {CLUSTERS} clusters",
        "",
        f"{seconds:.0f} s, {peak:.2f} GB",
        None,
        "one thread, one look at each; what merging leaves open is filled by k-centre",
    )


def _measured(*what: str) -> list[float]:
    command = [sys.executable, "-m", "benchmarks.selection", *what]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    return [float(value) for value in done.stdout.split()]


def _features(*, clusters: bool) -> npt.NDArray[np.float32]:
    rng = np.random.default_rng(0)
    centres = rng.standard_normal((CLUSTERS, SIZE), dtype=np.float32) * 4
    table = np.empty((FEATURES, SIZE), dtype=np.float32)
    for start in range(0, FEATURES, 10_000):
        block = table[start : start + 10_000]
        rng.standard_normal(out=block, dtype=np.float32)
        if clusters:
            block += centres[rng.integers(0, CLUSTERS, len(block))]
    return table


def _look_apart(what: str) -> None:
    features = _features(clusters=what != "noise")
    choose = streaming_k_centre if what == "stream" else k_centre
    choose(features[:50], 5)
    began = time.perf_counter()
    taken = choose(features, CENTRES)
    seconds = time.perf_counter() - began
    if len(set(taken.tolist())) != CENTRES:
        raise RuntimeError("fewer frames were chosen than asked for")
    print(seconds, peak_bytes() / 1e9)  # noqa: T201


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


def _write_shards(folder: Path) -> None:
    """What `thrifty score` would write of as many videos, named as a fleet might."""
    rng = np.random.default_rng(0)
    rows = FRAMES // SHARDS
    for number in range(SHARDS):
        videos, places = np.divmod(np.arange(number * rows, (number + 1) * rows), VIDEO)
        pairs = zip(videos.tolist(), places.tolist(), strict=True)
        names = pa.array(
            [f"2026-11/car-{one % 50:03d}/drive-{one:06d}/front.mp4" for one in videos]
        )
        table = {
            # The first eight bytes of a digest, a timestamp and a number.
            "id": pa.array([f"{one * 2**33:016x}.{512 * at:08d}.{at}" for one, at in pairs]),
            "source": names,
            "sequence": names,
            "place": places,
            "frame": places,
            "width": pa.array(np.full(rows, 1920, dtype=np.int32)),
            "height": pa.array(np.full(rows, 1080, dtype=np.int32)),
            "score": rng.random(rows),
        }
        pq.write_table(pa.table(table), folder / f"{number:05d}.parquet", compression="zstd")


def _choose_from(folder: Path) -> None:
    began = time.perf_counter()
    frames = read_scores(*shards_of(folder) or ())
    middle = time.perf_counter()
    rows = select_frames(frames, BUDGET, divergence()).rows
    seconds = time.perf_counter() - began
    if len({row.id for row in rows}) != BUDGET or len(frames) != FRAMES:
        raise RuntimeError("fewer frames were read or chosen than asked for")
    print(middle - began, seconds, peak_bytes() / 1e9)  # noqa: T201


if __name__ == "__main__":
    if sys.argv[1] == "scores":
        _choose()
    elif sys.argv[1] == "shards":
        _choose_from(Path(sys.argv[2]))
    else:
        _look_apart(sys.argv[1])
