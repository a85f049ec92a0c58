"""Whom one meets: statures, colours and clothes by day and at dusk."""

from __future__ import annotations

from thrifty.data.street.dice import Dice
from thrifty.data.street.figure import Dress, Person

_SKIN = ((232, 190, 160), (214, 164, 130), (168, 116, 84), (112, 74, 54), (240, 204, 178))
_HAIR = ((44, 32, 26), (92, 60, 36), (150, 112, 60), (170, 168, 164), (24, 22, 24), (130, 60, 36))
_DAY_TOPS = (
    (206, 54, 48),
    (60, 100, 180),
    (236, 232, 222),
    (240, 196, 64),
    (70, 140, 90),
    (60, 58, 66),
    (150, 90, 160),
)
_DUSK_TOPS = (
    (52, 54, 62),
    (92, 60, 52),
    (70, 80, 104),
    (130, 122, 112),
    (150, 46, 44),
    (196, 190, 180),
    (60, 84, 70),
)
_DAY_LEGS = ((52, 66, 104), (60, 56, 54), (150, 130, 100), (90, 110, 150), (200, 196, 186))
_DUSK_LEGS = ((40, 44, 60), (46, 42, 42), (84, 76, 70), (60, 70, 96))
_UMBRELLAS = ((40, 42, 52), (160, 40, 50), (50, 90, 150), (200, 180, 60))


def dress_up(dice: Dice, *, day: bool) -> Person:
    """Somebody as seen by day, or else in the clothes of a wet evening."""
    child = dice.chance(0.12)
    dresses = (
        (Dress.TROUSERS, Dress.TROUSERS, Dress.SHORTS, Dress.SKIRT)
        if day
        else (Dress.TROUSERS, Dress.TROUSERS, Dress.COAT, Dress.COAT, Dress.SKIRT)
    )
    top = dice.pick(_DAY_TOPS if day else _DUSK_TOPS)
    hooded = not day and dice.chance(0.3)
    return Person(
        stature=dice.between(1.15, 1.4) if child else dice.between(1.58, 1.9),
        girth=dice.between(1.1, 1.55),
        spread=dice.between(0.05, 0.13),
        top=top,
        bottom=dice.pick(_DAY_LEGS if day else _DUSK_LEGS),
        skin=dice.pick(_SKIN),
        hair=top if hooded else dice.pick(_HAIR),
        dress=dice.pick(dresses),
        bag=dice.pick(((110, 70, 44), (40, 40, 46), (190, 170, 130), (150, 50, 60)))
        if dice.chance(0.3)
        else None,
        umbrella=dice.pick(_UMBRELLAS) if not day and dice.chance(0.2) else None,
        vest=not day and dice.chance(0.08),
    )
