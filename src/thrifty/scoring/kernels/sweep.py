"""Local divergence in one sweep over the image: from low-resolution maps to region maxima, no full-size map stored.

A band of output rows is swept from top to bottom. Every image row is interpolated, squashed and turned into entropies
once; the last `2 r + 1` rows are kept, and their sums per column slide along in float64. A window is then a difference
of one running sum over these, so the cost does not depend on `r`. Means are linear, so one window over the entropies
summed over all maps replaces one per map.

Loops over columns are written for the compiler to turn into vector instructions, and hold no calls but to
`elementary`.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit

from thrifty.scoring.kernels.elementary import (
    FAST,
    exp_minus,
    folded_surprise,
    ln,
    ln_one_plus,
    minor_entropy,
    sigmoid_with_entropy,
    surprise,
)

_F = np.float32
_ZERO, _HALF, _ONE, _TWO = _F(0.0), _F(0.5), _F(1.0), _F(2.0)
_FAR = _F(
    5e3
)  # half the distance beyond which a class has no part in a softmax, and 0 times it is 0
_STEP = _F(2.0**-23)  # from 1 to the next float32

SIGMOID, SOFTMAX = 0, 1
LOGITS, PROBABILITIES = 0, 1

TOGETHER = 8
"""Maps whose entropies are added up in one row of float32: in a sum over hundreds the small ones lose their digits."""


@njit(nogil=True, cache=True, fastmath=FAST, error_model="numpy")
def sweep_band(
    values: Any,
    layout: Any,
    mode: Any,
    size: Any,
    reach: Any,
    rows: Any,
    tiles: Any,
    found: Any,
    pixels: Any,
    ring: Any,
) -> None:
    """Score a band of rows of one image.

    Args:
        values: float32, the levels of one image, one after the other, each `C x h x w`.
        layout: Where each of `L` levels begins in `values` (`L` int64), its `C, h, w` (`L x 3` int64), and along the
            rows and the columns of the image where what it covers begins and how long it is (`L x 2 x 2` float64).
        mode: Activation and kind of the maps.
        size: Height and width of the image.
        reach: Rows and columns from a window's centre to its end, each less than the image's.
        rows: First row of the band, and the row after its last; both at borders of regions or of the image.
        tiles: Side of a region, and how far the first begins outside the image.
        found: Region maxima, `R x Q` float32, and sums of the pixel scores per row of regions, float64; zeros, of
            which those that belong to the band are written.
        pixels: `H x W` float32 for the pixel scores, or without any element.
        ring: `(M + E) x (2 reach[0] + 1) x W` float32, room for the rows of the window; E as `entropy_rows` says.
    """
    height, width = size
    radius, depth = reach[0], 2 * reach[0] + 1
    count = layout[1][:, 0].sum()
    rounders = (rounder(depth), rounder(depth * count))
    ring[:] = _ZERO
    columns = np.zeros((count + 1, width), dtype=np.float64)
    running = np.empty(width + 2 * reach[1] + 1, dtype=np.float64)
    entering = np.zeros((len(ring), width), dtype=np.float32)
    score = np.empty(width, dtype=np.float64)
    sums = np.empty((2, width), dtype=np.float64)
    weight = np.empty(width, dtype=np.float64)
    means = np.empty((2, width), dtype=np.float32)
    best = np.zeros(width, dtype=np.float32)
    total = np.zeros(width, dtype=np.float64)
    share = _column_shares(width, reach[1])
    wide = np.empty((2, count, width), dtype=np.float32)
    held = np.full((len(layout[0]), 2), -1, dtype=np.int64)
    taps, steps = column_taps(layout, width)
    for at in range(max(0, rows[0] - radius), rows[1] + radius):
        if at < height:
            read_row(values, layout, mode, at, taps, steps, wide, held, rounders, entering)
        else:
            entering[:] = _ZERO
        slot = at % depth
        for index in range(len(ring)):
            _slide(ring[index, slot], columns[min(index, count)], entering[index])
        row = at - radius
        if row < rows[0]:
            continue
        _weigh(share, min(row + radius, height - 1) - max(row - radius, 0) + 1, weight)
        score[:] = 0.0
        # Two maps at a time: half the reading and writing of scores.
        for index in range(0, count - 1, 2):
            _window_sums(columns[index], reach[1], running, sums[0])
            _window_sums(columns[index + 1], reach[1], running, sums[1])
            _narrow(sums[0], weight, means[0])
            _narrow(sums[1], weight, means[1])
            _add_entropies(score, means, mode[0])
        if count % 2:
            _window_sums(columns[count - 1], reach[1], running, sums[0])
            _narrow(sums[0], weight, means[0])
            means[1] = _ZERO
            _add_entropies(score, means, mode[0])
        _window_sums(columns[count], reach[1], running, sums[0])
        _take_off(score, sums[0], weight)
        settle_row(row, rows[1], score, best, total, tiles, found, pixels)


@njit(nogil=True, cache=True, fastmath=FAST, error_model="numpy")
def settle_row(
    row: int, end: int, score: Any, best: Any, total: Any, tiles: Any, found: Any, pixels: Any
) -> None:
    """Take the pixel scores of a row into its regions, and close the regions that end with it.

    Args:
        row: Which row of the image.
        end: The row after the band's last.
        score: `W` float64.
        best: `W` float32, the highest of each column since the last row of regions closed.
        total: `W` float64, the sum of each column since then.
        tiles: As `sweep_band`.
        found: As `sweep_band`.
        pixels: As `sweep_band`.
    """
    for x in range(len(score)):
        best[x] = max(best[x], _F(score[x]))
        total[x] += score[x]
    if pixels.size:
        pixels[row] = score
    if (row + 1 + tiles[1]) % tiles[0] == 0 or row + 1 == end:
        tile = (row + tiles[1]) // tiles[0]
        maxima, totals = found
        # With regions centred on the grid, a strip at the lower border may belong to none.
        if tile < len(maxima):
            _reduce(best, maxima[tile], tiles)
        totals[tile] = total.sum()
        best[:] = _ZERO
        total[:] = 0.0


@njit(nogil=True, cache=True, fastmath=FAST, error_model="numpy")
def _column_shares(width: int, reach: int) -> Any:
    """One over the number of columns in the window around each column."""
    shares = np.empty(width, dtype=np.float64)
    for x in range(width):
        shares[x] = 1.0 / (min(x + reach, width - 1) - max(x - reach, 0) + 1)
    return shares


@njit(nogil=True, cache=True, error_model="numpy")
def _tap(position: int, length: int, origin: float, span: float) -> Any:
    """Between which two of a map's `length` values an image coordinate lies, and how far along."""
    place = min(max((position + (0.5 - origin)) * length / span - 0.5, 0.0), length - 1.0)
    low = int(place)
    return low, min(low + 1, length - 1), _F(place - low)


