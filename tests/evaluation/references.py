"""The protocols written as loops over single boxes, slowly and after their descriptions."""

import math

from thrifty.types import Annotations, Detections

Box = tuple[float, float, float, float]


def overlap(a: list[float], b: list[float]) -> tuple[float, float]:
    """IoU, and share of `a` inside `b`; 0 where the boxes do not touch."""
    width = min(a[2], b[2]) - max(a[0], b[0])
    height = min(a[3], b[3]) - max(a[1], b[1])
    if width <= 0 or height <= 0:
        return 0.0, 0.0
    area_a, area_b = (a[2] - a[0]) * (a[3] - a[1]), (b[2] - b[0]) * (b[3] - b[1])
    return width * height / (area_a + area_b - width * height), width * height / area_a


def match(detections: Detections, drawn: Annotations, threshold: float) -> list[tuple[float, bool]]:
    """Objects first, then regions; a later candidate replaces an earlier one of the same overlap."""
    order = [i for i in range(len(drawn)) if not drawn.ignore[i]]
    order += [i for i in range(len(drawn)) if drawn.ignore[i]]
    taken: set[int] = set()
    result = []
    for index in sorted(range(len(detections)), key=lambda i: (-detections.scores[i], i)):
        box = detections.boxes[index].tolist()
        best, kind = threshold, ""
        chosen = -1
        for other in order:
            if other in taken:
                continue
            ignored = bool(drawn.ignore[other])
            if kind == "object" and ignored:
                break
            value = overlap(box, drawn.boxes[other].tolist())[1 if ignored else 0]
            if value < best:
                continue
            best, chosen, kind = value, other, "region" if ignored else "object"
        if kind == "object":
            taken.add(chosen)
        if kind != "region":
            result.append((float(detections.scores[index]), kind == "object"))
    return result


def miss_rate(images: list[list[tuple[float, bool]]], objects: int, fppi: float) -> float:
    """Miss rate at the last detection with no more false positives per image."""
    every = [entry for image in images for entry in image]
    every.sort(key=lambda entry: -entry[0])
    hits = false = 0
    found = 0
    for _, hit in every:
        hits, false = hits + hit, false + (not hit)
        if false / len(images) <= fppi:
            found = hits
    return 1 - found / objects


def log_average(images: list[list[tuple[float, bool]]], objects: int) -> float:
    """Over nine points from 0.01 to 1."""
    points = [10 ** (-2 + 0.25 * step) for step in range(9)]
    rates = [max(1e-10, miss_rate(images, objects, point)) for point in points]
    return math.exp(sum(map(math.log, rates)) / 9)
