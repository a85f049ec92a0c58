"""A pool from end to end: throughput against the bare forward passes, and memory against the pool's size."""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import torch
from PIL import Image as Pillow

from benchmarks.memory import peak_bytes
from benchmarks.timing import Row
from thrifty.config import ChoiceSettings, DetectorSection
from thrifty.data.pool import Pool
from thrifty.detectors.catalogue import NamedDetector
from thrifty.detectors.network import PaperNetwork
from thrifty.detectors.paper import PaperDetector, save_weights
from thrifty.maps import ClassMaps
from thrifty.scored_pool import Looking, Scoring, score_pool
from thrifty.strategies.catalogue import make_strategy
from thrifty.types import Frame, Need

_PICTURES = 32
_SIZES = (10_000, 1_000_000)


def divergence() -> Looking:
    """The paper's strategy with the paper's settings."""
    settings = ChoiceSettings()
    return Looking(make_strategy("divergence", settings, "benchmark"), settings)


class Stub:
    """A detector that costs nothing, to see what everything else costs."""

    gives = frozenset({Need.CLASS_MAPS})

    def class_maps(self, frames: Sequence[Frame]) -> ClassMaps:
        """Logits from every eighth pixel."""
        images = torch.stack([torch.from_numpy(frame.image[::8, ::8, :1]) for frame in frames])
        height, width = frames[0].image.shape[:2]
        return ClassMaps((images.permute(0, 3, 1, 2).float() / 25 - 5,), height, width)


def rows(*, million: bool) -> Iterator[Row]:
    """One row for each promise; the million takes several minutes."""
    yield _throughput()
    yield _memory(_SIZES if million else (_SIZES[0], 10 * _SIZES[0]))


def _throughput() -> Row:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        rng = np.random.default_rng(0)
        for number in range(_PICTURES):
            coarse = Pillow.fromarray(rng.integers(0, 256, (15, 20, 3), dtype=np.uint8))
            coarse.resize((640, 480), Pillow.Resampling.BICUBIC).save(folder / f"{number:03d}.jpg")
        settings = DetectorSection()
        weights = PaperNetwork(settings.preset, settings.width).state_dict()
        (folder / "w.safetensors").write_bytes(save_weights(weights, settings))
        detector = PaperDetector(settings, weights)
        frames = [frame for frame in Pool(folder).stream() if isinstance(frame, Frame)]
        spec = f"paper:{folder / 'w.safetensors'}"
        whole: list[float] = []
        bare: list[float] = []
        for attempt in range(3):
            began = time.perf_counter()
            for first in range(0, _PICTURES, 4):
                detector.class_maps(frames[first : first + 4])
            bare.append(time.perf_counter() - began)
            began = time.perf_counter()
            scoring = Scoring(Pool(folder), NamedDetector(spec), divergence())
            score_pool(scoring, folder / f"{attempt}.parquet")
            whole.append(time.perf_counter() - began)
    share = float(np.median(bare) / np.median(whole))
    return Row(
        "pool scoring end to end over the forward passes alone, full width, 480 x 640 JPEG",
        "at least 0.95 of their throughput",
        f"{share:.3f}",
        share >= 0.95,
        f"{_PICTURES} pictures: {np.median(whole):.1f} s over {np.median(bare):.1f} s",
    )


def _memory(sizes: Sequence[int]) -> Row:
    peaks, seconds = [], []
    for size in sizes:
        began = time.perf_counter()
        done = subprocess.run(
            [sys.executable, "-m", "benchmarks.pool", str(size)],
            check=True,
            capture_output=True,
            text=True,
        )
        seconds.append(time.perf_counter() - began)
        peaks.append(int(done.stdout) / 2**20)
    growth = peaks[1] / peaks[0] - 1
    return Row(
        f"peak memory while scoring {sizes[0]:,} and {sizes[1]:,} frames, stub detector",
        "the same within 5 %",
        f"{growth:+.1%}",
        abs(growth) <= 0.05 if sizes == _SIZES else None,
        f"{peaks[0]:.0f} and {peaks[1]:.0f} MiB, {seconds[0]:.0f} and {seconds[1]:.0f} s",
    )


def _score_stub(size: int) -> None:
    """Score a list that names the same few pictures over and over, and print the peak memory in bytes."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for number in range(100):
            Pillow.new("RGB", (64, 48), (number, 2 * number, 255 - number)).save(
                folder / f"{number:02d}.bmp"
            )
        with (folder / "list.txt").open("w") as lines:
            lines.writelines(f"{number % 100:02d}.bmp\n" for number in range(size))
        scoring = Scoring(
            Pool(folder / "list.txt"), NamedDetector("benchmarks.pool:Stub"), divergence(), batch=32
        )
        count = score_pool(scoring, folder / "scores.parquet")
        if count.scored != size:
            raise RuntimeError(f"{count.scored} of {size} frames were scored")
    print(peak_bytes())  # noqa: T201


if __name__ == "__main__":
    _score_stub(int(sys.argv[1]))
