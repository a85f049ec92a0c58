"""Strategies that doubt boxes: frames of two or three boxes each, worked out by hand."""

import math
from collections.abc import Sequence

import numpy as np
import pytest

from tests.strategies.deciding import decide, taken
from thrifty.config import parse_recipe
from thrifty.scoring.box_scores import Aggregate
from thrifty.selection.closeness import Rules
from thrifty.strategies.box_doubt import Margin, Stability, Tightness
from thrifty.strategies.catalogue import make_strategies
from thrifty.strategies.scored import Pipeline, ScoredStrategy
from thrifty.strategies.strategy import Columns, Labelled
from thrifty.types import Detections, Need, Record
from thrifty.views import Boxes, NoisyBoxes, Proposals, Seen, View

PLAIN = Pipeline(np.ones(1), Rules(0, 0))
STILLS = [Record(name, f"{name}.png", 100, 100) for name in "abc"]
NOTHING = Detections(
    np.zeros((0, 4)), np.zeros(0), probabilities=np.zeros((0, 2)), proposals=np.zeros((0, 4))
)


def of_classes(*rows: Sequence[float]) -> Detections:
    """A box for every row of probabilities, of its likeliest class."""
    boxes = [[20.0 * place, 0, 20.0 * place + 10, 10] for place in range(len(rows))]
    kinds = [row.index(max(row)) for row in map(list, rows)]
    return Detections(
        np.array(boxes), np.array([max(row) for row in rows]), np.array(kinds), np.array(rows)
    )


def seen(view: View[object], *frames: Detections) -> Seen:
    return Seen({view: list(frames)}, len(frames), [(100, 100)] * len(frames))


# What is left over is the third answer. Margins of 0.2 and 0.1: a class 0 box of 0.8^2, a class 1 box of 0.9^2.
TWO_DOUBTED = of_classes([0.5, 0.3], [0.1, 0.5])
# Margins of 0.8, 0.2 and 0.6: class 0 boxes of 0.2^2 and 0.8^2, a class 1 box of 0.4^2.
THREE = of_classes([0.9, 0.0], [0.6, 0.4], [0.2, 0.8])
FRAMES = (TWO_DOUBTED, THREE, NOTHING)
# 9 labelled objects of class 0 and none of class 1: (9 + 2) / (9 + 1) and (9 + 2) / (0 + 1).
COUNTED = Labelled(instances=np.array([9, 0]))


@pytest.mark.parametrize(
    ("how", "expected"),
    [
        ("sum", [0.64 + 0.81, 0.04 + 0.64 + 0.16, 0.0]),
        ("mean", [0.725, 0.28, 0.0]),
        ("max", [0.81, 0.64, 0.0]),
    ],
)
def test_margins_where_all_classes_weigh_alike(how: Aggregate, expected: list[float]) -> None:
    strategy = Margin("margin", how, PLAIN)
    assert strategy.scores(seen(Boxes(), *FRAMES)).tolist() == pytest.approx(expected)
    # Without labels both classes weigh (0 + 2) / (0 + 1).
    observed = strategy.observe(seen(Boxes(), *FRAMES))
    decision = decide(strategy, STILLS, observed, 1)
    assert decision.scores.tolist() == pytest.approx([2 * value for value in expected])
    assert taken(decision, STILLS) == ["a"]


@pytest.mark.parametrize(
    ("how", "expected"),
    [
        ("sum", [0.64 * 1.1 + 0.81 * 11, 0.68 * 1.1 + 0.16 * 11, 0.0]),
        ("mean", [(0.64 * 1.1 + 0.81 * 11) / 2, (0.68 * 1.1 + 0.16 * 11) / 3, 0.0]),
        # Of the second frame the surer box, since its class is rare: 1.76 against 0.704.
        ("max", [0.81 * 11, 0.16 * 11, 0.0]),
    ],
)
def test_margins_of_rare_classes_weigh_more(how: Aggregate, expected: list[float]) -> None:
    strategy = Margin("margin", how, PLAIN)
    observed = strategy.observe(seen(Boxes(), *FRAMES))
    decision = decide(strategy, STILLS, observed, 1, COUNTED)
    assert decision.scores.tolist() == pytest.approx(expected)


def test_what_a_class_weighs_turns_the_choice() -> None:
    # 0.9^2 for class 0 against 0.8^2 for class 1.
    frames = [of_classes([0.5, 0.4]), of_classes([0.4, 0.6])]
    strategy = Margin("margin", "sum", PLAIN)
    observed = strategy.observe(seen(Boxes(), *frames))
    assert taken(decide(strategy, STILLS[:2], observed, 1), STILLS) == ["a"]
    assert taken(decide(strategy, STILLS[:2], observed, 1, COUNTED), STILLS) == ["b"]