@njit(nogil=True, cache=True, error_model="numpy")
def column_taps(layout: Any, width: int) -> Any:
    """Per level and column of the image: the two values it lies between, and how far along.

    Returns:
        `L x 2 x W` int32 and `L x W` float32.
    """
    _, shapes, extents = layout
    taps = np.empty((len(shapes), 2, width), dtype=np.int32)
    steps = np.empty((len(shapes), width), dtype=np.float32)
    for level in range(len(shapes)):
        for x in range(width):
            low, high, step = _tap(x, shapes[level, 2], extents[level, 1, 0], extents[level, 1, 1])
            taps[level, 0, x] = low
            taps[level, 1, x] = high
            steps[level, x] = step
    return taps, steps


@njit(nogil=True, cache=True, fastmath=FAST, error_model="numpy")
def read_row(
    values: Any,
    layout: Any,
    mode: Any,
    row: int,
    taps: Any,
    steps: Any,
    wide: Any,
    held: Any,
    rounders: Any,
    entering: Any,
) -> None:
    """Fill a row of folded probabilities for every map, then rows of entropies, each summed over some maps.

    Args:
        values: As `sweep_band`.
        layout: As `sweep_band`.
        mode: As `sweep_band`.
        row: Which row of the image.
        taps: As `widen_level`.
        steps: As `widen_level`.
        wide: As `widen_level`.
        held: As `widen_level`.
        rounders: From `rounder`, for probabilities and for entropies.
        entering: `(M + E) x W` float32, E as `entropy_rows` says.
    """
    shapes = layout[1]
    count = wide.shape[1]
    entering[count:] = _ZERO
    index = 0
    for level in range(len(shapes)):
        members = slice(index, index + shapes[level, 0])
        step, side = widen_level(values, layout, level, index, row, taps, steps, wide, held)
        above, below = wide[side, members], wide[1 - side, members]
        if mode[0] == SOFTMAX:
            entropies = entering[count + index // TOGETHER]
            _softmax_row(above, below, step, mode[1], rounders[0], entering[members], entropies)
        else:
            for channel in range(len(above)):
                to = entering[index + channel]
                entropies = entering[count + (index + channel) // TOGETHER]
                _sigmoid_row(
                    above[channel], below[channel], step, mode[1], rounders[0], to, entropies
                )
        index += shapes[level, 0]
    for last in range(count, len(entering)):
        _round_row(entering[last], rounders[1])


@njit(nogil=True, cache=True)
def entropy_rows(count: int) -> int:
    """E, the rows that the entropies of `count` maps are added up in."""
    return (count + TOGETHER - 1) // TOGETHER


@njit(nogil=True, cache=True, fastmath=FAST, error_model="numpy")
def widen_level(
    values: Any,
    layout: Any,
    level: int,
    index: int,
    row: int,
    taps: Any,
    steps: Any,
    wide: Any,
    held: Any,
) -> Any:
    """Make sure that the two rows of a level's maps that a row of the image lies between stand ready.

    They are widened to the image (`wide`; `held` says which they are), since several rows of the image lie between the
    same two. A row always stands on the side of its parity; at the lower border both sides hold the last row.

    Args:
        values: As `sweep_band`.
        layout: As `sweep_band`.
        level: Which level.
        index: Its first map.
        row: Which row of the image.
        taps: From `column_taps`.
        steps: From `column_taps`.
        wide: `2 x M x W` float32.
        held: `L x 2` int64, -1 at first.

    Returns:
        How far the row lies along from the upper to the lower, and on which side the upper stands.
    """
    begins, shapes, extents = layout
    channels, rows, width = shapes[level]
    low, high, step = _tap(row, rows, extents[level, 0, 0], extents[level, 0, 1])
    for side, wanted in ((low % 2, low), (1 - low % 2, high)):
        if held[level, side] != wanted:
            held[level, side] = wanted
            for channel in range(channels):
                begin = begins[level] + (channel * rows + wanted) * width
                narrow = values[begin : begin + width]
                _widen(narrow, taps[level], steps[level], wide[side, index + channel])
    return step, low % 2


@njit(nogil=True, cache=True, error_model="numpy")
def rounder(most: int) -> Any:
    """What `_rounded` wants for values whose sums reach at most `most`, so that these are exact in float64.

    Then a score does not depend on where its band begins, nor on the number of threads. Values become multiples of
    2^-53 times the power of two that `most` fits in: 2^-48 for probabilities and r = 9.
    """
    power = 1.0
    while power < most:
        power *= 2.0
    return _F(power * 2.0**-30)


@njit(nogil=True, cache=True, fastmath=FAST, error_model="numpy")
def _rounded(value: Any, rounder: Any) -> Any:
    """The nearest multiple of the last binary digit of `rounder`, a power of two.

    Larger values are such multiples already, and the sum would round them once more, upwards on average.
    """
    return value if value >= rounder else (value + rounder) - rounder


@njit(nogil=True, cache=True, fastmath=FAST, error_model="numpy")
def _round_row(values: Any, rounder: Any) -> None:
    for x in range(len(values)):
        values[x] = _rounded(values[x], rounder)


@njit(nogil=True, cache=True, fastmath=FAST, error_model="numpy")
def _folded(minor: Any, likely: Any, rounder: Any) -> Any:
    """A probability as its distance from the nearer of 0 and 1, negative for a distance below 1.

    A float32 close to 1 has lost the digits that its entropy hangs on; its distance from 1 keeps them.
    """
    distance = _rounded(minor, rounder)
    return -max(distance, rounder * _STEP) if likely else distance


@njit(nogil=True, cache=True, fastmath=FAST, error_model="numpy")
def unfolded(value: Any) -> Any:
    """The probability that `_folded` stands for, float64."""
    return np.float64(value) + (1.0 if value < _ZERO else 0.0)


@njit(nogil=True, cache=True, fastmath=FAST, error_model="numpy")
def _widen(narrow: Any, taps: Any, steps: Any, wide: Any) -> None:
    """Interpolate a row of a map to the width of the image."""
    for x in range(len(wide)):
        wide[x] = narrow[taps[0, x]] * (_ONE - steps[x]) + narrow[taps[1, x]] * steps[x]


@njit(nogil=True, cache=True, fastmath=FAST, error_model="numpy")
def _sigmoid_row(
    above: Any, below: Any, step: Any, kind: int, rounder: Any, folded: Any, entropies: Any
) -> None:
    rest = _ONE - step
    if kind == LOGITS:
        for x in range(len(entropies)):
            logit = above[x] * rest + below[x] * step
            minor, entropy = sigmoid_with_entropy(logit)
            folded[x] = _folded(minor, logit > _ZERO, rounder)
            entropies[x] += entropy
    else:
        for x in range(len(entropies)):
            p = above[x] * rest + below[x] * step
            minor = max(min(p, _ONE - p), _ZERO)
            folded[x] = _folded(minor, p > _HALF, rounder)
            entropies[x] += minor_entropy(minor)


@njit(nogil=True, cache=True, fastmath=FAST, error_model="numpy")
def _softmax_row(
    above: Any, below: Any, step: Any, kind: int, rounder: Any, folded: Any, entropies: Any
) -> None:
    rest = _ONE - step
    for c in range(len(folded)):
        for x in range(len(entropies)):
            folded[c, x] = above[c, x] * rest + below[c, x] * step
    if kind == LOGITS:
        _compete(folded, rounder, entropies)
        return
    for c in range(len(folded)):
        for x in range(len(entropies)):
            entropies[x] += surprise(folded[c, x])
            folded[c, x] = _rounded(folded[c, x], rounder)


@njit(nogil=True, cache=True, fastmath=FAST, error_model="numpy")
def _compete(logits: Any, rounder: Any, entropies: Any) -> None:
    """Put a row's softmax, folded, in the place of its logits, and add its entropy."""
    classes, width = logits.shape
    highest = np.full(width, -np.inf, dtype=np.float32)
    for c in range(classes):
        for x in range(width):
            highest[x] = max(highest[x], logits[c, x])
    # The leader weighs 1, and what all others weigh is kept apart from it: added to 1 it would lose its digits.
    leaders = np.zeros(width, dtype=np.float32)
    others = np.zeros(width, dtype=np.float32)
    lost = np.zeros(width, dtype=np.float32)
    for c in range(classes):
        for x in range(width):
            # Halves cannot overflow.
            behind = _TWO * min(_HALF * highest[x] - _HALF * logits[c, x], _FAR)
            weight = exp_minus(behind)
            logits[c, x] = weight
            leaders[x] += _ONE if weight >= _ONE else _ZERO
            others[x] += _ZERO if weight >= _ONE else weight
            lost[x] += weight * behind
    share, leading = np.empty_like(lost), np.empty_like(lost)
    for x in range(width):
        other = others[x] + (leaders[x] - _ONE)
        share[x] = _ONE / (_ONE + other)
        minor = other * share[x]
        leading[x] = _folded(min(minor, share[x]), minor < _HALF, rounder)
        entropies[x] += lost[x] * share[x] + (
            ln_one_plus(other) if other < _ONE else ln(_ONE + other)
        )
    for c in range(classes):
        for x in range(width):
            weight = logits[c, x]
            logits[c, x] = leading[x] if weight >= _ONE else _rounded(weight * share[x], rounder)


@njit(nogil=True, cache=True, fastmath=FAST, error_model="numpy")
def _slide(kept: Any, sums: Any, entering: Any) -> None:
    """Move column sums down by one row: the entering row takes the place of the one that leaves."""
    for x in range(len(sums)):
        sums[x] += unfolded(entering[x]) - unfolded(kept[x])
        kept[x] = entering[x]


@njit(nogil=True, cache=True, fastmath=FAST, error_model="numpy")
def _window_sums(columns: Any, reach: int, running: Any, sums: Any) -> None:
    """Sums over `2 reach + 1` neighbours, zeros outside, as differences of one running sum.

    A running sum is a chain of additions, each waiting for the one before. Four quarters of the row run side by side.

    Args:
        columns: `W` float64.
        reach: Neighbours to each side.
        running: `W + 2 reach + 1` float64, room to work in.
        sums: `W` float64, the result.
    """
    width, begin = len(columns), reach + 1
    quarter = (width + 3) // 4
    cuts = (0, min(quarter, width), min(2 * quarter, width), min(3 * quarter, width), width)
    body = running[begin : begin + width]
    first, second = columns[: cuts[1]], columns[cuts[1] : cuts[2]]
    third, fourth = columns[cuts[2] : cuts[3]], columns[cuts[3] :]
    to_first, to_second = body[: cuts[1]], body[cuts[1] : cuts[2]]
    to_third, to_fourth = body[cuts[2] : cuts[3]], body[cuts[3] :]
    a = b = c = d = 0.0
    together = len(fourth)
    for x in range(together):
        a += first[x]
        b += second[x]
        c += third[x]
        d += fourth[x]
        to_first[x] = a
        to_second[x] = b
        to_third[x] = c
        to_fourth[x] = d
    for x in range(together, len(first)):
        a += first[x]
        to_first[x] = a
    for x in range(together, len(second)):
        b += second[x]
        to_second[x] = b
    for x in range(together, len(third)):
        c += third[x]
        to_third[x] = c
    _raise(to_second, a)
    _raise(to_third, a + b)
    _raise(to_fourth, a + b + c)
    running[:begin] = 0.0
    running[begin + width :] = a + b + c + d
    ahead = running[2 * reach + 1 :]
    for x in range(width):
        sums[x] = ahead[x] - running[x]


@njit(nogil=True, cache=True, fastmath=FAST, error_model="numpy")
def _raise(values: Any, amount: float) -> None:
    for x in range(len(values)):
        values[x] += amount


@njit(nogil=True, cache=True, fastmath=FAST, error_model="numpy")
def _weigh(share: Any, rows: int, weight: Any) -> None:
    """One over the number of pixels in the window around each pixel of a row."""
    for x in range(len(share)):
        weight[x] = share[x] / rows


@njit(nogil=True, cache=True, fastmath=FAST, error_model="numpy")
def _narrow(sums: Any, weight: Any, folded: Any) -> None:
    """Means of windows as float32, folded."""
    for x in range(len(sums)):
        mean = sums[x] * weight[x]
        folded[x] = _F(mean if mean <= 0.5 else mean - 1.0)


@njit(nogil=True, cache=True, fastmath=FAST, error_model="numpy")
def _add_entropies(score: Any, folded: Any, activation: int) -> None:
    """Add the entropies of two maps' means.

    Each loop keeps to one type: beside float64 the compiler makes vectors of float32 half as long.
    """
    first, second = folded[0], folded[1]
    if activation == SIGMOID:
        for x in range(len(score)):
            first[x] = minor_entropy(abs(first[x])) + minor_entropy(abs(second[x]))
    else:
        for x in range(len(score)):
            first[x] = folded_surprise(first[x]) + folded_surprise(second[x])
    for x in range(len(score)):
        score[x] += np.float64(first[x])


@njit(nogil=True, cache=True, fastmath=FAST, error_model="numpy")
def _take_off(score: Any, entropies: Any, weight: Any) -> None:
    """Take off the mean entropy; rounding may leave a trace below zero, which is zero."""
    for x in range(len(score)):
        score[x] = max(score[x] - entropies[x] * weight[x], 0.0)


@njit(nogil=True, cache=True, error_model="numpy")
def _reduce(best: Any, maxima: Any, tiles: Any) -> None:
    """Close a row of regions: the highest of each region's columns."""
    for tile in range(len(maxima)):
        begin, end = tile * tiles[0] - tiles[1], (tile + 1) * tiles[0] - tiles[1]
        for x in range(max(0, begin), min(end, len(best))):
            maxima[tile] = max(maxima[tile], best[x])
