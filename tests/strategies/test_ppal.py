"""PPAL: difficulty, uncertainty, likeness and the choice of frames that stand for others, worked out by hand."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pytest
import torch

from tests.strategies.deciding import decide, taken
from thrifty.scoring.object_features import MOST, Objects
from thrifty.strategies.ppal import Ppal, class_weights, difficulty, likeness, medoids
from thrifty.strategies.strategy import Columns, Labelled
from thrifty.types import Annotations, Detections, FloatArray, Record
from thrifty.views import Boxes, Features, Seen, View

LEFT, MIDDLE, RIGHT = [0.0, 0.0, 10.0, 10.0], [20.0, 0.0, 30.0, 10.0], [40.0, 0.0, 50.0, 10.0]
HALF_LEFT = [0.0, 0.0, 10.0, 5.0]


def found(
    boxes: list[list[float]], kinds: list[int], rows: Sequence[Sequence[float]]
) -> Detections:
    probabilities = np.array(rows, dtype=np.float64).reshape(len(boxes), -1)
    scores = [float(row[kind]) for row, kind in zip(probabilities, kinds, strict=True)]
    return Detections(np.array(boxes), np.array(scores), np.array(kinds), probabilities)


NOTHING = Detections(np.zeros((0, 4)), np.zeros(0), probabilities=np.zeros((0, 2)))


def test_an_object_is_as_hard_as_its_best_box_of_its_class_is_bad() -> None:
    detections = found(
        [HALF_LEFT, LEFT, MIDDLE],
        # The second box lies well and is of another class.
        [0, 1, 1],
        [[0.8, 0.1], [0.1, 0.9], [0.2, 0.5]],
    )
    drawn = Annotations(
        np.array([LEFT, RIGHT, MIDDLE, RIGHT]),
        np.array([0, 0, 1, 1]),
        # Regions to ignore are no objects.
        np.array([False, True, False, False]),
    )
    sums, counts = difficulty(detections, drawn, 2)
    # P = 0.8, IoU = 0.5; then P = 0.5, IoU = 1; then an object that nothing overlaps.
    assert sums.tolist() == pytest.approx([1 - 0.8**0.6 * 0.5**0.4, (1 - 0.5**0.6) + 1.0])
    assert counts.tolist() == [1, 2]


def test_where_nothing_is_found_or_drawn() -> None:
    drawn = Annotations(np.array([LEFT, MIDDLE]), np.array([1, 1]))
    sums, counts = difficulty(NOTHING, drawn, 2)
    assert (sums.tolist(), counts.tolist()) == ([0.0, 2.0], [0.0, 2.0])
    sums, counts = difficulty(found([LEFT], [0], [[0.9, 0.0]]), Annotations(np.zeros((0, 4))), 2)
    assert (sums.tolist(), counts.tolist()) == ([0.0, 0.0], [0.0, 0.0])


def test_p_is_the_probability_of_the_object_s_own_class() -> None:
    # A box of each class at one place: the detector holds the object of class 1 rather for one of class 0.
    rows = [[0.6, 0.3], [0.6, 0.3]]
    detections = found([LEFT, LEFT], [0, 1], rows)
    sums, _ = difficulty(detections, Annotations(np.array([LEFT]), np.array([1])), 2)
    assert sums.tolist() == pytest.approx([0.0, 1 - 0.3**0.6])


def test_hard_classes_weigh_more() -> None:
    gamma = math.exp(1 / 0.3) - 1
    weights = class_weights(np.array([0.0, 1.0, 4.0, 0.0]), np.array([3.0, 2.0, 4.0, 0.0]))
    # d is 0, a half and 1; of the last class nothing is labelled.
    half = 1 + 0.3 * 0.2 * math.log(1 + gamma / 2)
    assert weights.tolist() == pytest.approx([1.0, half, 1.2, 1.0])


@dataclass(frozen=True, slots=True)
class Thing:
    """An object: its features have length one."""

    kind: int
    features: tuple[float, float]
    score: float = 1.0
    entropy: float = 0.5


def at(degrees: float, entropy: float = 0.5, kind: int = 0) -> Thing:
    angle = math.radians(degrees)
    return Thing(kind, (math.cos(angle), math.sin(angle)), 1.0, entropy)


def objects(*frames: Sequence[Thing]) -> Objects:
    made = Objects(
        np.zeros((len(frames), MOST, 2), dtype=np.float32),
        np.full((len(frames), MOST), -1, dtype=np.int64),
        np.zeros((len(frames), MOST)),
        np.zeros((len(frames), MOST)),
    )
    for number, things in enumerate(frames):
        for place, thing in enumerate(things):
            made.features[number, place] = thing.features
            made.classes[number, place] = thing.kind
            made.scores[number, place] = thing.score
            made.entropies[number, place] = thing.entropy
    return made


def test_frames_are_as_alike_as_their_objects_of_one_class() -> None:
    first = [Thing(0, (1, 0), 0.8), Thing(1, (0, 1), 0.4)]
    second = [Thing(0, (0.6, 0.8), 0.5), Thing(0, (0, 1), 0.5)]
    alike = likeness(objects(first, second, []))
    # From the first: its class 0 object is most like the first of the second frame, by 0.6; for the other there is
    # none, though the features of one are the same. From the second: 0.6, and 0 for the upright one.
    there = (0.8 * 0.6 + 0.4 * 0.0) / 1.2
    back = (0.5 * 0.6 + 0.5 * 0.0) / 1.0
    both = (there + back) / 2
    expected = [[1.0, both, 0.0], [both, 1.0, 0.0], [0.0, 0.0, 0.0]]
    np.testing.assert_allclose(alike, expected, atol=1e-6)


def test_surer_objects_say_more_about_likeness() -> None:
    alike = likeness(objects([Thing(0, (1, 0), 0.9), Thing(0, (0, 1), 0.1)], [Thing(0, (1, 0))]))
    # There: 0.9 of the weight finds its like, 0.1 nothing. Back: the only object finds its like.
    assert float(alike[0, 1]) == pytest.approx((0.9 + 1.0) / 2, abs=1e-6)


def test_opposite_objects_make_frames_opposite() -> None:
    alike = likeness(objects([at(0)], [at(180)], [at(60)]))
    expected = [[1.0, -1.0, 0.5], [-1.0, 1.0, -0.5], [0.5, -0.5, 1.0]]
    np.testing.assert_allclose(alike, expected, atol=1e-6)


def on_a_line(*points: float) -> FloatArray:
    places = np.array(points)
    return np.asarray(np.abs(places[:, None] - places[None]))


def test_medoids_begin_apart_and_move_to_the_middle_of_what_they_stand_for() -> None:
    # 2 is nearest to all (31 in sum, as 10 is, and it comes first), then 13 is farthest; 0, 1 and 2 are best stood
    # for by 1, and 10, 11 and 13 by 11.
    assert medoids(on_a_line(0, 1, 2, 10, 11, 13), 2).tolist() == [1, 4]
    # A single one is where the sum of the distances is least: 33 for 1, 31 for 2.
    assert medoids(on_a_line(0, 1, 2, 10, 11, 13), 1).tolist() == [2]


def test_medoids_are_distinct_where_frames_are_not() -> None:
    same = on_a_line(5, 5, 5, 5)
    assert sorted(medoids(same, 4).tolist()) == [0, 1, 2, 3]
    assert len(set(medoids(same, 3).tolist())) == 3
    # Of two heaps the second choice is the other one.
    assert medoids(on_a_line(5, 5, 5, 9), 2).tolist() == [0, 3]


def columns(
    made: Objects, hard: list[list[float]] | None = None, counts: list[list[float]] | None = None
) -> Columns:
    none = np.zeros((len(made.scores), 2))
    return {
        "features": made.features,
        "classes": made.classes,
        "scores": made.scores,
        "entropies": made.entropies,
        "hard": none if hard is None else np.array(hard),
        "objects": none if counts is None else np.array(counts),
    }


STILLS = [Record(name, f"{name}.png", 100, 100) for name in "abcdefgh"]


def test_a_frame_s_uncertainty_is_the_weighted_sum_of_its_boxes_entropies() -> None:
    pool = objects([at(0, 0.6), at(90, 0.1)], [at(0, 0.6, kind=1)], [])
    seen_before = objects([at(0)], [at(0)])
    # Class 0: 0 + 0 over 1 + 1 objects; class 1: 1.5 + 1.5 over 2 + 1.
    labelled = Labelled(columns=columns(seen_before, [[0, 1.5], [0, 1.5]], [[1, 2], [1, 1]]))
    decision = decide(Ppal(), STILLS[:3], columns(pool), 1, labelled)
    assert decision.scores.tolist() == pytest.approx([0.7, 0.6 * 1.2, 0.0])
    # Without labels all classes weigh one.
    plain = decide(Ppal(), STILLS[:3], columns(pool), 1)
    assert plain.scores.tolist() == pytest.approx([0.7, 0.6, 0.0])


def test_one_is_chosen_of_the_four_most_uncertain() -> None:
    # Cosines fall off with the angle. Of 0, 10, 20 and 90 degrees, 20 is nearest to the others: with
    # 1 - cos of 10, 20, 70 and 80 at 0.015, 0.060, 0.658 and 0.826, it has 0.733, 10 has 0.857, 0 has 1.075.
    # 30 degrees would be nearer still, with 0.709, and is the least uncertain of the five.
    pool = objects([at(0, 0.5)], [at(10, 0.4)], [at(30, 0.1)], [at(20, 0.3)], [at(90, 0.2)])
    decision = decide(Ppal(), STILLS[:5], columns(pool), 1)
    assert taken(decision, STILLS) == ["d"]
    # Of the five the third by its uncertainty.
    assert decision.reasons == ("uncertainty 0.3, rank 3; stands for 4 of the 4 most uncertain",)
    surer = objects([at(0, 0.5)], [at(10, 0.1)], [at(30, 0.4)], [at(20, 0.3)], [at(90, 0.2)])
    # Now 10 is left out: 30 has 0.134 + 0.015 + 0.5 = 0.649, 20 has 0.060 + 0.015 + 0.658 = 0.733.
    assert taken(decide(Ppal(), STILLS[:5], columns(surer), 1), STILLS) == ["c"]


def test_of_each_kind_of_frame_one_is_chosen() -> None:
    # Two classes, which are nothing like each other; of each the middle one of three stands for the rest.
    pool = objects(*([at(turn, 0.5, kind)] for kind in (0, 1) for turn in (0, 20, 40)))
    assert sorted(taken(decide(Ppal(), STILLS[:6], columns(pool), 2), STILLS)) == ["b", "e"]


def test_where_uncertainties_are_equal_the_smaller_ids_are_shortlisted() -> None:
    pool = objects(*([at(turn)] for turn in (0, 30, 60, 90, 45)))
    # The four first are 0 to 90: 30 and 60 are as near to the others, and 30 comes first.
    assert taken(decide(Ppal(), STILLS[:5], columns(pool), 1), STILLS) == ["b"]


@pytest.mark.parametrize("budget", [0, 3])
def test_none_or_all_can_be_wanted(budget: int) -> None:
    pool = objects([at(0)], [], [at(0)])
    decision = decide(Ppal(), STILLS[:3], columns(pool), budget)
    assert sorted(taken(decision, STILLS)) == ["a", "b", "c"][:budget]
    assert len(decision.reasons) == budget


def test_what_is_observed_in_frames_and_in_labelled_ones() -> None:
    features = torch.zeros(2, 2, 4, 4)
    # The upper half says one thing and the lower another.
    features[:, 0, :2], features[:, 1, 2:] = 3.0, 4.0
    upper, lower = [0.0, 0.0, 40.0, 20.0], [0.0, 20.0, 40.0, 40.0]
    detections = [found([lower, upper], [1, 0], [[0.0, 0.5], [0.8, 0.0]]), NOTHING]
    answers: dict[View[object], object] = {Boxes(): detections, Features("last"): features}
    seen = Seen(answers, 2, [(40, 40)] * 2)
    plain = Ppal().observe(seen)
    # The surest first: the upper box.
    assert np.asarray(plain["features"])[0, :2].tolist() == [[1.0, 0.0], [0.0, 1.0]]
    assert plain["classes"][0, :3].tolist() == [0, 1, -1]
    assert plain["scores"][0, :3].tolist() == [0.8, 0.5, 0.0]
    assert not plain["hard"].any()
    assert not plain["objects"].any()
    drawn = [
        Annotations(np.array([upper, upper]), np.array([0, 1])),
        Annotations(np.array([lower]), np.array([1])),
    ]
    labelled = Ppal().observe(seen, drawn)
    # Class 0 is found where it is; class 1 is found elsewhere, and in the other frame not at all.
    expected = [pytest.approx([1 - 0.8**0.6, 1.0]), [0.0, 1.0]]
    assert labelled["hard"].tolist() == expected
    assert labelled["objects"].tolist() == [[1.0, 1.0], [0.0, 1.0]]


def test_with_one_class_it_does_not_matter_what_objects_are_called() -> None:
    single = Detections(np.array([LEFT]), np.array([0.5]))
    answers: dict[View[object], object] = {
        Boxes(): [single],
        Features("last"): torch.ones(1, 2, 4, 4),
    }
    seen = Seen(answers, 1, [(40, 40)])
    drawn = Annotations(np.array([LEFT]), np.array([3]))
    observed = Ppal().observe(seen, [drawn])
    assert observed["hard"].tolist() == [pytest.approx([1 - 0.5**0.6])]
    assert observed["objects"].tolist() == [[1.0]]
