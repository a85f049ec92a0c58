"""The fused score on a GPU, in Triton: three short kernels over chunks of maps.

`_read_sigmoid_rows` (or `_read_softmax_rows`) interpolates one row of the image in every map, squashes it, adds up its
entropies, and leaves running sums along the row. `_sum_down` turns these into running sums over both axes (float64, since
float32 sums over a few hundred thousand pixels are off in the fifth digit). `_add_entropies` then needs four values a
pixel and map, whatever the radius. Memory is bounded by taking maps in chunks.

Without a GPU the kernels run in Triton's interpreter (`TRITON_INTERPRET=1` before the first import), which is how the
tests hold them against the reference.
"""

# Triton looks up every annotation of a kernel among its own types, so kernels have none.
# mypy: disable-error-code="no-untyped-def,no-untyped-call"

from __future__ import annotations

import torch
import triton
import triton.language as tl
from torch import Tensor

from thrifty.maps import Activation, ClassMaps, MapKind
from thrifty.scoring.divergence import box_mean

_SCRATCH = 256 << 20
"""Bytes of running sums held at once, at most, unless a single map of a single image needs more."""

_BLOCK = 128
_ROWS = 32


@triton.jit
def _log_one_plus(e):
    """`ln(1 + e)` for `e` > -1, to the last bits of small results (Kahan's correction)."""
    sum_ = 1.0 + e
    rest = sum_ - 1.0
    return tl.where(rest == 0.0, e, tl.log(sum_) * (e / tl.where(rest == 0.0, 1.0, rest)))


@triton.jit
def _bernoulli(p):
    """Equation 3 for float64 `p`, in float32: the half below 1/2 keeps its digits."""
    a = tl.maximum(tl.minimum(p, 1.0 - p), 0.0).to(tl.float32)
    return _surprise(a) - (1.0 - a) * _log_one_plus(-a)


@triton.jit
def _surprise(p):
    """`-p ln p` in float32, 0 at 0."""
    return tl.where(p > 0.0, -p * tl.log(tl.where(p > 0.0, p, 1.0)), 0.0)


@triton.jit
def _class_part(p):
    """`-p ln p` for float64 `p`, in float32: close to 1 its distance from 1 keeps the digits."""
    rest = tl.where(p > 0.5, 1.0 - p, 0.0).to(tl.float32)
    return tl.where(p > 0.5, (rest - 1.0) * _log_one_plus(-rest), _surprise(p.to(tl.float32)))


@triton.jit
def _keep_row(p, running, index, y, height, width, xs):
    """Leave running sums of a row behind the row and column of zeros that every plane begins with."""
    sums = tl.cumsum(p.to(tl.float64), 0)
    to = running + (index * (height + 1) + y + 1) * (width + 1) + 1
    tl.store(to + xs, sums, xs < width)


@triton.jit
def _map_row(maps, table, extents, index, y, xs, mask):
    """Map `index` at the pixels of one row of the image, bilinearly, float32; positions in float64."""
    begin = tl.load(table + 5 * index)
    at = extents + 4 * index
    rows, columns = tl.load(table + 5 * index + 1), tl.load(table + 5 * index + 2)
    at_y = (y.to(tl.float64) - tl.load(at)) * rows / tl.load(at + 1) - 0.5
    at_y = tl.minimum(tl.maximum(at_y, 0.0), (rows - 1).to(tl.float64))
    low_y = at_y.to(tl.int64)
    step_y = (at_y - low_y).to(tl.float32)
    at_x = (xs.to(tl.float64) - tl.load(at + 2)) * columns / tl.load(at + 3) - 0.5
    at_x = tl.minimum(tl.maximum(at_x, 0.0), (columns - 1).to(tl.float64))
    low_x = at_x.to(tl.int64)
    step_x = (at_x - low_x).to(tl.float32)
    high_x = tl.minimum(low_x + 1, columns - 1)
    upper = maps + begin + low_y * columns
    lower = maps + begin + tl.minimum(low_y + 1, rows - 1) * columns
    above = tl.load(upper + low_x, mask, 0.0) * (1.0 - step_x)
    above += tl.load(upper + high_x, mask, 0.0) * step_x
    below = tl.load(lower + low_x, mask, 0.0) * (1.0 - step_x)
    below += tl.load(lower + high_x, mask, 0.0) * step_x
    return above * (1.0 - step_y) + below * step_y


@triton.jit
def _behind(logit, highest):
    """How far a logit lies below the highest; beyond 200 a weight is 0 in float32, and so must be its product."""
    # Halves cannot overflow.
    return 2.0 * tl.minimum(0.5 * highest - 0.5 * logit, 100.0)


