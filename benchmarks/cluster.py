"""A pool on a Ray cluster: one worker against this process, two workers against one, and what two cores give without any Ray."""

from __future__ import annotations

import multiprocessing
import tempfile
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
from PIL import Image as Pillow

from benchmarks.pool import divergence
from benchmarks.timing import Row
from thrifty.config import DetectorSection
from thrifty.data.pool import Pool
from thrifty.detectors.catalogue import NamedDetector
from thrifty.detectors.network import PaperNetwork
from thrifty.detectors.paper import save_weights
from thrifty.engine.ray_cluster import joined
from thrifty.scored_pool import Engine, Scoring, here, on_cluster, score_pool

if TYPE_CHECKING:
    from multiprocessing.synchronize import Barrier

_PICTURES = 2_000


def rows() -> Iterator[Row]:
    """One row for each promise. Starting the cluster is not counted, loading the detector is."""
    with tempfile.TemporaryDirectory() as name:
        scoring = _scoring(Path(name))
        before = torch.get_num_threads()
        # Workers have one thread each.
        torch.set_num_threads(1)
        alone = _seconds(scoring, here, Path(name) / "alone.parquet")
        torch.set_num_threads(before)
        apart = _apart(Path(name))
        with joined(None, 2, gpus=False) as cluster:
            one, two = (
                _seconds(
                    scoring,
                    on_cluster(type(cluster)(workers, gpus=False)),
                    Path(name) / f"{workers}.parquet",
                )
                for workers in (1, 2)
            )
    yield Row(
        f"one Ray worker over this process, {_PICTURES:,} frames of 320 x 240, width 0.25, one thread each",
        "at least 0.9 of its throughput",
        f"{alone / one:.2f}",
        alone / one >= 0.9,
        f"{one:.0f} s over {alone:.0f} s",
    )
    yield Row(
        "two Ray workers over one, the same frames",
        "at least 1.8x",
        f"{one / two:.2f}x",
        one / two >= 1.8,
        f"{one:.0f} s over {two:.0f} s",
    )
    yield Row(
        "two processes without Ray over this one, each with half of the frames",
        "",
        f"{alone / apart:.2f}x",
        None,
        f"{alone:.0f} s over {apart:.0f} s; what the two cores of this machine have to give",
    )


def _apart(folder: Path) -> float:
    """Seconds in which two processes score a half each, from when both have loaded what they need."""
    spawn = multiprocessing.get_context("spawn")
    ready = spawn.Barrier(3)
    halves = [spawn.Process(target=_half, args=(folder, half, ready)) for half in range(2)]
    for one in halves:
        one.start()
    ready.wait()
    began = time.perf_counter()
    for one in halves:
        one.join()
    if any(one.exitcode for one in halves):
        raise RuntimeError("half of the frames were not scored")
    return time.perf_counter() - began


def _half(folder: Path, half: int, ready: Barrier) -> None:
    torch.set_num_threads(1)
    pool = folder / f"half{half}.txt"
    names = [f"pool/{number:04d}.jpg" for number in range(half, _PICTURES, 2)]
    pool.write_text("\n".join(names))
    scoring = Scoring(Pool(pool), _detector(folder), divergence())
    # What is compiled at the first call, and the network, are there before the clock begins.
    warm = folder / f"warm{half}.txt"
    warm.write_text(names[0])
    score_pool(replace(scoring, pool=Pool(warm)), folder / f"warm{half}.parquet")
    ready.wait()
    score_pool(scoring, folder / f"half{half}.parquet")


def _detector(folder: Path) -> NamedDetector:
    return NamedDetector(f"paper:{folder / 'w.safetensors'}")


def _scoring(folder: Path) -> Scoring:
    pool = folder / "pool"
    pool.mkdir()
    rng = np.random.default_rng(0)
    for number in range(_PICTURES):
        coarse = Pillow.fromarray(rng.integers(0, 256, (8, 10, 3), dtype=np.uint8))
        coarse.resize((320, 240), Pillow.Resampling.BICUBIC).save(pool / f"{number:04d}.jpg")
    settings = DetectorSection(width=0.25, box_scale=0.5)
    weights = PaperNetwork(settings.preset, settings.width).state_dict()
    (folder / "w.safetensors").write_bytes(save_weights(weights, settings))
    return Scoring(Pool(pool), _detector(folder), divergence())


def _seconds(scoring: Scoring, engine: Engine, out: Path) -> float:
    began = time.perf_counter()
    count = score_pool(scoring, out, engine=engine)
    if count.scored != _PICTURES:
        raise RuntimeError(f"{count.scored} of {_PICTURES} frames were scored")
    return time.perf_counter() - began
