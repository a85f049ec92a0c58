"""Hand-computed, measure by measure."""

import math

import numpy as np
import pytest

from thrifty.scoring.box_scores import (
    class_weights,
    consistency,
    distributions,
    entropies,
    jensen_shannon,
    least_confident_class,
    margin,
    stability,
    tightness,
)
from thrifty.types import Detections

NOTHING = Detections(np.zeros((0, 4)), np.zeros(0), proposals=np.zeros((0, 4)))


def found(
    scores: list[float],
    boxes: list[list[float]] | None = None,
    classes: list[int] | None = None,
    probabilities: list[list[float]] | None = None,
    proposals: list[list[float]] | None = None,
) -> Detections:
    places = boxes or [[20.0 * k, 0, 20.0 * k + 10, 10] for k in range(len(scores))]
    return Detections(
        np.array(places),
        np.array(scores),
        np.array(classes or [0] * len(scores)),
        None if probabilities is None else np.array(probabilities),
        None if proposals is None else np.array(proposals),
    )


def test_distributions_add_up_to_one() -> None:
    rows = distributions(found([0.5, 0.9], probabilities=[[0.5, 0.2], [0.9, 0.6]]))
    assert rows.tolist() == [
        pytest.approx([0.5, 0.2, 0.3]),
        pytest.approx([0.6, 0.4, 0.0]),
    ]


def test_margin() -> None:
    detections = found([0.9, 0.6])
    # Leads of 0.8 and 0.2, from one, squared.
    assert margin(detections, "sum") == pytest.approx(0.04 + 0.64)
    assert margin(detections, "mean") == pytest.approx(0.34)
    assert margin(detections, "max") == pytest.approx(0.64)
    several = found([0.5, 0.5], classes=[0, 1], probabilities=[[0.5, 0.3], [0.1, 0.5]])
    # Answers 0.5, 0.3, 0.2 and 0.1, 0.5, 0.4: margins 0.2 and 0.1.
    assert margin(several, "sum") == pytest.approx(0.64 + 0.81)
    weights = class_weights([9, 0])
    assert weights.tolist() == pytest.approx([1.1, 11.0])
    assert margin(several, "sum", weights) == pytest.approx(0.64 * 1.1 + 0.81 * 11)
    assert margin(NOTHING, "max") == 0.0


def test_tightness() -> None:
    box = [0.0, 0.0, 10.0, 10.0]
    # The same place and sure: |1 + 0.9 - 1| = 0.9. Half the place and sure: |0.5 + 0.9 - 1| = 0.4.
    alike = found([0.9], [box], proposals=[box])
    assert tightness(alike) == pytest.approx(0.1)
    loose = found([0.9, 0.9], [box, box], proposals=[box, [0.0, 0.0, 10.0, 5.0]])
    assert tightness(loose) == pytest.approx(0.6)
    alone = found([0.9], [box], proposals=[[5, 5, 5, 5]])
    assert tightness(alone) == pytest.approx(0.9)
    assert tightness(NOTHING) == 0.0
    with pytest.raises(ValueError, match="proposals"):
        tightness(found([0.5]))


def test_stability() -> None:
    boxes = [[0.0, 0.0, 10.0, 10.0], [20.0, 0.0, 30.0, 10.0]]
    detections = found([0.8, 0.4], boxes)
    same = found([0.8, 0.4], boxes)
    half = found([0.8], [[0.0, 0.0, 10.0, 5.0]])
    # The first box: (1 + 0.5) / 2, the second: (1 + 0) / 2; weighted by 0.8 and 0.4.
    stable = (0.8 * 0.75 + 0.4 * 0.5) / 1.2
    assert stability(detections, [same, half]) == pytest.approx(0.6 - stable)
    assert stability(detections, [same]) == pytest.approx(0.6 - 1)
    assert stability(detections, [NOTHING]) == pytest.approx(0.6)
    assert stability(NOTHING, [same]) == -1.0


def test_black_box() -> None:
    detections = found([0.9, 0.3, 0.6], classes=[0, 0, 1])
    assert least_confident_class(detections) == pytest.approx(0.4)
    assert least_confident_class(NOTHING) == 0.0
    one, other = (-p * math.log(p) - (1 - p) * math.log(1 - p) for p in (0.9, 0.5))
    assert entropies(found([0.9, 0.5]), "sum") == pytest.approx(one + other)
    assert entropies(found([0.9, 0.5]), "max") == pytest.approx(math.log(2))
    assert entropies(found([1.0]), "sum") == 0.0
    assert entropies(NOTHING, "sum") == 0.0


def test_consistency() -> None:
    box = [0.0, 0.0, 10.0, 10.0]
    # Unchanged: IoU 1, no divergence, m = 1 + (p + p) / 2.
    assert consistency(found([0.8], [box]), [found([0.8], [box])]) == pytest.approx(-0.5)
    # Half the box: m = 0.5 + 0.8 = 1.3, which is what teaches most.
    assert consistency(found([0.8], [box]), [found([0.8], [[0, 0, 10, 5]])]) == pytest.approx(0.0)
    two = [found([0.8], [box]), NOTHING]
    assert consistency(found([0.8], [box]), two) == pytest.approx(-(0.5 + 1.3) / 2)
    opposite = found([0.2], [box])
    divergence = jensen_shannon(np.array([[0.8, 0.2]]), np.array([[0.2, 0.8]]))[0]
    value = 1 + 0.5 * (1 - divergence) * (0.8 + 0.2)
    assert consistency(found([0.8], [box]), [opposite]) == pytest.approx(-abs(value - 1.3))
    assert consistency(NOTHING, [NOTHING]) == -1.3


def test_jensen_shannon_lies_between_0_and_1() -> None:
    rows = np.array([[1.0, 0.0], [0.5, 0.5]])
    assert jensen_shannon(rows, rows).tolist() == [0.0, 0.0]
    assert jensen_shannon(rows[:1], np.array([[0.0, 1.0]])).tolist() == [1.0]