@triton.jit
def _share(logit, highest, others):
    """A class's probability in float64, from what all but a leading class weigh together."""
    weight = tl.exp(-_behind(logit, highest))
    trailing = (weight / (1.0 + others)).to(tl.float64)
    return tl.where(weight >= 1.0, 1.0 - (others / (1.0 + others)).to(tl.float64), trailing)


@triton.jit
def _read_sigmoid_rows(
    maps,
    size,
    table,
    extents,
    first,
    last,
    running,
    entropies,
    height,
    width,
    LOGITS: tl.constexpr,  # noqa: N803 - the language's own spelling of compile-time values
    BLOCK: tl.constexpr,  # noqa: N803
):
    y, image = tl.program_id(0), tl.program_id(1).to(tl.int64)
    xs = tl.arange(0, BLOCK)
    mask = xs < width
    to = entropies + (image * height + y) * width + xs
    total = tl.load(to, mask, 0.0)
    for index in range(first, last):
        values = _map_row(maps + image * size, table, extents, index, y, xs, mask)
        if LOGITS:
            distance = tl.abs(values)
            e = tl.exp(-distance)
            unlikely = e / (1.0 + e)
            entropy = _log_one_plus(e) + distance * unlikely
            # A float32 close to 1 has lost the digits that its entropy hangs on.
            small = unlikely.to(tl.float64)
            p = tl.where(values > 0.0, 1.0 - small, small)
        else:
            p = values.to(tl.float64)
            entropy = _bernoulli(p)
        total += tl.where(mask, entropy, 0.0).to(tl.float64)
        plane = image * (last - first) + index - first
        _keep_row(tl.where(mask, p, 0.0), running, plane, y, height, width, xs)
    tl.store(to, total, mask)


# Else a chunk that begins with map 1 makes `first` a constant, which a loop may not count up.
@triton.jit(do_not_specialize=["first", "last"])
def _read_softmax_rows(
    maps,
    size,
    table,
    extents,
    first,
    last,
    running,
    entropies,
    height,
    width,
    LOGITS: tl.constexpr,  # noqa: N803
    BLOCK: tl.constexpr,  # noqa: N803
):
    y, image = tl.program_id(0), tl.program_id(1).to(tl.int64)
    maps += image * size
    xs = tl.arange(0, BLOCK)
    mask = xs < width
    to = entropies + (image * height + y) * width + xs
    total = tl.load(to, mask, 0.0)
    # A chunk may hold only some of a level's classes, but what they compete with is all of them.
    index = first
    while index < last:
        begin, end = tl.load(table + 5 * index + 3), tl.load(table + 5 * index + 4)
        highest = tl.full([BLOCK], float("-inf"), tl.float32)
        others = tl.zeros([BLOCK], tl.float32)
        if LOGITS:
            leaders = tl.zeros([BLOCK], tl.float32)
            lost = tl.zeros([BLOCK], tl.float32)
            for member in range(begin, end):
                row = _map_row(maps, table, extents, member, y, xs, mask)
                highest = tl.maximum(highest, row)
            for member in range(begin, end):
                row = _map_row(maps, table, extents, member, y, xs, mask)
                behind = _behind(row, highest)
                weight = tl.exp(-behind)
                # The leader weighs 1: added to 1, what the others weigh would lose its digits.
                leads = weight >= 1.0
                leaders += leads.to(tl.float32)
                others += tl.where(leads, 0.0, weight)
                lost += weight * behind
            others += leaders - 1.0
            entropy = lost / (1.0 + others) + _log_one_plus(others)
        else:
            entropy = tl.zeros([BLOCK], tl.float32)
            for member in range(begin, end):
                entropy += _surprise(_map_row(maps, table, extents, member, y, xs, mask))
        if index == begin:
            total += tl.where(mask, entropy, 0.0).to(tl.float64)
        upto = tl.minimum(end, last)
        while index < upto:
            row = _map_row(maps, table, extents, index, y, xs, mask)
            p = _share(row, highest, others) if LOGITS else row.to(tl.float64)
            plane = image * (last - first) + index - first
            _keep_row(tl.where(mask, p, 0.0), running, plane, y, height, width, xs)
            index += 1
    tl.store(to, total, mask)


