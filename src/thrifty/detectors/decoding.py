"""From dense probabilities to boxes, after the authors' released code.

The map of each head is smoothed by a 3x3 mean. A place is a detection at threshold t if it is the maximum of its
19x19 neighbourhood, at least t, and at least 100 of the neighbourhood's pixels reach t. So the largest t at which a
place is still a detection is the 100th largest value around it, and that is its score: one pass serves every
threshold. Its box is the head's default box, centred there.

A head says much the same all over the positive patch that it was taught, so the maximum lies anywhere in it; and most objects
lie between two default sizes. Where boxes are to fit more tightly they can be refined by what is said all around.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from thrifty import boxes as geometry
from thrifty.types import Detections, FloatArray, IntArray

_REACH = 9
_SUPPORT = 100
_SAME = 0.5
_SHARPNESS = 3
"""Power of the probabilities by which places around a maximum weigh: what is half as sure counts an eighth."""
_FEW = 1000
"""Maxima that are compared pair by pair."""


def decode(
    probabilities: Tensor,
    sizes: FloatArray,
    threshold: float,
    suppression: float = 0.0,
    classes: int = 1,
    *,
    refined: bool = False,
) -> list[Detections]:
    """Find boxes in class maps.

    Args:
        probabilities: `B x KC x H x W` in [0, 1], a head's classes side by side.
        sizes: `K x 2` default widths and heights, pixels.
        threshold: Detections with a lower score are left out; in (0, 1).
        suppression: A box that shares more than this part of the smaller box's area with a surer one is left
            out; 0 keeps all. The heads know nothing of each other, so one person between two default sizes
            is often found twice. Boxes of different classes leave each other alone.
        classes: C.
        refined: Lay a box around the mean place of what its head says near the maximum, weighed by the third power of the
            probabilities, with the geometric mean of the sizes of its head and of the heads next to it, weighed by the greatest
            probability that each has there. In place of the maximum, and of its head's size.

    Returns:
        One `Detections` per image, surest first, in pixels of the maps. Ties go to the deeper head, then upwards
        and to the left. Probabilities are those of the head that found the box, at its maximum. The network has
        no boxes to begin with that it would move: a box's proposal is the surest box of its class that another head has there, overlapping
        it by more than half of the smaller one.
    """
    smooth = _mean_around(probabilities)
    peaks = _peaks(smooth, threshold)
    return [
        _decode_one(
            smooth[index],
            peaks[peaks[:, 0] == index, 1:],
            sizes,
            threshold,
            suppression,
            classes,
            refined,
        )
        for index in range(len(smooth))
    ]


def _mean_around(values: Tensor) -> Tensor:
    """Mean of the 3x3 pixels around every pixel, cut at the border.

    Along rows, then along columns: a fourth of the time of the general pooling on a processor. By steps between neighbours, since
    where all are equal their mean must be so to the last bit, or a flat map would have its peaks along the border.
    """
    for dim in (-1, -2):
        length = values.shape[dim]
        steps = F.pad(values.diff(dim=dim), (1, 1, 0, 0) if dim == -1 else (0, 0, 1, 1))
        bends = steps.narrow(dim, 1, length) - steps.narrow(dim, 0, length)
        shares = torch.full((length,), 1 / min(3, length), device=values.device, dtype=values.dtype)
        shares[0] = shares[-1] = 1 / min(2, length)
        values = torch.addcmul(values, bends, shares if dim == -1 else shares[:, None])
    return values


def _peaks(smooth: Tensor, threshold: float) -> Tensor:
    """Places that nothing within reach exceeds, and of equal ones within reach the first: `N x 4`, in reading order."""
    sure = smooth >= threshold
    places = (sure & (smooth == highest_around(smooth, 1))).nonzero()
    if len(places) > _FEW:
        peaks = sure & (smooth == highest_around(smooth))
        return (peaks & _is_first(peaks)).nonzero()
    # Most of what exceeds its neighbours exceeds all within reach, and of what does not there are a few to look at.
    planes = smooth.flatten(0, 1)
    flat = torch.stack([places[:, 0] * smooth.shape[1] + places[:, 1], *places.T[2:]], dim=1)
    highest = _around(planes, flat).flatten(1).amax(1)
    return _first_of_plateaus(places[planes[tuple(flat.T)] == highest])


def _first_of_plateaus(places: Tensor) -> Tensor:
    """Of several maxima within reach of each other, which must be equal, the first in reading order."""
    image, channel, row, column = places.T
    order = torch.arange(len(places), device=places.device)
    near = (image[:, None] == image) & (channel[:, None] == channel)
    near &= (row[:, None] - row).abs() <= _REACH
    near &= (column[:, None] - column).abs() <= _REACH
    return places[~(near & (order[:, None] > order)).any(dim=1)]


def _is_first(peaks: Tensor) -> Tensor:
    """Likewise by whole maps, for a network that knows nothing and has maxima everywhere."""
    height, width = peaks.shape[-2:]
    # Whole numbers up to 2^24 are exact in float32.
    dtype = torch.float32 if height * width <= 1 << 24 else torch.float64
    order = torch.arange(height * width, dtype=dtype, device=peaks.device).view(height, width)
    order = torch.where(peaks, order, float("inf"))
    return order == -highest_around(-order)


def highest_around(values: Tensor, reach: int = _REACH) -> Tensor:
    """Maximum over the `2 reach + 1` pixels square around every pixel, cut at the border.

    Windows are doubled until they span the square, first along rows and then along columns: a handful of
    element-wise maxima, whatever the reach.
    """
    for dim in (-1, -2):
        values = _highest_along(values, reach, dim)
    return values


def _highest_along(values: Tensor, reach: int, dim: int) -> Tensor:
    length = values.shape[dim]
    padding = (reach, reach, 0, 0) if dim == -1 else (0, 0, reach, reach)
    maxima, span, side = F.pad(values, padding, value=float("-inf")), 1, 2 * reach + 1
    while span < side:
        shift = min(span, side - span)
        kept = maxima.shape[dim] - shift
        maxima = torch.maximum(maxima.narrow(dim, 0, kept), maxima.narrow(dim, shift, kept))
        span += shift
    return maxima.narrow(dim, 0, length)


def _decode_one(
    smooth: Tensor,
    places: Tensor,
    sizes: FloatArray,
    threshold: float,
    suppression: float,
    classes: int,
    refined: bool,  # noqa: FBT001 - by place, as everything here
) -> Detections:
    around = _around(smooth, places)
    scores = around.flatten(1).topk(_SUPPORT, dim=1).values[:, -1].cpu().numpy().astype(np.float64)
    found = places.cpu().numpy()
    sure = np.flatnonzero(scores >= threshold)
    order = sure[np.lexsort((found[sure, 2], found[sure, 1], found[sure, 0], -scores[sure]))]
    heads, kinds = np.divmod(found[order, 0], classes)
    centres, sides = found[order][:, [2, 1]] + 0.5, sizes[heads]
    if refined:
        centres += _mean_places(around).cpu().numpy()[order]
        sides = _mean_sizes(smooth, places, sizes, classes)[order]
    boxes = geometry.centred(centres, sides)
    kept = _surviving(boxes, kinds, suppression) if suppression else np.arange(len(boxes))
    return Detections(
        boxes[kept],
        scores[order][kept],
        kinds[kept],
        _all_classes(smooth, found[order][kept], heads[kept], classes),
        _second_opinions(boxes, heads, kinds, kept),
    )


def _all_classes(smooth: Tensor, found: IntArray, heads: IntArray, classes: int) -> FloatArray:
    """What each box's head says of every class at its centre: `N x C`."""
    channels = torch.from_numpy(heads[:, None] * classes + np.arange(classes))
    rows, columns = (torch.from_numpy(found[:, axis, None]) for axis in (1, 2))
    device = smooth.device
    values = smooth[channels.to(device), rows.to(device), columns.to(device)]
    return np.asarray(values.cpu().numpy(), dtype=np.float64)


