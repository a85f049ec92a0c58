import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from thrifty import boxes

_box = st.tuples(*[st.integers(-20, 20)] * 2, *[st.integers(0, 20)] * 2)
_boxes = st.lists(_box, max_size=6).map(lambda rows: np.array(rows, dtype=float).reshape(-1, 4))


@given(_boxes, _boxes)
def test_iou_and_cover_count_shared_pixels(first: np.ndarray, second: np.ndarray) -> None:
    def pixels(box: np.ndarray) -> set[tuple[int, int]]:
        return {
            (x, y) for x in range(int(box[0]), int(box[2])) for y in range(int(box[1]), int(box[3]))
        }

    a, b = boxes.from_xywh(first), boxes.from_xywh(second)
    ious, covers = boxes.iou(a, b), boxes.cover(a, b)
    for i, one in enumerate(a):
        for j, other in enumerate(b):
            shared, union = pixels(one) & pixels(other), pixels(one) | pixels(other)
            assert ious[i, j] == (len(shared) / len(union) if union else 0)
            assert covers[i, j] == (len(shared) / len(pixels(one)) if pixels(one) else 0)


@given(
    st.lists(
        st.tuples(
            st.integers(0, 6),
            st.integers(0, 6),
            st.integers(1, 5),
            st.sampled_from([0.2, 0.5, 0.9]),
            st.integers(0, 1),
        ),
        max_size=12,
    ),
    st.sampled_from([0.0, 0.3, 0.5]),
)
def test_suppression_equals_loops(
    drawn: list[tuple[int, int, int, float, int]], overlap: float
) -> None:
    drawn_boxes = np.array(
        [[x, y, x + side, y + side] for x, y, side, *_ in drawn], np.float64
    ).reshape(-1, 4)
    scores = np.array([score for *_, score, _ in drawn], np.float64)
    classes = np.array([kind for *_, kind in drawn], np.int64)
    wanted: list[int] = []
    for index in sorted(range(len(drawn)), key=lambda place: (-scores[place], place)):
        same = [other for other in wanted if classes[other] == classes[index]]
        if all(
            boxes.iou(drawn_boxes[[index]], drawn_boxes[[other]])[0, 0] <= overlap for other in same
        ):
            wanted.append(index)
    assert boxes.suppressed(drawn_boxes, scores, classes, overlap).tolist() == wanted
