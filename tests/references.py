"""The paper's equations written out as loops in float64, to hold the fast forms against.

The loops are compiled, plainly and without shortcuts, only so that whole frames can be compared.
"""

import math
from typing import Any

import numpy as np
from numba import njit

from thrifty.maps import Activation, ClassMaps, MapKind


@njit
def entropy(p: float) -> Any:
    """Equation 3."""
    total = 0.0
    for q in (p, 1 - p):
        if q > 0:
            total -= q * math.log(q)
    return total


@njit
def categorical_entropy(shares: np.ndarray) -> Any:
    total = 0.0
    for p in shares:
        if p > 0:
            total -= p * math.log(p)
    return total


@njit
def window_mean(values: np.ndarray, row: int, column: int, radius: int) -> float:
    """Mean over the window around a pixel, over what lies inside the image."""
    total, count = 0.0, 0
    for i in range(max(0, row - radius), min(values.shape[0], row + radius + 1)):
        for j in range(max(0, column - radius), min(values.shape[1], column + radius + 1)):
            total += values[i, j]
            count += 1
    return total / count


@njit
def place_entropy(shares: np.ndarray, softmaxed: bool) -> Any:
    """Entropy of what all classes say at one place."""
    if softmaxed:
        return categorical_entropy(shares)
    total = 0.0
    for p in shares:
        total += entropy(p)
    return total


@njit
def level_scores(level: np.ndarray, radius: int, softmaxed: bool) -> np.ndarray:
    """Equations 1 and 2 for the `C x H x W` probabilities of one level."""
    classes, height, width = level.shape
    entropies = np.zeros((height, width))
    for row in range(height):
        for column in range(width):
            entropies[row, column] = place_entropy(level[:, row, column], softmaxed)
    result = np.zeros((height, width))
    means = np.zeros(classes)
    for row in range(height):
        for column in range(width):
            for c in range(classes):
                means[c] = min(1.0, max(0.0, window_mean(level[c], row, column, radius)))
            of_mean = place_entropy(means, softmaxed)
            result[row, column] = of_mean - window_mean(entropies, row, column, radius)
    return result


def pixel_scores(maps: np.ndarray, radius: int) -> Any:
    """Equations 1 to 4 for `K x H x W` probabilities of one class."""
    return sum(level_scores(level[None].astype(np.float64), radius, False) for level in maps)


@njit
def interpolate(
    level: np.ndarray,
    height: int,
    width: int,
    span: tuple[float, float],
    origin: tuple[float, float],
) -> Any:
    """Bilinear values of an `h x w` map at the pixel centres of an image, edges aligned, nearest beyond the centres."""
    rows, columns = level.shape
    result = np.zeros((height, width))
    for y in range(height):
        at_y = min(max((y + 0.5 - origin[0]) * rows / span[0] - 0.5, 0.0), rows - 1.0)
        y0 = math.floor(at_y)
        y1, ty = min(y0 + 1, rows - 1), at_y - y0
        for x in range(width):
            at_x = min(max((x + 0.5 - origin[1]) * columns / span[1] - 0.5, 0.0), columns - 1.0)
            x0 = math.floor(at_x)
            x1, tx = min(x0 + 1, columns - 1), at_x - x0
            above = level[y0, x0] * (1 - tx) + level[y0, x1] * tx
            below = level[y1, x0] * (1 - tx) + level[y1, x1] * tx
            result[y, x] = above * (1 - ty) + below * ty
    return result


@njit
def squash(logits: np.ndarray, softmaxed: bool) -> np.ndarray:
    """Probabilities of `C x H x W` logits."""
    classes, height, width = logits.shape
    result = np.zeros_like(logits)
    for y in range(height):
        for x in range(width):
            if softmaxed:
                highest = logits[:, y, x].max()
                total = 0.0
                for c in range(classes):
                    total += math.exp(logits[c, y, x] - highest)
                for c in range(classes):
                    result[c, y, x] = math.exp(logits[c, y, x] - highest) / total
            else:
                for c in range(classes):
                    value = logits[c, y, x]
                    e = math.exp(-abs(value))
                    result[c, y, x] = 1 / (1 + e) if value >= 0 else e / (1 + e)
    return result


def dense(maps: ClassMaps, image: int) -> list[np.ndarray]:
    """Per level, the probabilities `C x H x W` of one image."""
    result = []
    for level, span, origin in zip(maps.levels, maps.spans, maps.origins, strict=True):
        wide = np.stack(
            [
                interpolate(channel, maps.height, maps.width, span, origin)
                for channel in level[image].double().numpy()
            ]
        )
        softmaxed = maps.activation is Activation.SOFTMAX
        result.append(squash(wide, softmaxed) if maps.kind is MapKind.LOGITS else wide)
    return result


def map_scores(maps: ClassMaps, image: int, radius: int) -> Any:
    """Equations 1 to 4 for one image of a batch of class maps."""
    softmaxed = maps.activation is Activation.SOFTMAX
    return sum(level_scores(level, radius, softmaxed) for level in dense(maps, image))


def frame_score(scores: np.ndarray, size: int, lead: int = 0) -> float:
    """Equation 5; the first row and column of regions are shorter by `lead`."""
    height, width = scores.shape
    rows, columns = math.ceil(height / size), math.ceil(width / size)
    maxima = []
    for row in range(rows):
        for column in range(columns):
            top, left = row * size - lead, column * size - lead
            region = scores[max(0, top) : top + size, max(0, left) : left + size]
            maxima.append(region.max())
    return float(np.mean(maxima))


def smooth(
    scores: list[float], videos: list[str | None], places: list[int], weights: list[float]
) -> list[float]:
    """Equation 6 over the frames that there are."""
    reach = len(weights) // 2
    result = []
    for video, place, own in zip(videos, places, scores, strict=True):
        total = norm = 0.0
        for other_video, other_place, score in zip(videos, places, scores, strict=True):
            if video is not None and other_video == video and abs(other_place - place) <= reach:
                weight = weights[other_place - place + reach]
                total, norm = total + weight * score, norm + weight
        result.append(total / norm if video is not None else own)
    return result
