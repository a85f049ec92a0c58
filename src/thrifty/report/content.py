"""What a run's page shows, as plain values: gathered from the store, drawn by `thrifty.report.page`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from thrifty.config import PEOPLE
from thrifty.costs import CostModel
from thrifty.evaluation.axis import Axis
from thrifty.study.headroom import Headroom
from thrifty.study.point import Point
from thrifty.types import FloatArray, Image, Record, Unreadable


@dataclass(frozen=True, slots=True)
class ChosenFrame:
    """A frame that was chosen, with what the detector saw in it just before.

    Attributes:
        strategy: Who chose it.
        seed: In which arm.
        cycle: In which cycle, from 1.
        rank: 0 for the first choice of the cycle.
        record: The frame.
        score: Frame score before temporal smoothing (equation 5), or the random draw.
        smoothed: Score that was ranked (equation 6); equal to `score` where nothing is smoothed.
        relaxed: Which rules had to be dropped to fill the budget: empty, or a phrase for people.
        reason: What chose the frame, beyond its score: empty, or a phrase for people.
        image: The picture as the detector saw it, `H x W x 3` uint8.
        score_map: Pixel scores (equation 4), `H x W`, nats, >= 0; `None` for a strategy without maps.
        boxes: What the oracle drew, `N x 4` xyxy in pixels of `image`.
        ignored: Ignore regions, likewise.
        detections: The model's surest boxes before it learnt from this frame, likewise.
        detection_scores: Their scores in [0, 1].
        found: Boxes that it found in all.
    """

    strategy: str
    seed: int
    cycle: int
    rank: int
    record: Record
    score: float
    smoothed: float
    relaxed: str
    image: Image
    score_map: FloatArray | None
    boxes: FloatArray
    ignored: FloatArray
    detections: FloatArray
    detection_scores: FloatArray
    found: int
    reason: str = ""


@dataclass(frozen=True, slots=True)
class PassedOver:
    """A frame that outranked the last chosen one and that a temporal rule held back.

    Attributes:
        strategy: Whose ranking.
        seed: In which arm.
        cycle: In which cycle.
        record: The frame.
        smoothed: Its score.
        rule: The rule in words ("within 15 frames of a frame chosen in this cycle").
        because: The chosen frame it is too close to.
        distance: Between the two, in words ("3 frames").
        image: A small picture of it, or `None`.
    """

    strategy: str
    seed: int
    cycle: int
    record: Record
    smoothed: float
    rule: str
    because: Record
    distance: str
    image: Image | None


@dataclass(frozen=True, slots=True)
class Content:
    """Everything on the page.

    Attributes:
        title: Name of the recipe.
        description: What the recipe is about, a sentence or two.
        rendered: Whether the pictures are rendered rather than real.
        points: Figures of every arm and cycle.
        chosen: The chosen frames that are shown, in order of strategy, cycle and rank.
        passed_over: The frames held back that are shown.
        passed_over_counts: How many were held back in all, per strategy, cycle and rule.
        unreadable: Frames that could not be decoded, with the role of their set (start, pool, test).
        findings: Each strategy beside the reference, in sentences; empty without a reference, and where labels were not shown to matter.
        room: Whether labels matter on this set; `None` where the whole pool is not in the run.
        facts: Label and value pairs: sizes of the sets, b, cycles, machine, wall time.
        versions: Package and version.
        seeds: All seeds of the run.
        recipe: The recipe's text.
        along: What the recipe's budget counts, along which learning curves are drawn and compared.
        cost: What labels cost by the recipe.
        objects: What is found and counted, in words.
    """

    title: str
    description: str
    rendered: bool
    points: Sequence[Point]
    chosen: Sequence[ChosenFrame]
    passed_over: Sequence[PassedOver]
    passed_over_counts: Mapping[tuple[str, int, str], int]
    unreadable: Sequence[tuple[str, Unreadable]]
    facts: Mapping[str, str]
    versions: Mapping[str, str]
    seeds: Sequence[int]
    recipe: str
    findings: Mapping[str, Sequence[str]] = field(default_factory=dict)
    room: Headroom | None = None

    @property
    def ranked(self) -> bool:
        """Whether strategies are compared by miss rate: not where labels were not shown to matter."""
        return self.room is None or self.room.is_there

    along: Axis = Axis.FRAMES
    cost: CostModel = field(default_factory=CostModel)
    objects: str = PEOPLE
