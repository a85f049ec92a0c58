"""The contract of `thrifty.detectors.protocol` as a function to call, for authors of adapters."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from itertools import combinations
from typing import Literal, cast

import numpy as np
import torch
from torch import Tensor

from thrifty.detectors.placement import check_places, demand, frames_of
from thrifty.detectors.protocol import DenseDetector, Detector
from thrifty.maps import ClassMaps
from thrifty.types import Detections, FloatArray, Frame, Image, Need

SIZE = (256, 320)
_LONELY = 0.05
"""Share of boxes that may be without a partner where the same boxes are expected."""
_DROP, _PASSES = 0.5, 3
_LAYERS: tuple[Literal["last", "deep"], ...] = ("last", "deep")


def check_detector(
    make: Callable[[], DenseDetector],
    *,
    size: tuple[int, int] = SIZE,
    stride: float | None = None,
    odd: bool = True,
    images: Sequence[Image] | None = None,
) -> None:
    """Hold a detector to the contract; what its `gives` leaves out is never called.

    Class maps must be finite, one entry a frame, and lie where they say; boxes in pixels of the stored frame whatever
    `Frame.scale`, around places inside it, surest first, with classes that their probabilities agree with; stochastic passes
    must differ from each other, with the same channels dropped in every frame; features must be `B x D x h x w` and finite.
    All of it must be the same in a batch and frame by frame, and the same again when asked twice or made anew.

    Args:
        make: Makes the detector, with the same weights each time: load them, or seed what draws them.
        size: Height and width of the pictures that are made here, pixels. A level with fewer than eight values along a side
            of them cannot be measured there; larger pictures take longer and let coarser levels be measured.
        stride: Pixels of these pictures by which a move is a move of whole values in every level and layer below; that
            of the coarsest level that can be measured if left out.
        odd: Also hold it to pictures whose sides are no multiples of anything.
        images: At least two pictures of one size, `H x W x 3` uint8, in which a detector of boxes finds some; noise if left
            out, in which a network with fresh weights may.

    Raises:
        AssertionError: It breaks the contract; the message says how.

    >>> from thrifty.testing import StubDetector
    >>> check_detector(StubDetector)
    """
    first, second = make(), make()
    gives = frozenset(first.gives)
    demand(gives and gives <= frozenset(Need), f"'gives' is {set(gives)}; it holds members of Need")
    frames = frames_of(_noise(size) if images is None else images)
    with torch.inference_mode():
        for need, (name, check) in _CHECKS.items():
            if need in gives:
                demand(
                    callable(getattr(first, name, None)),
                    f"'gives' holds Need.{need.name} but there is no method '{name}'",
                )
                check(first, second, frames)
        if Need.CLASS_MAPS in gives:
            sizes = [size, (size[0] - 21, size[1] - 27)] if odd else [size]
            for one in sizes:
                check_places(first, one, stride)


def _check_maps(first: DenseDetector, second: DenseDetector, frames: Sequence[Frame]) -> None:
    maps = first.class_maps(frames)
    _check_sound(maps, len(frames), "class_maps")
    demand(
        _equal([maps], [first.class_maps(frames)]),
        "class_maps says something else when asked again",
    )
    demand(
        _equal([maps], [second.class_maps(frames)]),
        "class_maps of two detectors that were made alike differ; load or seed the weights",
    )
    alone = [[first.class_maps([frame])] for frame in frames]
    _check_alone([maps], alone, "class_maps")


def _check_sound(maps: object, count: int, what: str) -> None:
    demand(
        isinstance(maps, ClassMaps), f"{what} gives {type(maps).__name__} where ClassMaps belong"
    )
    sound = cast(ClassMaps, maps)
    demand(len(sound) == count, f"{what} gives {len(sound)} entries for {count} frames")
    for index, level in enumerate(sound.levels):
        demand(
            bool(sound.kind.sound(level).all()),
            f"{what}: level {index} holds values that are not {sound.kind}",
        )


def _equal(first: Sequence[ClassMaps], second: Sequence[ClassMaps]) -> bool:
    return all(
        one.laid_out_like(other)
        and all(torch.equal(a, b) for a, b in zip(one.levels, other.levels, strict=True))
        for one, other in zip(first, second, strict=True)
    )


def _check_alone(
    together: Sequence[ClassMaps], alone: Sequence[Sequence[ClassMaps]], what: str
) -> None:
    for number, own in enumerate(alone):
        for one, part in zip(together, own, strict=True):
            mine = replace(one, levels=tuple(level[number : number + 1] for level in one.levels))
            demand(
                mine.laid_out_like(part)
                and all(_alike(a, b) for a, b in zip(mine.levels, part.levels, strict=True)),
                f"{what} says something else of a frame in a batch than alone",
            )


def _alike(first: Tensor, second: Tensor) -> bool:
    """Up to what the order of additions costs."""
    most = max(float(first.abs().max()), 1e-6)
    return first.shape == second.shape and float((first - second).abs().max()) <= 1e-3 * most


def _check_passes(first: DenseDetector, second: DenseDetector, frames: Sequence[Frame]) -> None:
    # The same picture twice: if other channels were dropped in every frame, its two entries would differ.
    batch = [frames[0], *frames]
    passes = _passes_of(first, batch)
    for one, other in combinations(passes, 2):
        demand(one.laid_out_like(other), "passes differ in their levels, kind or place")
        demand(not _equal([one], [other]), "two passes say the same; drop other channels in each")
    for one in passes:
        demand(
            all(_alike(level[0], level[1]) for level in one.levels),
            "passes drop other channels in every frame of a batch; drop the same",
        )
    alone = [_passes_of(first, [frame]) for frame in batch]
    _check_alone(passes, alone, "passes")
    demand(_equal(passes, _passes_of(second, batch)), "passes say something else when asked again")


def _passes_of(detector: DenseDetector, frames: Sequence[Frame]) -> Sequence[ClassMaps]:
    passes = cast(Detector, detector).passes(frames, _PASSES, _DROP)
    demand(len(passes) == _PASSES, f"passes gives {len(passes)} where {_PASSES} were asked for")
    for one in passes:
        _check_sound(one, len(frames), "passes")
    return passes


def _check_features(first: DenseDetector, second: DenseDetector, frames: Sequence[Frame]) -> None:
    for layer in _LAYERS:
        what = f"features of the {layer} layer"
        values = cast(Detector, first).features(frames, layer)
        demand(
            values.dim() == 4 and values.is_floating_point(),
            f"{what} are no floating tensor of shape B x D x h x w",
        )
        demand(
            len(values) == len(frames), f"{what}: {len(values)} entries for {len(frames)} frames"
        )
        demand(bool(values.isfinite().all()), f"{what} are not finite")
        for number, frame in enumerate(frames):
            alone = cast(Detector, second).features([frame], layer)
            demand(
                _alike(values[number : number + 1], alone),
                f"{what} are something else for a frame in a batch than alone",
            )


def _check_boxes(first: DenseDetector, second: DenseDetector, frames: Sequence[Frame]) -> None:
    told = Need.PROPOSALS in first.gives
    found = _found(first, frames)
    demand(
        any(len(one) for one in found),
        "detect finds no box in any picture; give 'images' in which it does, or a lower threshold",
    )
    for one, frame in zip(found, frames, strict=True):
        _check_found(one, frame)
        demand(
            not told or one.proposals is not None,
            "'gives' holds Need.PROPOSALS but detect leaves out 'proposals'",
        )
    demand(all(map(_same_boxes, found, _found(second, frames))), "detect differs when asked again")
    alone = [_found(first, [frame])[0] for frame in frames]
    demand(
        all(map(_same_boxes, found, alone)),
        "detect says something else of a frame in a batch than alone",
    )
    # The same pixels, of a frame that is stored twice as large.
    halved = [_halved(frame) for frame in frames]
    for one, half in zip(found, _found(first, halved), strict=True):
        demand(
            _same_boxes(one.scaled(2.0), half),
            "detect does not give pixels of the stored frame; divide by the frame's scale",
        )


def _found(detector: DenseDetector, frames: Sequence[Frame]) -> list[Detections]:
    found = cast(Detector, detector).detect(frames)
    demand(len(found) == len(frames), f"detect gives {len(found)} entries for {len(frames)} frames")
    for one in found:
        demand(
            isinstance(one, Detections),
            f"detect gives {type(one).__name__} where Detections belong",
        )
    return found


def _check_found(one: Detections, frame: Frame) -> None:
    demand(
        bool(np.isfinite(one.boxes).all() and np.isfinite(one.scores).all()),
        "detect gives boxes or scores that are not finite",
    )
    demand(
        bool((one.boxes[:, 2:] >= one.boxes[:, :2]).all()),
        "detect gives boxes that end before they begin",
    )
    demand(bool((np.diff(one.scores) <= 0).all()), "detect does not give the surest boxes first")
    centres = (one.boxes[:, :2] + one.boxes[:, 2:]) / 2
    limits = np.array([frame.record.width, frame.record.height])
    demand(
        bool(((centres >= 0) & (centres <= limits)).all()),
        f"detect gives boxes around places outside the frame of {limits[0]}x{limits[1]} pixels",
    )
    demand(bool((one.classes >= 0).all()), "detect gives classes below 0")
    if one.probabilities is not None and len(one):
        _check_probabilities(one.probabilities, one)


def _check_probabilities(rows: FloatArray, one: Detections) -> None:
    demand(rows.ndim == 2, f"probabilities of boxes have shape {rows.shape} instead of N x C")
    demand(bool(((rows >= 0) & (rows <= 1)).all()), "probabilities of boxes lie outside 0 to 1")
    demand(
        bool((one.classes < rows.shape[1]).all()),
        f"detect gives class {one.classes.max()} with probabilities of {rows.shape[1]} classes",
    )
    own = rows[np.arange(len(rows)), one.classes]
    demand(
        float(own.mean()) >= 0.9 * float(rows.mean()),
        "the probabilities of boxes are not in the order of their classes: their own class is no likelier than the others",
    )


def _same_boxes(first: Detections, second: Detections) -> bool:
    """Whether nearly every box has a partner: which of two equals survives suppression may hang on the last digit."""
    near = np.abs(first.boxes[:, None] - second.boxes[None]).max(axis=2)
    near = near <= 1e-2 * max(1.0, float(np.abs(first.boxes).max(initial=0.0)))
    alike = np.abs(first.scores[:, None] - second.scores[None]) <= 1e-3
    partners = near & alike & (first.classes[:, None] == second.classes[None])
    lonely = int((~partners.any(axis=1)).sum() + (~partners.any(axis=0)).sum())
    return lonely <= _LONELY * (len(first) + len(second))


def _halved(frame: Frame) -> Frame:
    record = replace(frame.record, width=2 * frame.record.width, height=2 * frame.record.height)
    return replace(frame, record=record, scale=frame.scale / 2)


def _noise(size: tuple[int, int]) -> list[Image]:
    """Coarse and fine noise, so that there is something for every level."""
    rng = np.random.default_rng(0)
    images = []
    for _ in range(2):
        coarse = rng.integers(0, 256, (-(-size[0] // 32), -(-size[1] // 32), 3))
        wide = coarse.repeat(32, axis=0).repeat(32, axis=1)[: size[0], : size[1]]
        fine = rng.integers(-40, 41, (*size, 3))
        images.append(np.clip(wide + fine, 0, 255).astype(np.uint8))
    return images


_CHECKS: Mapping[
    Need, tuple[str, Callable[[DenseDetector, DenseDetector, Sequence[Frame]], None]]
] = {
    Need.CLASS_MAPS: ("class_maps", _check_maps),
    Need.PASSES: ("passes", _check_passes),
    Need.FEATURES: ("features", _check_features),
    Need.BOXES: ("detect", _check_boxes),
}
