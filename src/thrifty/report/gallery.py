"""Frames arranged for the page: cards of chosen frames, and those that the temporal rules passed over."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from thrifty.report import pictures
from thrifty.report.content import ChosenFrame, PassedOver
from thrifty.report.pictures import Box, Picture
from thrifty.report.summary import number


@dataclass(frozen=True, slots=True)
class Card:
    """One chosen frame, ready to be shown."""

    frame: ChosenFrame
    picture: Picture
    overlay: str
    drawn: list[Box]
    ignored: list[Box]
    detected: list[Box]
    alt: str


@dataclass(frozen=True, slots=True)
class Group:
    """The cards of one arm's cycle."""

    strategy: str
    cycle: int
    seed: int
    cards: list[Card]

    @property
    def mapped(self) -> bool:
        """Whether any card has a score map."""
        return any(card.overlay for card in self.cards)


@dataclass(frozen=True, slots=True)
class Held:
    """One frame that a rule held back, ready to be shown."""

    frame: PassedOver
    picture: Picture | None
    why: str


@dataclass(frozen=True, slots=True)
class HeldGroup:
    """The frames held back in one cycle of one strategy: how many in all, and those that are shown."""

    strategy: str
    cycle: int
    counts: list[tuple[str, int]]
    shown: list[Held]

    @property
    def total(self) -> int:
        """How many were held back in all."""
        return max(len(self.shown), sum(amount for _, amount in self.counts))


def chosen_groups(chosen: Sequence[ChosenFrame], top: float) -> list[Group]:
    """Cards in the order they come, one group per strategy, cycle and seed.

    Args:
        chosen: The frames.
        top: Upper end of the colour scale that all cards share.
    """
    groups: dict[tuple[str, int, int], Group] = {}
    for frame in chosen:
        key = (frame.strategy, frame.cycle, frame.seed)
        groups.setdefault(key, Group(*key, [])).cards.append(_card(frame, top))
    return list(groups.values())


def _card(frame: ChosenFrame, top: float) -> Card:
    picture = pictures.photograph(frame.image)
    scale = picture.width / frame.image.shape[1]
    return Card(
        frame=frame,
        picture=picture,
        overlay="" if frame.score_map is None else pictures.overlay(frame.score_map, top),
        drawn=pictures.boxes(frame.boxes, scale),
        ignored=pictures.boxes(frame.ignored, scale),
        detected=pictures.boxes(
            frame.detections, scale, [f"{score:.2f}" for score in frame.detection_scores]
        ),
        alt=(
            f"Frame {frame.record.label}, choice {frame.rank + 1} of {frame.strategy} in cycle {frame.cycle}: "
            f"{_many(len(frame.boxes), 'box', 'boxes')} drawn by the oracle, "
            f"{_many(len(frame.detections), 'box', 'boxes')} found by the model before it learnt from the frame."
        ),
    )


def _many(amount: int, one: str, more: str) -> str:
    return f"{amount} {one if amount == 1 else more}"


def held_groups(
    frames: Iterable[PassedOver], counts: Mapping[tuple[str, int, str], int]
) -> list[HeldGroup]:
    """What the rules held back, one group per strategy and cycle: those with counts first, as they come."""
    groups: dict[tuple[str, int], HeldGroup] = {}
    for (strategy, cycle, rule), amount in counts.items():
        groups.setdefault((strategy, cycle), HeldGroup(strategy, cycle, [], [])).counts.append(
            (rule, amount)
        )
    for frame in frames:
        key = (frame.strategy, frame.cycle)
        picture = (
            None if frame.image is None else pictures.photograph(frame.image, pictures.SMALL_WIDTH)
        )
        why = f"{frame.rule}: {frame.distance} from {frame.because.label}"
        groups.setdefault(key, HeldGroup(*key, [], [])).shown.append(Held(frame, picture, why))
    return list(groups.values())


def scores(frame: ChosenFrame) -> list[str]:
    """The frame's score in words, and the smoothed one where that differs."""
    unit = "" if frame.score_map is None else " nats"
    lines = [f"score {number(frame.score, 4)}{unit}"]
    if frame.score != frame.smoothed:
        lines.append(f"smoothed {number(frame.smoothed, 4)}{unit}")
    return lines