def _second_opinions(
    boxes: FloatArray, heads: IntArray, kinds: IntArray, kept: IntArray
) -> FloatArray:
    """For each box that is kept, of boxes surest first, the surest of another head and its class that shares most of it."""
    areas = geometry.area(boxes)
    shared = geometry.intersection(boxes[kept], boxes)
    near = shared > _SAME * np.minimum(areas[kept, None], areas)
    near &= (heads[kept, None] != heads) & (kinds[kept, None] == kinds)
    centres = (boxes[kept, :2] + boxes[kept, 2:]) / 2
    nothing = np.concatenate([centres, centres], axis=1)
    if not len(kept):
        return nothing
    found = np.asarray(near.any(axis=1))[:, None]
    return np.where(found, boxes[near.argmax(axis=1)], nothing)


def _surviving(boxes: FloatArray, kinds: IntArray, share: float) -> IntArray:
    """Indices of what suppression leaves, class by class, surest first."""
    kept = [
        members[suppress(boxes[members], share)]
        for members in (np.flatnonzero(kinds == kind) for kind in np.unique(kinds))
    ]
    return np.sort(np.concatenate(kept)) if kept else np.zeros(0, dtype=np.int64)


def _around(smooth: Tensor, places: Tensor) -> Tensor:
    """The values around each place (`N x 3`: head, row, column): `N x 19 x 19`, zeros beyond the border."""
    padded = F.pad(smooth, (_REACH,) * 4, value=0.0)
    offsets = torch.arange(2 * _REACH + 1, device=smooth.device)
    rows = places[:, 1, None, None] + offsets[None, :, None]
    columns = places[:, 2, None, None] + offsets[None, None, :]
    return padded[places[:, 0, None, None], rows, columns]