@triton.jit
def _sum_down(
    running,
    height,
    width,
    ROWS: tl.constexpr,  # noqa: N803
    BLOCK: tl.constexpr,  # noqa: N803
):
    plane = tl.program_id(0).to(tl.int64)
    columns = tl.program_id(1) * BLOCK + tl.arange(0, BLOCK) + 1
    base = running + plane * (height + 1) * (width + 1)
    carried = tl.zeros([BLOCK], tl.float64)
    for top in range(1, height + 1, ROWS):
        rows = top + tl.arange(0, ROWS)
        at = base + rows[:, None] * (width + 1) + columns[None, :]
        mask = (rows[:, None] <= height) & (columns[None, :] <= width)
        values = tl.load(at, mask, 0.0)
        tl.store(at, tl.cumsum(values, 0) + carried[None, :], mask)
        carried += tl.sum(values, 0)


@triton.jit
def _add_entropies(
    running,
    maps,
    scores,
    height,
    width,
    radius,
    SOFTMAX: tl.constexpr,  # noqa: N803
    BLOCK: tl.constexpr,  # noqa: N803
):
    image = tl.program_id(1).to(tl.int64)
    pixels = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    mask = pixels < height * width
    y, x = pixels // width, pixels % width
    top, bottom = tl.maximum(y - radius, 0), tl.minimum(y + radius + 1, height)
    left, right = tl.maximum(x - radius, 0), tl.minimum(x + radius + 1, width)
    count = tl.where(mask, (bottom - top) * (right - left), 1).to(tl.float64)
    to = scores + image * height * width + pixels
    total = tl.load(to, mask, 0.0)
    across = width + 1
    for index in range(maps):
        plane = running + (image * maps + index) * (height + 1) * across
        inside = tl.load(plane + bottom * across + right, mask, 0.0)
        inside -= tl.load(plane + bottom * across + left, mask, 0.0)
        inside -= tl.load(plane + top * across + right, mask, 0.0)
        inside += tl.load(plane + top * across + left, mask, 0.0)
        mean = inside / count
        if SOFTMAX:
            total += tl.maximum(_class_part(mean), 0.0).to(tl.float64)
        else:
            total += _bernoulli(mean).to(tl.float64)
    tl.store(to, total, mask)


def pixel_scores(maps: ClassMaps, radius: int) -> Tensor:
    """Pixel scores `B x H x W` float64 of sound maps, on their device."""
    device = maps.levels[0].device
    values = torch.cat([level.float().flatten(1) for level in maps.levels], dim=1).contiguous()
    table, extents = _describe(maps)
    batch, height, width = len(maps), maps.height, maps.width
    radius = min(radius, max(height, width) - 1)
    entropies = torch.zeros(batch, height, width, dtype=torch.float64, device=device)
    scores = torch.zeros_like(entropies)
    plane = 8 * batch * (height + 1) * (width + 1)
    chunk = max(1, min(len(table), _SCRATCH // max(1, plane)))
    soft = maps.activation is Activation.SOFTMAX
    read = _read_softmax_rows if soft else _read_sigmoid_rows
    for first in range(0, len(table), chunk):
        last = min(first + chunk, len(table))
        running = torch.zeros(
            batch, last - first, height + 1, width + 1, dtype=torch.float64, device=device
        )
        read[(height, batch)](
            values,
            values.shape[1],
            table.to(device),
            extents.to(device),
            first,
            last,
            running,
            entropies,
            height,
            width,
            LOGITS=maps.kind is MapKind.LOGITS,
            BLOCK=triton.next_power_of_2(width),
        )
        across = triton.cdiv(width, _BLOCK)
        _sum_down[(batch * (last - first), across)](
            running, height, width, ROWS=_ROWS, BLOCK=_BLOCK
        )
        _add_entropies[(triton.cdiv(height * width, _BLOCK), batch)](
            running, last - first, scores, height, width, radius, SOFTMAX=soft, BLOCK=_BLOCK
        )
    return (scores - box_mean(entropies, radius)).clamp_(min=0.0)


def _describe(maps: ClassMaps) -> tuple[Tensor, Tensor]:
    """Per map: where it begins, its rows and columns, the first map of its level and of the next; and its extents.

    Extents are where what it covers begins, counted from the centre of the first pixel, and how long that is, along the
    rows and along the columns.
    """
    rows: list[tuple[int, int, int, int, int]] = []
    extents: list[tuple[float, float, float, float]] = []
    begin = 0
    for level, span, origin in zip(maps.levels, maps.spans, maps.origins, strict=True):
        channels, height, width = level.shape[1:]
        first = len(rows)
        for _ in range(channels):
            rows.append((begin, height, width, first, first + channels))
            begin += height * width
        extents += [(origin[0] - 0.5, span[0], origin[1] - 0.5, span[1])] * channels
    return torch.tensor(rows, dtype=torch.int64), torch.tensor(extents, dtype=torch.float64)
