"""The paper's equations written out as loops in float64, to hold the fast forms against."""

import math

import numpy as np


def entropy(p: float) -> float:
    return -sum(q * math.log(q) for q in (p, 1 - p) if q > 0)


def window_mean(values: np.ndarray, row: int, column: int, radius: int) -> float:
    """Mean over the window around a pixel, over what lies inside the image."""
    total, count = 0.0, 0
    for i in range(row - radius, row + radius + 1):
        for j in range(column - radius, column + radius + 1):
            if 0 <= i < values.shape[0] and 0 <= j < values.shape[1]:
                total += float(values[i, j])
                count += 1
    return total / count


def pixel_scores(maps: np.ndarray, radius: int) -> np.ndarray:
    """Equations 1 to 4 for `K x H x W` probabilities."""
    _, height, width = maps.shape
    result = np.zeros((height, width))
    for level in maps:
        entropies = np.array([[entropy(float(p)) for p in row] for row in level])
        for row in range(height):
            for column in range(width):
                mean = min(1.0, max(0.0, window_mean(level, row, column, radius)))
                result[row, column] += entropy(mean) - window_mean(entropies, row, column, radius)
    return result


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
