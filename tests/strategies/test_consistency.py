"""CALD: the consistency of frames, and the choice among the inconsistent ones by class, worked out by hand."""

import math
from collections.abc import Sequence

import numpy as np
import pytest

from tests.strategies.deciding import decide, taken
from thrifty.selection.closeness import Rules
from thrifty.strategies.consistency import Consistency
from thrifty.strategies.scored import Pipeline
from thrifty.strategies.strategy import Columns, Labelled
from thrifty.types import Detections, Record
from thrifty.views import AlteredBoxes, Boxes, Seen, View

PLAIN = Pipeline(np.ones(1), Rules(0, 0))
CALD = Consistency("consistency", PLAIN)
TWO_WAYS = AlteredBoxes(("flip", "smaller"))
STILLS = [Record(name, f"{name}.png", 100, 100) for name in "abcdefg"]

BOX = [0.0, 0.0, 10.0, 10.0]
HALF = [0.0, 0.0, 10.0, 5.0]
OTHER = [20.0, 0.0, 30.0, 10.0]
NOTHING = Detections(np.zeros((0, 4)), np.zeros(0), probabilities=np.zeros((0, 2)))


def found(*boxes: tuple[list[float], list[float]]) -> Detections:
    """Boxes, each with the probabilities of the classes."""
    rows = np.array([row for _, row in boxes])
    places = np.array([box for box, _ in boxes])
    return Detections(places, rows.max(axis=1), rows.argmax(axis=1), rows)


def seen(clean: Sequence[Detections], *altered: Sequence[Detections]) -> Seen:
    answers: dict[View[object], object] = {Boxes(): clean, TWO_WAYS: altered}
    return Seen(answers, len(clean), [(100, 100)] * len(clean))


def shannon(first: list[float], second: list[float]) -> float:
    """Jensen-Shannon divergence, by its definition, to base 2."""
    total = 0.0
    for p, q in zip(first, second, strict=True):
        for value in (p, q):
            if value > 0:
                total += value / 2 * math.log2(value / ((p + q) / 2))
    return total


def test_the_score_is_the_least_distance_of_a_box_to_1_3_averaged_over_alterations() -> None:
    clean = [
        found((BOX, [0.8, 0.1]), (OTHER, [0.2, 0.5])),
        found((BOX, [0.6, 0.2])),
        NOTHING,
    ]
    flipped = [
        # The first box is halved: 0.5 + (0.8 + 0.8) / 2 = 1.3. That is what is looked for, whatever the other says.
        found((HALF, [0.8, 0.1]), (OTHER, [0.2, 0.5])),
        # 1 + (0.6 + 0.6) / 2 = 1.6, which is 0.3 away.
        found((BOX, [0.6, 0.2])),
        found((BOX, [0.9, 0.0])),
    ]
    smaller = [
        # All as it was: 1 + 0.8 and 1 + 0.5, which are 0.5 and 0.2 away.
        found((OTHER, [0.2, 0.5]), (BOX, [0.8, 0.1])),
        # Nothing answers: 0.
        NOTHING,
        NOTHING,
    ]
    strategy = Consistency("consistency", PLAIN, TWO_WAYS)
    scores = strategy.scores(seen(clean, flipped, smaller))
    assert scores.tolist() == pytest.approx([-(0.0 + 0.2) / 2, -(0.3 + 1.3) / 2, -1.3])


def test_a_box_whose_class_changes_is_less_consistent() -> None:
    before, after = [0.7, 0.2], [0.1, 0.6]
    flipped = [found((HALF, after))]
    # What is left over is the third answer.
    alike = 1 - shannon([*before, 0.1], [*after, 0.3])
    value = 0.5 + 0.5 * alike * (0.7 + 0.6)
    strategy = Consistency("consistency", PLAIN, TWO_WAYS)
    [score] = strategy.scores(seen([found((BOX, before))], flipped, flipped)).tolist()
    assert score == pytest.approx(-(1.3 - value))


def test_of_a_frame_s_boxes_the_highest_probability_of_each_class_is_kept() -> None:
    clean = [found((BOX, [0.8, 0.1]), (OTHER, [0.2, 0.5])), NOTHING]
    strategy = Consistency("consistency", PLAIN, TWO_WAYS)
    observed = strategy.observe(seen(clean, clean, clean))
    assert observed["classes"].tolist() == [pytest.approx([0.8, 0.5]), [0.0, 0.0]]
    # As it was: 1.8 and 1.5, of which 1.5 is nearer to 1.3.
    assert observed["score"].tolist() == pytest.approx([-0.2, -1.3])


def columns(scores: list[float], classes: list[list[float]]) -> Columns:
    return {"score": np.array(scores), "classes": np.array(classes)}


def counted(*instances: int) -> Labelled:
    return Labelled(instances=np.array(instances))


