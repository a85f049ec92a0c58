"""DivProto: entropies without what is alike, prototypes, and the constraints of the choice, worked out by hand."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pytest
import torch

from tests.strategies.deciding import decide, taken
from thrifty.scoring.object_features import MOST, Objects
from thrifty.strategies.div_proto import DivProto, distinct_entropy, prototypes
from thrifty.strategies.strategy import Columns, Labelled
from thrifty.types import Detections, Record
from thrifty.views import Boxes, Features, Seen, View

AXES = 12
STILLS = [Record(name, f"{name}.png", 100, 100) for name in "abcdefgh"]


@dataclass(frozen=True, slots=True)
class Thing:
    """An object: its features have length one, and the axes not given are zero."""

    entropy: float
    features: tuple[float, ...]
    kind: int = 0
    score: float = 0.9


def along(axis: int) -> tuple[float, ...]:
    """Features that are unlike those along every other axis: cosine 0."""
    return tuple(float(other == axis) for other in range(AXES))


def objects(*frames: Sequence[Thing]) -> Objects:
    made = Objects(
        np.zeros((len(frames), MOST, AXES), dtype=np.float32),
        np.full((len(frames), MOST), -1, dtype=np.int64),
        np.zeros((len(frames), MOST)),
        np.zeros((len(frames), MOST)),
    )
    for number, things in enumerate(frames):
        for place, thing in enumerate(things):
            made.features[number, place, : len(thing.features)] = thing.features
            made.classes[number, place] = thing.kind
            made.scores[number, place] = thing.score
            made.entropies[number, place] = thing.entropy
    return made


def columns(*frames: Sequence[Thing]) -> Columns:
    made = objects(*frames)
    return {
        "features": made.features,
        "classes": made.classes,
        "scores": made.scores,
        "entropies": made.entropies,
    }


def test_of_alike_objects_of_a_class_the_most_uncertain_counts() -> None:
    frame = [
        # Like the next one (cosine 0.8), which is more uncertain.
        Thing(0.5, (0.8, 0.6)),
        Thing(0.6, (1.0, 0.0)),
        # Like the first (0.6), which does not count any more; unlike the second.
        Thing(0.4, (0.0, 1.0)),
        # Of another class, so that it may be as like as can be.
        Thing(0.3, (1.0, 0.0), kind=1),
    ]
    assert distinct_entropy(objects(frame)).tolist() == pytest.approx([0.6 + 0.4 + 0.3])
    assert distinct_entropy(objects(frame[::-1])).tolist() == pytest.approx([1.3])


def test_only_what_is_more_than_half_alike_is_left_out() -> None:
    aside = math.sqrt(0.75)
    pool = objects(
        [Thing(0.6, (1.0, 0.0)), Thing(0.5, (0.5, aside))],
        [Thing(0.6, (1.0, 0.0)), Thing(0.5, (0.51, math.sqrt(1 - 0.51**2)))],
        [Thing(0.6, (1.0, 0.0)), Thing(0.5, (-1.0, 0.0))],
        [],
    )
    assert distinct_entropy(pool).tolist() == pytest.approx([1.1, 0.6, 1.1, 0.0])


def test_prototypes_are_means_weighted_by_entropy_class_by_class() -> None:
    pool = objects(
        [
            Thing(0.6, (1.0, 0.0)),
            Thing(0.2, (0.0, 1.0)),
            Thing(0.1, (0.0, 0.0, 1.0), kind=2),
        ],
        # Sure of both: they count alike.
        [Thing(0.0, (1.0, 0.0)), Thing(0.0, (0.0, 1.0))],
        [],
    )
    first = prototypes(pool, 0)
    assert sorted(first) == [0, 2]
    # 3 to 1, of length one.
    length = math.sqrt(10)
    assert first[0][:3].tolist() == pytest.approx([3 / length, 1 / length, 0.0])
    assert first[2][:3].tolist() == pytest.approx([0.0, 0.0, 1.0])
    [(kind, even)] = prototypes(pool, 1).items()
    assert (kind, even[:2].tolist()) == (0, pytest.approx([math.sqrt(0.5)] * 2))
    assert prototypes(pool, 2) == {}


def test_a_frame_close_to_a_chosen_one_is_passed_over() -> None:
    # Cosines to the first of 0.8 and 0.6; of the second to the third 0.96.
    pool = columns([Thing(0.9, (1.0, 0.0))], [Thing(0.8, (0.8, 0.6))], [Thing(0.7, (0.6, 0.8))])
    decision = decide(DivProto(), STILLS[:3], pool, 2)
    assert taken(decision, STILLS) == ["a", "c"]
    assert decision.scores.tolist() == pytest.approx([0.9, 0.8, 0.7])
    assert decision.reasons == (
        "entropy 0.9, unlike all chosen before",
        "entropy 0.7, cosine 0.60 to the closest chosen before",
    )


def test_where_too_few_are_left_what_is_alike_is_taken_after_all() -> None:
    pool = columns([Thing(0.9, (1.0, 0.0))], [Thing(0.8, (0.8, 0.6))], [Thing(0.7, (0.6, 0.8))])
    decision = decide(DivProto(), STILLS[:3], pool, 3)
    assert taken(decision, STILLS) == ["a", "c", "b"]
    # Of the two chosen before it c is the closer: 0.8 * 0.6 + 0.6 * 0.8.
    said = "cosine 0.96 to the closest chosen before; taken although it is like others"
    assert said in decision.reasons[2]


def test_one_class_that_is_new_is_enough() -> None:
    first = [Thing(0.5, along(0)), Thing(0.4, along(1), kind=1)]
    both_alike = [Thing(0.5, along(0)), Thing(0.3, along(1), kind=1)]
    one_unlike = [Thing(0.3, along(0)), Thing(0.3, along(2), kind=1)]
    one_unseen = [Thing(0.3, along(0)), Thing(0.2, along(1), kind=2)]
    pool = columns(first, both_alike, one_unlike, one_unseen)
    decision = decide(DivProto(), STILLS[:4], pool, 3)
    assert taken(decision, STILLS) == ["a", "c", "d"]


def test_a_class_is_compared_with_its_own_class_alone() -> None:
    pool = columns([Thing(0.9, along(0))], [Thing(0.8, along(0), kind=1)])
    assert taken(decide(DivProto(), STILLS[:2], pool, 2), STILLS) == ["a", "b"]


def test_prototypes_are_compared_and_not_objects() -> None:
    # Two unlike objects each; the prototypes are (1, 1) and (1, 1, 2) before they get length one: 2 / sqrt(2 * 6).
    pool = columns(
        [Thing(0.5, along(0)), Thing(0.5, along(1))],
        [Thing(0.2, along(0)), Thing(0.2, along(1)), Thing(0.4, along(2))],
        # (1, 3) to (1, 1): 4 / sqrt(2 * 10) = 0.89.
        [Thing(0.2, along(0)), Thing(0.5, along(1))],
    )
    decision = decide(DivProto(), STILLS[:3], pool, 2)
    assert taken(decision, STILLS) == ["a", "b"]
    assert "cosine 0.58 " in decision.reasons[1]


# Frames unlike each other, of which only some show class 1, and one does so faintly.
SHOWING = columns(
    [Thing(1.0, along(0))],
    [Thing(0.9, along(1), kind=1)],
    [Thing(0.8, along(2), kind=1, score=0.29)],
    [Thing(0.7, along(3), kind=1, score=0.3)],
    [Thing(0.6, along(6))],
    [Thing(0.5, along(4)), Thing(0.01, along(5), kind=1)],
    [Thing(0.4, along(7), kind=1)],
)


def test_three_of_four_show_a_class_that_has_few_labels() -> None:
    # b, d and f do; after them any will do.
    decision = decide(DivProto(), STILLS[:7], SHOWING, 4, Labelled(instances=np.array([9, 2])))
    chosen = taken(decision, STILLS)
    assert chosen[:3] == ["b", "d", "f"]
    assert len(set(chosen)) == 4
    # With few labels of class 0 instead: a, e and f show that.
    other = decide(DivProto(), STILLS[:7], SHOWING, 4, Labelled(instances=np.array([2, 9])))
    assert taken(other, STILLS)[:3] == ["a", "e", "f"]


def test_for_the_rest_all_frames_are_looked_at_again() -> None:
    """Three of four must show class 1; the fourth is the most uncertain of all, which was passed over at first."""
    decision = decide(DivProto(), STILLS[:7], SHOWING, 4, Labelled(instances=np.array([9, 2])))
    assert taken(decision, STILLS)[3] == "a"
    assert "although" not in decision.reasons[3]


def test_each_rare_class_has_its_share_and_no_more() -> None:
    """Of three classes 1 and 2 are rare; of four frames three are shared out, so each may be shown twice."""
    pool = columns(
        [Thing(0.9, along(0), kind=1)],
        [Thing(0.8, along(1), kind=1)],
        [Thing(0.7, along(2), kind=1)],
        [Thing(0.3, along(3), kind=2)],
        [Thing(0.5, along(4))],
    )
    decision = decide(DivProto(), STILLS[:5], pool, 4, Labelled(instances=np.array([9, 1, 1])))
    assert taken(decision, STILLS) == ["a", "b", "d", "c"]


def test_with_one_class_no_class_is_rare() -> None:
    decision = decide(DivProto(), STILLS[:7], SHOWING, 4, Labelled(instances=np.array([9])))
    assert taken(decision, STILLS) == ["a", "b", "c", "d"]


def test_where_too_few_show_a_rare_class_the_others_follow_and_it_is_said() -> None:
    pool = columns(
        [Thing(0.9, along(0))],
        # Like the first.
        [Thing(0.8, along(0))],
        [Thing(0.7, along(1))],
        [Thing(0.6, along(2), kind=1)],
    )
    decision = decide(DivProto(), STILLS[:4], pool, 4, Labelled(instances=np.array([9, 2])))
    # What shows the rare class; then what is at least unlike; then the rest.
    assert taken(decision, STILLS) == ["d", "a", "c", "b"]
    ends = [reason.partition("; ")[2] for reason in decision.reasons]
    assert ends == [
        "",
        "taken although it shows no rare class, since too few were left",
        "taken although it shows no rare class, since too few were left",
        "taken although it is like others, since too few were left",
    ]


def test_half_of_the_classes_are_rare_and_the_middle_one_with_them() -> None:
    pool = columns(*([Thing(0.9 - 0.1 * kind, along(kind), kind)] for kind in range(3)))
    # Of three classes the two with fewest labels.
    for instances, first in (([1, 9, 5], "a"), ([9, 1, 5], "b"), ([9, 5, 1], "b")):
        decision = decide(DivProto(), STILLS[:3], pool, 1, Labelled(instances=np.array(instances)))
        assert taken(decision, STILLS) == [first]


def test_frames_without_objects_come_last_and_ties_go_to_the_smaller_id() -> None:
    pool = columns([], [Thing(0.5, along(0))], [], [Thing(0.5, along(1))])
    assert taken(decide(DivProto(), STILLS[:4], pool, 4), STILLS) == ["b", "d", "a", "c"]
    assert taken(decide(DivProto(), STILLS[:4], pool, 0), STILLS) == []


def test_what_is_observed() -> None:
    features = torch.zeros(2, 2, 4, 4)
    # The left half says one thing and the right another.
    features[:, 0, :, :2], features[:, 1, :, 2:] = 3.0, 4.0
    left, right = [0.0, 0.0, 20.0, 40.0], [20.0, 0.0, 40.0, 40.0]
    rows = np.array([[0.0, 0.5], [0.75, 0.25]])
    detections = [
        Detections(np.array([right, left]), np.array([0.5, 0.75]), np.array([1, 0]), rows),
        Detections(np.zeros((0, 4)), np.zeros(0), probabilities=np.zeros((0, 2))),
    ]
    answers: dict[View[object], object] = {Boxes(): detections, Features("last"): features}
    observed = DivProto().observe(Seen(answers, 2, [(40, 40)] * 2))
    # The surer one first.
    assert np.asarray(observed["features"])[0, :2].tolist() == [[1.0, 0.0], [0.0, 1.0]]
    assert observed["classes"][0, :3].tolist() == [0, 1, -1]
    assert observed["scores"][0, :3].tolist() == [0.75, 0.5, 0.0]
    quarter = -0.75 * math.log(0.75) - 0.25 * math.log(0.25)
    assert observed["entropies"][0, :3].tolist() == pytest.approx([quarter, math.log(2), 0.0])
    assert (np.asarray(observed["classes"])[1] == -1).all()
