"""The fused score on the CPU: lays out class maps for `sweep` and shares bands of rows out among threads."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cache, partial
from itertools import pairwise
from typing import Protocol

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from thrifty.maps import Activation, ClassMaps, MapKind
from thrifty.scoring.kernels import passes, sweep
from thrifty.scoring.regions import RegionSettings

Values = npt.NDArray[np.float32]

_room = threading.local()


@dataclass(frozen=True, slots=True, eq=False)
class _Layout:
    """Where each level lies in the packed values of an image."""

    begins: npt.NDArray[np.int64]
    shapes: npt.NDArray[np.int64]
    extents: npt.NDArray[np.float64]

    @property
    def maps(self) -> int:
        return int(self.shapes[:, 0].sum())

    @property
    def parts(self) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64], npt.NDArray[np.float64]]:
        return self.begins, self.shapes, self.extents


def summarise(maps: ClassMaps, radius: int, regions: RegionSettings) -> tuple[Tensor, Tensor]:
    """Region maxima `B x R x Q` float32 and mean pixel scores `B` float64 of sound maps, on the CPU."""
    return _collect(maps, _divergence(maps, radius), regions, None)


def pixel_scores(maps: ClassMaps, radius: int) -> Tensor:
    """Pixel scores `B x H x W` float32 of sound maps, on the CPU."""
    return _look(maps, _divergence(maps, radius))


def summarise_passes(
    maps: Sequence[ClassMaps], measure: int, regions: RegionSettings
) -> tuple[Tensor, Tensor]:
    """As `summarise`, for a measure of `passes` over several passes."""
    return _collect(maps[0], _passes(maps, measure), regions, None)


def pixel_passes(maps: Sequence[ClassMaps], measure: int) -> Tensor:
    """As `pixel_scores`, for a measure of `passes` over several passes."""
    return _look(maps[0], _passes(maps, measure))


class _Kernel(Protocol):
    """Works on a band of rows of one image."""

    def __call__(
        self,
        image: int,
        band: tuple[int, int],
        tiles: tuple[int, int],
        found: tuple[Values, npt.NDArray[np.float64]],
        pixels: Values,
    ) -> None: ...


def _divergence(maps: ClassMaps, radius: int) -> _Kernel:
    layout, packed = _pack(maps)
    size = (maps.height, maps.width)
    reach = (min(radius, size[0] - 1), min(radius, size[1] - 1))
    mode = _mode(maps)

    def run(
        image: int,
        band: tuple[int, int],
        tiles: tuple[int, int],
        found: tuple[Values, npt.NDArray[np.float64]],
        pixels: Values,
    ) -> None:
        ring = _ring(layout.maps + sweep.entropy_rows(layout.maps), 2 * reach[0] + 1, size[1])
        sweep.sweep_band(
            packed[image], layout.parts, mode, size, reach, band, tiles, found, pixels, ring
        )

    return run


def _passes(maps: Sequence[ClassMaps], measure: int) -> _Kernel:
    layout, _ = _pack(maps[0])
    packed = np.stack([_pack(one)[1] for one in maps], axis=1)
    size = (maps[0].height, maps[0].width)
    mode = _mode(maps[0])

    def run(
        image: int,
        band: tuple[int, int],
        tiles: tuple[int, int],
        found: tuple[Values, npt.NDArray[np.float64]],
        pixels: Values,
    ) -> None:
        passes.sweep_passes(
            packed[image], layout.parts, mode, measure, size, band, tiles, found, pixels
        )

    return run


def _mode(maps: ClassMaps) -> tuple[int, int]:
    return (
        sweep.SOFTMAX if maps.activation is Activation.SOFTMAX else sweep.SIGMOID,
        sweep.LOGITS if maps.kind is MapKind.LOGITS else sweep.PROBABILITIES,
    )


def _look(maps: ClassMaps, kernel: _Kernel) -> Tensor:
    pixels = np.empty((len(maps), maps.height, maps.width), dtype=np.float32)
    _collect(maps, kernel, RegionSettings(), pixels)
    return torch.from_numpy(pixels)


def _collect(
    maps: ClassMaps, kernel: _Kernel, regions: RegionSettings, pixels: Values | None
) -> tuple[Tensor, Tensor]:
    height, width = maps.height, maps.width
    regions = regions.within(height, width)
    maxima = np.zeros((len(maps), *regions.grid(height, width)), dtype=np.float32)
    totals = np.zeros((len(maps), -(-(height + regions.lead) // regions.size)), dtype=np.float64)
    none = np.empty((0, 0), dtype=np.float32)
    tiles = (regions.size, regions.lead)

    def run(image: int, band: tuple[int, int]) -> None:
        to = none if pixels is None else pixels[image]
        kernel(image, band, tiles, (maxima[image], totals[image]), to)

    threads = torch.get_num_threads()
    bands = _bands(height, regions, -(-threads // max(1, len(maps))))
    _run([partial(run, image, band) for image in range(len(maps)) for band in bands], threads)
    means = totals.sum(axis=1) / (height * width)
    return torch.from_numpy(maxima), torch.from_numpy(means)


def _pack(maps: ClassMaps) -> tuple[_Layout, Values]:
    """All levels of each image in one row: `B x V` float32."""
    shapes = np.array([tuple(level.shape[1:]) for level in maps.levels], dtype=np.int64)
    sizes = shapes.prod(axis=1)
    begins = np.concatenate([[0], np.cumsum(sizes)[:-1]]).astype(np.int64)
    flat = [level.detach().to("cpu", torch.float32).flatten(1).numpy() for level in maps.levels]
    extents = np.stack([maps.origins, maps.spans], axis=2, dtype=np.float64)
    return _Layout(begins, shapes, extents), np.concatenate(flat, axis=1)


def _bands(height: int, regions: RegionSettings, count: int) -> list[tuple[int, int]]:
    """At most `count` bands of rows, cut between regions."""
    grid = -(-(height + regions.lead) // regions.size)
    cuts = sorted({round(grid * part / count) for part in range(count + 1)})
    rows = [min(max(0, cut * regions.size - regions.lead), height) for cut in cuts]
    return [(first, last) for first, last in pairwise(rows) if first < last]


def _ring(maps: int, depth: int, width: int) -> Values:
    """Room for the rows of a window; kept from call to call, as fresh pages cost more than the work on them."""
    wanted = maps * depth * width
    held: Values | None = getattr(_room, "ring", None)
    if held is None or held.size < wanted:
        held = _room.ring = np.empty(wanted, dtype=np.float32)
    return held[:wanted].reshape(maps, depth, width)


def _run(calls: Sequence[Callable[[], None]], threads: int) -> None:
    """Make the calls, side by side where there is more than one thread: they hold no lock while they compute."""
    if threads == 1 or len(calls) == 1:
        for call in calls:
            call()
        return
    for future in [_pool(threads).submit(call) for call in calls]:
        future.result()


@cache
def _pool(threads: int) -> ThreadPoolExecutor:
    return ThreadPoolExecutor(threads, thread_name_prefix="score")