def _mean_places(around: Tensor) -> Tensor:
    """From the middle of each window (`N x 19 x 19`) to the mean place of what stands there: `N x 2`, across and down."""
    weights = around.double() ** _SHARPNESS
    offsets = torch.arange(-_REACH, _REACH + 1, dtype=weights.dtype, device=weights.device)
    moments = torch.stack([weights.sum(1) @ offsets, weights.sum(2) @ offsets], dim=1)
    return moments / weights.sum((1, 2))[:, None]


def _mean_sizes(smooth: Tensor, places: Tensor, sizes: FloatArray, classes: int) -> FloatArray:
    """Widths and heights between those of the heads that speak around each place: `N x 2`."""
    heads = len(sizes)
    said = []
    for next_one in (-1, 0, 1):
        channel = places[:, 0] + next_one * classes
        there = (channel >= 0) & (channel < heads * classes)
        moved = torch.stack([channel.clamp(0, heads * classes - 1), *places.T[1:]], dim=1)
        said.append(_around(smooth, moved).flatten(1).amax(1) * there)
    shares = torch.stack(said, dim=1).cpu().numpy().astype(np.float64)
    own = places[:, 0].cpu().numpy() // classes
    nearby = np.clip(own[:, None] + np.array([-1, 0, 1]), 0, heads - 1)
    logarithms = np.log(sizes)[nearby]
    weights = (shares / shares.sum(axis=1, keepdims=True))[:, :, None]
    return np.asarray(np.exp((logarithms * weights).sum(axis=1)))


def suppress(boxes: FloatArray, share: float) -> IntArray:
    """Indices of the boxes that survive, given surest first.

    Args:
        boxes: `N x 4` xyxy.
        share: A box falls if its intersection with a surviving one exceeds this part of the smaller area.
    """
    areas = geometry.area(boxes)
    alive = np.ones(len(boxes), dtype=np.bool_)
    for index in range(len(boxes)):
        if alive[index]:
            shared = geometry.intersection(boxes[index : index + 1], boxes[index + 1 :])[0]
            alive[index + 1 :] &= shared <= share * np.minimum(areas[index], areas[index + 1 :])
    return np.flatnonzero(alive)
