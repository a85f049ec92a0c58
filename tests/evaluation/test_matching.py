import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from thrifty.evaluation.matching import match
from thrifty.types import Annotations, Detections


def truth(boxes: list[list[float]], ignore: list[bool] | None = None) -> Annotations:
    return Annotations(
        np.array(boxes, dtype=float), ignore=np.array(ignore or [False] * len(boxes), dtype=bool)
    )


def found(boxes: list[list[float]], scores: list[float]) -> Detections:
    return Detections(np.array(boxes, dtype=float), np.array(scores))


def overlap(a: list[float], b: list[float]) -> tuple[float, float]:
    """IoU, and share of `a` inside `b`."""
    width = max(0.0, min(a[2], b[2]) - max(a[0], b[0]))
    height = max(0.0, min(a[3], b[3]) - max(a[1], b[1]))
    area_a, area_b = (a[2] - a[0]) * (a[3] - a[1]), (b[2] - b[0]) * (b[3] - b[1])
    return width * height / (area_a + area_b - width * height), width * height / area_a


def loop_match(
    detections: Detections, drawn: Annotations, threshold: float
) -> list[tuple[float, bool]]:
    """The benchmark's rule, one comparison at a time."""
    taken: set[int] = set()
    result = []
    for index in sorted(range(len(detections)), key=lambda i: (-detections.scores[i], i)):
        best, best_iou = -1, threshold
        for other in range(len(drawn)):
            iou = overlap(detections.boxes[index].tolist(), drawn.boxes[other].tolist())[0]
            if (
                not drawn.ignore[other]
                and other not in taken
                and (iou > best_iou or (best < 0 and iou >= threshold))
            ):
                best, best_iou = other, iou
        if best >= 0:
            taken.add(best)
            result.append((float(detections.scores[index]), True))
            continue
        inside = [
            overlap(detections.boxes[index].tolist(), box.tolist())[1] >= threshold
            for box, ignored in zip(drawn.boxes, drawn.ignore, strict=True)
            if ignored
        ]
        if not any(inside):
            result.append((float(detections.scores[index]), False))
    return result


_corner = st.integers(0, 12)
_box = st.tuples(_corner, _corner, st.integers(1, 8), st.integers(1, 8)).map(
    lambda b: [float(b[0]), float(b[1]), float(b[0] + b[2]), float(b[1] + b[3])]
)


@settings(max_examples=500)
@given(
    st.lists(st.tuples(_box, st.sampled_from([0.1, 0.5, 0.9])), max_size=8),
    st.lists(st.tuples(_box, st.booleans()), max_size=6),
    st.sampled_from([0.3, 0.5]),
)
def test_equals_the_loop_written_reference(
    detections: list[tuple[list[float], float]],
    drawn: list[tuple[list[float], bool]],
    threshold: float,
) -> None:
    detected = found([box for box, _ in detections], [score for _, score in detections])
    labels = truth([box for box, _ in drawn], [ignored for _, ignored in drawn])
    result = match(detected, labels, threshold)
    assert list(zip(result.scores.tolist(), result.hits.tolist(), strict=True)) == loop_match(
        detected, labels, threshold
    )


def test_each_object_is_hit_once() -> None:
    result = match(found([[0, 0, 10, 10], [0, 0, 10, 9]], [0.9, 0.8]), truth([[0, 0, 10, 10]]))
    assert result.hits.tolist() == [True, False]


def test_an_ignore_region_swallows_any_number_but_no_hit() -> None:
    labels = truth([[0, 0, 10, 10], [0, 0, 100, 100]], [False, True])
    result = match(
        found([[50, 50, 60, 60], [52, 50, 62, 60], [0, 0, 10, 10]], [0.9, 0.8, 0.7]), labels
    )
    assert result.scores.tolist() == [0.7]
    assert result.hits.tolist() == [True]


def test_nothing_detected_and_nothing_there() -> None:
    assert match(found([], []), truth([[0, 0, 1, 1]])).objects == 1
    assert match(found([[0, 0, 1, 1]], [0.5]), truth([])).hits.tolist() == [False]
    assert match(found([], []), truth([])).objects == 0