def test_a_fifth_more_than_wanted_is_shortlisted_by_score_and_then_chosen_by_class() -> None:
    # Two of three are shortlisted for one; c, whose class the labels lack most, is not among them.
    observed = columns([-0.1, -0.2, -0.3], [[0.9, 0.1], [0.4, 0.6], [0.0, 1.0]])
    decision = decide(CALD, STILLS[:3], observed, 1, counted(30, 10))
    assert taken(decision, STILLS) == ["b"]
    assert decision.scores.tolist() == [-0.1, -0.2, -0.3]
    # With the labels the other way round it is the other one.
    assert taken(decide(CALD, STILLS[:3], observed, 1, counted(10, 30)), STILLS) == ["a"]


def test_of_six_for_five_the_one_whose_class_is_labelled_already_stays() -> None:
    second = [0.9, 0.8, 0.0, 0.7, 0.6, 0.5, 1.0]
    classes = [[0.0 if value else 0.9, value] for value in second]
    observed = columns([-0.1, -0.2, -0.3, -0.4, -0.5, -0.6, -0.7], classes)
    # 1.2 times 5 is 6, so g is not looked at. There are so many labels of the first class that five more of the
    # second change nothing.
    decision = decide(CALD, STILLS, observed, 5, counted(1000, 0))
    assert taken(decision, STILLS) == ["a", "b", "d", "e", "f"]


def test_what_has_been_chosen_counts_as_labelled() -> None:
    # Without labels both classes are as rare: a differs most from that, then b, then c.
    observed = columns([-0.1, -0.2, -0.3], [[1.0, 0.0], [0.95, 0.0], [0.0, 0.9]])
    decision = decide(CALD, STILLS[:3], observed, 2, counted(0, 0))
    # But once a is chosen only the first class is known, and b would add to it.
    assert taken(decision, STILLS) == ["a", "c"]
    assert len(decision.reasons) == 2


def test_with_one_class_the_score_alone_decides() -> None:
    observed = columns([-0.3, -0.1, -0.2, -0.4], [[0.1], [0.9], [0.9], [0.0]])
    assert taken(decide(CALD, STILLS[:4], observed, 2, counted(5)), STILLS) == ["b", "c"]


def test_where_all_are_wanted_all_are_taken() -> None:
    observed = columns([-0.3, -0.1, -0.2], [[1.0, 0.0], [0.0, 1.0], [0.5, 0.5]])
    decision = decide(CALD, STILLS[:3], observed, 3, counted(9, 0))
    assert sorted(taken(decision, STILLS)) == ["a", "b", "c"]


def test_frames_close_in_time_are_kept_apart_in_the_shortlist() -> None:
    drive = [Record(f"v-{place}", "v.avi", 100, 100, "v", place, place) for place in range(4)]
    strategy = Consistency("consistency", Pipeline(np.ones(1), Rules(1, 0)))
    # Place 1 is next to place 0: of the two best frames the other is at place 2 or 3.
    observed = columns([-0.1, -0.2, -0.3, -0.4], [[1.0, 0.0], [0.0, 1.0], [0.2, 0.8], [0.0, 1.0]])
    decision = decide(strategy, drive, observed, 1, counted(10, 0))
    assert taken(decision, drive) == ["v-2"]
    # Place 0 stayed on the shortlist, so it holds nobody back.
    assert decision.choice.held == ()


def test_what_breaks_a_rule_is_no_rival_however_its_classes_differ() -> None:
    """The rule allows four of six; a fifth, of the class that nothing else shows, makes the shortlist but is not needed."""
    places = [0, 1, 10, 20, 30, 31]
    records = [Record(f"v{place}", "v.avi", 100, 100, "v", place, place) for place in places]
    classes = np.array([[0.9, 0.0], [0.0, 0.9], *[[0.9, 0.0]] * 4])
    observed: Columns = {"score": np.arange(6.0, 0.0, -1.0), "classes": classes}
    strategy = Consistency("consistency", Pipeline(np.ones(1), Rules(2, 0)))
    labelled = Labelled(instances=np.array([9, 0]))
    chosen = decide(strategy, records, observed, 4, labelled)
    assert sorted(taken(chosen, records)) == ["v0", "v10", "v20", "v30"]
    more = decide(strategy, records, observed, 5, labelled)
    assert taken(more, records)[4] == "v1"


def test_who_stayed_on_the_shortlist_holds_nobody_back() -> None:
    # Of the best six for five the one whose class is labelled already stays; it had held back its neighbour.
    names = "abcdefgh"
    video = [Record(n, "v.mp4", 9, 9, "v", 10 * k, k) for k, n in enumerate(names[:7])]
    video.append(Record("h", "v.mp4", 9, 9, "v", 1, 7))
    scores = np.array([0.9, 0.8, 0.7, 0.6, 0.5, 0.4, 0.1, 0.3])
    classes = np.array([[5.0, 0]] + [[0, 5.0]] * 7)
    strategy = Consistency("consistency", Pipeline(np.ones(1), Rules(2, 0)))
    columns: Columns = {"score": scores, "classes": classes}
    decision = decide(strategy, video, columns, 5, Labelled(instances=np.array([99, 0])))
    assert set(taken(decision, video)) == set("bcdef")
    assert {held.because for held in decision.choice.held} <= set("bcdef")
