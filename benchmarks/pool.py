"""A pool from end to end: throughput against the bare forward passes, and memory against the pool's size."""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import av
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
from thrifty.store.score_file import ScoreFile
from thrifty.strategies.catalogue import make_strategy
from thrifty.types import Frame, Need, Record

_PICTURES = 32
_SIZES = (10_000, 1_000_000)
_RECORDS = (10_000, 1_000_000, 10_000_000)
_VIDEO = 5_000
_DECODED = 300


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
    """One row for each promise; the million takes several minutes, ten millions that nobody looks at two."""
    yield _throughput()
    yield from _decoding()
    yield _memory("decoded", _SIZES if million else (_SIZES[0], 10 * _SIZES[0]))
    yield _memory("written", _RECORDS if million else _SIZES)


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


def _decoding() -> Iterator[Row]:
    """What a machine that only decodes has to do; digests of files are part of it."""
    rng = np.random.default_rng(0)
    coarse = Pillow.fromarray(rng.integers(0, 256, (15, 40, 3), dtype=np.uint8))
    wide = np.asarray(coarse.resize((1280, 480), Pillow.Resampling.BICUBIC))
    views = [wide[:, 2 * number : 2 * number + 640] for number in range(_DECODED)]
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        pictures, video = folder / "pictures", folder / "video.mp4"
        pictures.mkdir()
        for number, view in enumerate(views):
            Pillow.fromarray(view).save(pictures / f"{number:03d}.jpg", quality=90)
        with av.open(str(video), "w") as container:
            stream = container.add_stream("libx264", rate=30)
            stream.width, stream.height, stream.pix_fmt = 640, 480, "yuv420p"
            for view in views:
                container.mux(stream.encode(av.VideoFrame.from_ndarray(view, format="rgb24")))
            container.mux(stream.encode())
        for what, path in (("JPEG", pictures), ("H.264", video)):
            seconds = []
            for _ in range(3):
                began = time.perf_counter()
                count = sum(1 for _ in Pool(path, threads=1).stream())
                seconds.append((time.perf_counter() - began) / count)
            yield Row(
                f"decoding {what} of 640 x 480, one thread",
                "",
                f"{1 / float(np.median(seconds)):.0f} frames a second",
                None,
                f"{_DECODED} frames, three times",
            )


def _memory(kind: str, sizes: Sequence[int]) -> Row:
    peaks, seconds = [], []
    for size in sizes:
        began = time.perf_counter()
        done = subprocess.run(
            [sys.executable, "-m", "benchmarks.pool", kind, str(size)],
            check=True,
            capture_output=True,
            text=True,
        )
        seconds.append(time.perf_counter() - began)
        peaks.append(int(done.stdout) / 2**20)
    growth = peaks[-1] / peaks[0] - 1
    kinds = {
        "decoded": "scoring {} frames, stub detector",
        "written": "writing, and reading for a command that goes on, scores of {} frames",
    }
    return Row(
        f"peak memory while {kinds[kind].format(' and '.join(f'{size:,}' for size in sizes))}",
        "the same within 5 %",
        f"{growth:+.1%}",
        abs(growth) <= 0.05 if sizes[-1] >= _SIZES[-1] else None,
        f"{' and '.join(f'{peak:.0f}' for peak in peaks)} MiB, {' and '.join(f'{one:.0f}' for one in seconds)} s",
    )


def _score_stub(size: int) -> None:
    """Score a list that names the same few pictures over and over."""
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


def _write_scores(size: int) -> None:
    """What a pool leaves behind, without looking at one; read once as by a command that goes on."""
    with tempfile.TemporaryDirectory() as name, ScoreFile(Path(name) / "s.parquet", {}) as file:
        for number in range(size):
            video, place = divmod(number, _VIDEO)
            source = f"2026-11/drive-{video:06d}/front.mp4"
            identity = f"{video:016x}.{512 * place:08d}.{place}"
            record = Record(identity, source, 1920, 1080, source, place, place)
            file.add(record, {"score": np.asarray(number / size)})
        file.flush()
        if sum(1 for _ in file.done()) != size:
            raise RuntimeError("rows are missing")
        file.finish()


if __name__ == "__main__":
    {"decoded": _score_stub, "written": _write_scores}[sys.argv[1]](int(sys.argv[2]))
    print(peak_bytes())  # noqa: T201
