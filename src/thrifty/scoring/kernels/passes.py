"""Measures of doubt over one or several passes, in one sweep over the image, no full-size map stored."""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit

from thrifty.scoring.kernels.elementary import (
    FAST,
    folded_surprise,
    minor_entropy,
    sigmoid_with_entropy,
)
from thrifty.scoring.kernels.sweep import (
    LOGITS,
    SIGMOID,
    SOFTMAX,
    column_taps,
    entropy_rows,
    read_row,
    rounder,
    settle_row,
    unfolded,
    widen_level,
)

_F = np.float32

ENTROPY, MARGIN, BALD, VARIATION_RATIO, MEAN_DEVIATION, DISAGREEMENT = range(6)


@njit(nogil=True, cache=True, fastmath=FAST, error_model="numpy")
def sweep_passes(
    values: Any,
    layout: Any,
    mode: Any,
    measure: int,
    size: Any,
    rows: Any,
    tiles: Any,
    found: Any,
    pixels: Any,
) -> None:
    """Measure a band of rows of one image.

    Args:
        values: `P x V` float32: per pass the levels of the image, one after the other, each `C x h x w`.
        layout: As `sweep.sweep_band`.
        mode: Activation and kind of the maps.
        measure: One of the constants of this module.
        size: Height and width of the image.
        rows: First row of the band, and the row after its last; both at borders of regions or of the image.
        tiles: As `sweep.sweep_band`.
        found: As `sweep.sweep_band`.
        pixels: As `sweep.sweep_band`.
    """
    width = size[1]
    passes, shapes = len(values), layout[1]
    count = shapes[:, 0].sum()
    rounders = (rounder(1), rounder(count))
    taps, steps = column_taps(layout, width)
    wide = np.empty((passes, 2, count, width), dtype=np.float32)
    held = np.full((passes, len(shapes), 2), -1, dtype=np.int64)
    entering = np.zeros((count + entropy_rows(count), width), dtype=np.float32)
    means = np.empty((count + 1, width), dtype=np.float64)
    squares = np.empty((count, width), dtype=np.float64)
    score = np.empty(width, dtype=np.float64)
    best = np.zeros(width, dtype=np.float32)
    total = np.zeros(width, dtype=np.float64)
    plain = mode[0] == SIGMOID and mode[1] == LOGITS and measure != MEAN_DEVIATION
    for row in range(rows[0], rows[1]):
        means[:] = 0.0
        squares[:] = 0.0
        if plain:
            _add_passes(values, layout, row, taps, steps, wide, held, means)
        else:
            for one in range(passes):
                read_row(
                    values[one],
                    layout,
                    mode,
                    row,
                    taps,
                    steps,
                    wide[one],
                    held[one],
                    rounders,
                    entering,
                )
                _add_row(entering, means, squares)
        means /= passes
        squares /= passes
        score[:] = 0.0
        _measure_row(score, means, squares, shapes, measure, mode[0])
        settle_row(row, rows[1], score, best, total, tiles, found, pixels)


@njit(nogil=True, cache=True, fastmath=FAST, error_model="numpy")
def _add_passes(
    values: Any, layout: Any, row: int, taps: Any, steps: Any, wide: Any, held: Any, sums: Any
) -> None:
    """Add all passes' probabilities and, last, their entropies: the common case, without a stop in between."""
    shapes = layout[1]
    passes = len(values)
    entropies = sums[len(sums) - 1]
    width = sums.shape[1]
    # Separate arrays: the compiler must see that they do not overlap.
    room = (
        np.empty(width, dtype=np.float32),
        np.empty(width, dtype=np.float32),
        np.empty(width, dtype=np.float32),
    )
    index = 0
    for level in range(len(shapes)):
        step, side = _F(0.0), 0
        for one in range(passes):
            # All passes have the same levels, so what they return is the same too.
            step, side = widen_level(
                values[one], layout, level, index, row, taps, steps, wide[one], held[one]
            )
        for _ in range(shapes[level, 0]):
            # Three passes at a time: a third of the reading and writing of sums.
            for one in range(0, passes - 2, 3):
                a, b, c = wide[one], wide[one + 1], wide[one + 2]
                above = (a[side, index], b[side, index], c[side, index])
                below = (a[1 - side, index], b[1 - side, index], c[1 - side, index])
                _squash_three(above, below, step, room)
                _add_room(room, sums[index], entropies)
            for one in range(passes - passes % 3, passes):
                a = wide[one]
                _squash_one(a[side, index], a[1 - side, index], step, room)
                _add_room(room, sums[index], entropies)
            index += 1


@njit(nogil=True, cache=True, fastmath=FAST, error_model="numpy")
def _squash_one(above: Any, below: Any, step: Any, room: Any) -> None:
    likely, folded, entropy = room
    rest = _F(1.0) - step
    for x in range(len(folded)):
        folded[x], entropy[x] = _squash(above[x] * rest + below[x] * step)
        likely[x] = _likely(folded[x])