def test_margins_are_observed_class_by_class_before_anything_weighs() -> None:
    observed = Margin("margin", "sum", PLAIN).observe(seen(Boxes(), *FRAMES))
    sums = [[0.64, 0.81], [0.68, 0.16], [0.0, 0.0]]
    np.testing.assert_allclose(np.asarray(observed["by_class"], np.float64), sums)
    assert observed["boxes"].tolist() == [2, 3, 0]
    highest = Margin("margin", "max", PLAIN).observe(seen(Boxes(), *FRAMES))["by_class"]
    np.testing.assert_allclose(
        np.asarray(highest, np.float64), [[0.64, 0.81], [0.64, 0.16], [0.0, 0.0]]
    )


def test_a_detector_that_tells_no_probabilities_has_two_answers() -> None:
    # Margins of 0.8 and 0.2.
    boxes = np.array([[0.0, 0, 10, 10], [20, 0, 30, 10]])
    plain = Detections(boxes, np.array([0.9, 0.6]), np.array([0, 1]))
    empty = Detections(np.zeros((0, 4)), np.zeros(0))
    strategy = Margin("margin", "sum", PLAIN)
    observed = strategy.observe(seen(Boxes(), plain, empty))
    decision = decide(strategy, STILLS[:2], observed, 1, Labelled(instances=np.array([7])))
    # One class: (7 + 1) / (7 + 1).
    assert decision.scores.tolist() == pytest.approx([0.04 + 0.64, 0.0])


def test_a_class_that_is_labelled_and_that_the_detector_does_not_tell_counts_all_the_same() -> None:
    strategy = Margin("margin", "sum", PLAIN)
    observed = strategy.observe(seen(Boxes(), TWO_DOUBTED))
    labelled = Labelled(instances=np.array([5, 0, 4]))
    # (9 + 3) / (5 + 1) and (9 + 3) / (0 + 1).
    decision = decide(strategy, STILLS[:1], observed, 1, labelled)
    assert decision.scores.tolist() == pytest.approx([0.64 * 2 + 0.81 * 12])


BOX = [0.0, 0.0, 10.0, 10.0]
HALF = [0.0, 0.0, 10.0, 5.0]
NO_AREA = [5.0, 5.0, 5.0, 5.0]
ELSEWHERE = [50.0, 50.0, 60.0, 60.0]


def refined(scores: list[float], proposals: list[list[float]]) -> Detections:
    return Detections(
        np.array([BOX] * len(scores)), np.array(scores), proposals=np.array(proposals)
    )


def test_tightness_of_boxes_and_their_proposals() -> None:
    frames = [
        # |1 + 0.9 - 1| and |0.5 + 0.6 - 1|: the least is 0.1.
        refined([0.9, 0.6], [BOX, HALF]),
        # Sure of the class and not of the place: |0 + 0.9 - 1| = 0.1; |0 + 0.2 - 1| = 0.8; |1 + 0.7 - 1| = 0.7.
        refined([0.9, 0.2, 0.7], [ELSEWHERE, NO_AREA, BOX]),
        # Sure of both, and sure of neither: 0.8 and 0.7.
        refined([0.8, 0.3], [BOX, NO_AREA]),
        # Sure of the place and not of the class: |1 + 0 - 1| = 0.
        refined([0.0], [BOX]),
        NOTHING,
    ]
    strategy = Tightness("tightness", PLAIN)
    scores = strategy.scores(seen(Proposals(), *frames))
    # One less the least, since higher is always more worth labelling.
    assert scores.tolist() == pytest.approx([0.9, 0.9, 0.3, 1.0, 0.0])
    stills = [Record(f"{place}", f"{place}.png", 100, 100) for place in range(5)]
    assert taken(decide(strategy, stills, {"score": scores}, 2), stills)[0] == "3"


def test_the_surest_class_says_how_sure_a_box_is() -> None:
    rows = np.array([[0.1, 0.6]])
    several = Detections(np.array([BOX]), np.array([0.6]), np.array([1]), rows, np.array([HALF]))
    [score] = Tightness("tightness", PLAIN).scores(seen(Proposals(), several))
    assert score == pytest.approx(0.9)


def places(scores: list[float], *boxes: list[float]) -> Detections:
    return Detections(np.array(boxes).reshape(-1, 4), np.array(scores))


def test_stability_of_boxes_under_noise() -> None:
    other = [20.0, 0.0, 30.0, 10.0]
    quarter = [20.0, 0.0, 25.0, 5.0]
    clean = [places([0.8, 0.4], BOX, other), places([0.6], BOX), places([])]
    noise = NoisyBoxes((8.0, 16.0))
    levels = [
        # The first frame as it was; in the second the box is halved; where nothing was, noise finds something.
        [places([0.7, 0.3], other, BOX), places([0.9], HALF), places([0.9], BOX)],
        # Of the first frame half of one box and a quarter of the other; nothing in the second.
        [places([0.9, 0.9], HALF, quarter), places([]), places([])],
    ]
    answers: dict[View[object], object] = {Boxes(): clean, noise: levels}
    scores = Stability("stability", PLAIN, noise).scores(Seen(answers, 3, [(100, 100)] * 3))
    # S_B = (1 + 0.5) / 2 and (1 + 0.25) / 2, S_I their mean weighted by 0.8 and 0.4; the greatest doubt is 0.6.
    first = 0.6 - (0.8 * 0.75 + 0.4 * 0.625) / 1.2
    # S_B = (0.5 + 0) / 2; one box has the weight of all.
    second = 0.4 - 0.25
    assert scores.tolist() == pytest.approx([first, second, -1.0])


def test_stability_asks_for_six_levels_of_noise_as_the_paper_does() -> None:
    asked = {Boxes(), NoisyBoxes((8.0, 16.0, 24.0, 32.0, 40.0, 48.0))}
    assert Stability("stability", PLAIN).views == asked


def row(name: str) -> ScoredStrategy:
    text = f"""
name = "x"
start = {{annotations = "a"}}
pool = {{annotations = "b"}}
test = {{annotations = "c"}}
selection = {{budget = 1, cycles = 1, strategies = ["{name}"]}}
"""
    [strategy] = make_strategies(parse_recipe(text, "x"), frozenset(Need))
    assert isinstance(strategy, ScoredStrategy)
    return strategy


def observed_by(name: str, *frames: Detections) -> Columns:
    return row(name).observe(seen(Boxes(), *frames))


def h(p: float) -> float:
    return -p * math.log(p) - (1 - p) * math.log(1 - p)


def test_black_box_rows() -> None:
    first = Detections(
        np.array([BOX, HALF, ELSEWHERE]), np.array([0.9, 0.3, 0.6]), np.array([0, 0, 1])
    )
    second = Detections(np.array([BOX, HALF]), np.array([0.8, 0.5]), np.array([2, 2]))
    frames = first, second, Detections(np.zeros((0, 4)), np.zeros(0))
    # The surest boxes of the classes: 0.9 and 0.6; 0.8 alone. The least of them, from one.
    by_class = observed_by("black-box", *frames)["score"].tolist()
    assert by_class == pytest.approx([0.4, 0.2, 0.0])
    sums = observed_by("black-box-sum", *frames)["score"].tolist()
    assert sums == pytest.approx([h(0.9) + h(0.3) + h(0.6), h(0.8) + math.log(2), 0.0])
    highest = observed_by("black-box-max", *frames)["score"].tolist()
    assert highest == pytest.approx([h(0.6), math.log(2), 0.0])
    # So the first frame goes first by two of the rows, and the second by the third.
    for name, best in (("black-box", "a"), ("black-box-sum", "a"), ("black-box-max", "b")):
        observed = observed_by(name, *frames)
        assert taken(decide(row(name), STILLS, observed, 3), STILLS)[0] == best


def test_entropies_are_of_all_classes_and_of_none() -> None:
    # A half and two quarters: 1.5 bits; a half and a half: 1 bit.
    found = of_classes([0.5, 0.25], [0.5, 0.5])
    [total] = observed_by("black-box-sum", found)["score"].tolist()
    assert total == pytest.approx(2.5 * math.log(2))
    [highest] = observed_by("black-box-max", found)["score"].tolist()
    assert highest == pytest.approx(1.5 * math.log(2))


@pytest.mark.parametrize("name", ["margin-sum", "margin-mean", "margin-max"])
def test_margin_rows_are_named_by_what_they_make_of_boxes(name: str) -> None:
    strategy = row(name)
    expected = {"sum": 0.84, "mean": 0.28, "max": 0.64}[name.removeprefix("margin-")]
    assert strategy.scores(seen(Boxes(), THREE)).tolist() == pytest.approx([expected])


def test_frames_without_boxes_come_last() -> None:
    frames = NOTHING, of_classes([0.9, 0.05]), NOTHING
    strategy = Margin("margin", "mean", PLAIN)
    observed = strategy.observe(seen(Boxes(), *frames))
    # Of the other two the smaller id.
    assert taken(decide(strategy, STILLS, observed, 3), STILLS) == ["b", "a", "c"]


def test_a_frame_without_boxes_may_leave_out_the_classes() -> None:
    bare = Detections(np.zeros((0, 4)), np.zeros(0))
    strategy = Margin("margin", "sum", PLAIN)
    observed = strategy.observe(seen(Boxes(), bare, TWO_DOUBTED, bare))
    by_class = np.asarray(observed["by_class"], dtype=np.float64)
    assert by_class.ravel().tolist() == pytest.approx([0, 0, 0.64, 0.81, 0, 0])
    assert np.shape(strategy.observe(seen(Boxes(), bare))["by_class"]) == (1, 1)