@njit(nogil=True, cache=True, fastmath=FAST, error_model="numpy")
def _squash_three(above: Any, below: Any, step: Any, room: Any) -> None:
    """Sums over three passes, in float32 alone: beside float64 the compiler makes vectors half as long."""
    likely, folded, entropy = room
    a, b, c = above
    d, e, f = below
    rest = _F(1.0) - step
    for x in range(len(folded)):
        first, one = _squash(a[x] * rest + d[x] * step)
        second, two = _squash(b[x] * rest + e[x] * step)
        third, three = _squash(c[x] * rest + f[x] * step)
        likely[x] = _likely(first) + _likely(second) + _likely(third)
        folded[x] = first + second + third
        entropy[x] = one + two + three


@njit(nogil=True, cache=True, fastmath=FAST, error_model="numpy")
def _add_room(room: Any, sums: Any, entropies: Any) -> None:
    likely, folded, entropy = room
    for x in range(len(sums)):
        sums[x] += np.float64(likely[x]) + np.float64(folded[x])
        entropies[x] += np.float64(entropy[x])


@njit(nogil=True, cache=True, fastmath=FAST, error_model="numpy")
def _squash(logit: Any) -> Any:
    """A logit's probability, as its distance from 0 or (negative) from 1, and its entropy."""
    minor, entropy = sigmoid_with_entropy(logit)
    return (-minor if logit > _F(0.0) else minor), entropy


@njit(nogil=True, cache=True, fastmath=FAST, error_model="numpy")
def _likely(folded: Any) -> Any:
    return _F(1.0) if folded < _F(0.0) else _F(0.0)


@njit(nogil=True, cache=True, fastmath=FAST, error_model="numpy")
def _measure_row(
    score: Any, means: Any, squares: Any, shapes: Any, measure: int, activation: int
) -> None:
    """From the means over passes of probabilities, their squares and, last, their entropies, to scores."""
    if measure == ENTROPY:
        score[:] = means[len(squares)]
        return
    if measure == DISAGREEMENT:
        _disagree(score, means, shapes)
        return
    index = 0
    for level in range(len(shapes)):
        members = slice(index, index + shapes[level, 0])
        _measure_level(score, means[members], squares[members], measure, activation)
        index += shapes[level, 0]
    if measure == BALD:
        entropies = means[len(squares)]
        for x in range(len(score)):
            score[x] = max(score[x] - entropies[x], 0.0)


@njit(nogil=True, cache=True, fastmath=FAST, error_model="numpy")
def _add_row(row: Any, sums: Any, squares: Any) -> None:
    """Add a pass's folded probabilities, their squares and, last, its entropies."""
    for index in range(len(squares)):
        for x in range(row.shape[1]):
            value = unfolded(row[index, x])
            sums[index, x] += value
            squares[index, x] += value * value
    count = len(squares)
    for last in range(count, len(row)):
        for x in range(row.shape[1]):
            sums[count, x] += np.float64(row[last, x])


@njit(nogil=True, cache=True, fastmath=FAST, error_model="numpy")
def _measure_level(score: Any, means: Any, squares: Any, measure: int, activation: int) -> None:
    if measure == BALD:
        _add_entropy_of_mean(score, means, activation)
    elif measure == MEAN_DEVIATION:
        _add_deviation(score, means, squares)
    elif activation == SOFTMAX:
        _add_rank(score, means, measure)
    else:
        _add_minor(score, means, 2.0 if measure == MARGIN else 1.0)


@njit(nogil=True, cache=True, fastmath=FAST, error_model="numpy")
def _add_entropy_of_mean(score: Any, means: Any, activation: int) -> None:
    for c in range(len(means)):
        if activation == SOFTMAX:
            for x in range(len(score)):
                mean = means[c, x]
                score[x] += np.float64(folded_surprise(_F(mean if mean <= 0.5 else mean - 1.0)))
        else:
            for x in range(len(score)):
                mean = means[c, x]
                score[x] += np.float64(minor_entropy(_F(min(mean, 1.0 - mean))))


@njit(nogil=True, cache=True, fastmath=FAST, error_model="numpy")
def _add_deviation(score: Any, means: Any, squares: Any) -> None:
    for c in range(len(means)):
        for x in range(len(score)):
            variance = max(squares[c, x] - means[c, x] * means[c, x], 0.0)
            score[x] += np.sqrt(variance) / len(means)


@njit(nogil=True, cache=True, fastmath=FAST, error_model="numpy")
def _add_minor(score: Any, means: Any, scale: float) -> None:
    for c in range(len(means)):
        for x in range(len(score)):
            score[x] += scale * min(means[c, x], 1.0 - means[c, x])


@njit(nogil=True, cache=True, fastmath=FAST, error_model="numpy")
def _add_rank(score: Any, means: Any, measure: int) -> None:
    """One minus the likeliest class's probability, or minus its lead over the second."""
    for x in range(len(score)):
        first = second = 0.0
        for c in range(len(means)):
            value = means[c, x]
            second = max(second, min(first, value))
            first = max(first, value)
        if measure == MARGIN:
            score[x] += 1.0 - (first - second)
        else:
            score[x] += 1.0 - first


@njit(nogil=True, cache=True, fastmath=FAST, error_model="numpy")
def _disagree(score: Any, means: Any, shapes: Any) -> None:
    """Highest minus lowest probability over the levels, summed over classes."""
    classes = shapes[0, 0]
    for c in range(classes):
        for x in range(len(score)):
            highest = lowest = means[c, x]
            for level in range(1, len(shapes)):
                value = means[level * classes + c, x]
                highest = max(highest, value)
                lowest = min(lowest, value)
            score[x] += highest - lowest
