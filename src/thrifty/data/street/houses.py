"""The street itself: houses, hedges and what is painted on the ground."""

from __future__ import annotations

from thrifty.data.street.dice import Dice
from thrifty.data.street.solid import (
    GLASS,
    LAMPLIGHT,
    Colour,
    Face,
    Solid,
    disc,
    flank,
    floor,
    panel,
    solid,
    tint,
)

RIGHT_CURB, RIGHT_WALL, LEFT_CURB, LEFT_WALL = 1.6, 4.6, -4.8, -7.8
"""Where pavements begin and end, metres right of the camera's lane."""


def facade(x: float, z: float, length: float, dice: Dice, *, lit: bool) -> Solid:
    """A house of `length` metres along the street, or, now and then, a hedge that shows the sky."""
    if dice.chance(0.16):
        return _hedge(x, z, length, dice)
    wall = _wall_colour(dice, lit=lit)
    high = dice.between(5.0, 12.0)
    deep = (x, x + 9.0) if x > 0 else (x - 9.0, x)
    faces = [
        panel(deep, (0.0, high), z, tint(wall, 0.72)),
        flank(x, (0.0, high), (z, z + length), wall),
        flank(x, (high - 0.3, high), (z, z + length), tint(wall, 0.8)),
    ]
    coarse = len(faces)
    faces += _ground_floor(x, z, length, wall, dice, lit=lit)
    columns, wide = 3, dice.between(0.8, 1.3)
    for low in range(3, int(high - 1.9), 3):
        for column in range(columns):
            start = z + (column + 0.5) * length / columns - wide / 2
            shining = lit and dice.chance(0.3)
            pane = (
                tint(LAMPLIGHT, dice.between(0.6, 1.0))
                if shining
                else tint(GLASS, dice.between(0.7, 1.1))
            )
            faces.append(
                flank(x, (low + 0.3, low + 1.7), (start, start + wide), pane, glowing=shining)
            )
    return solid(x, z, faces, coarse=coarse)


def _wall_colour(dice: Dice, *, lit: bool) -> Colour:
    day: tuple[Colour, ...] = (
        (196, 178, 150),
        (170, 110, 88),
        (206, 200, 188),
        (150, 150, 146),
        (188, 160, 110),
    )
    evening: tuple[Colour, ...] = (
        (120, 116, 124),
        (140, 92, 80),
        (160, 150, 140),
        (104, 118, 120),
        (90, 84, 92),
    )
    return tint(dice.pick(evening if lit else day), dice.between(0.88, 1.1))


def _ground_floor(
    x: float, z: float, length: float, wall: Colour, dice: Dice, *, lit: bool
) -> list[Face]:
    door = z + dice.between(0.4, length - 1.6)
    faces: list[Face] = []
    if dice.chance(0.45):
        shining = lit and dice.chance(0.5)
        pane = tint(LAMPLIGHT, dice.between(0.55, 0.85)) if shining else tint(GLASS, 0.85)
        faces.append(flank(x, (0.5, 2.4), (z + 0.5, z + length - 0.5), pane, glowing=shining))
        awning = dice.pick(((150, 44, 40), (44, 84, 64), (60, 70, 110), (170, 150, 110)))
        faces.append(flank(x, (2.4, 2.85), (z + 0.3, z + length - 0.3), awning))
    faces.append(flank(x, (0.0, 0.35), (z, z + length), tint(wall, 0.6)))
    faces.append(
        flank(
            x,
            (0.0, 2.1),
            (door, door + 1.0),
            dice.pick(((80, 52, 38), (48, 60, 54), (60, 58, 72), (110, 40, 36))),
        )
    )
    return faces


def _hedge(x: float, z: float, length: float, dice: Dice) -> Solid:
    high, leaf = dice.between(1.2, 2.2), dice.pick(((66, 98, 52), (82, 104, 56), (54, 82, 54)))
    deep = (x, x + 3.0) if x > 0 else (x - 3.0, x)
    faces = [
        panel(deep, (0.0, high), z, tint(leaf, 0.8)),
        flank(x, (0.0, high), (z, z + length), leaf),
    ]
    behind = x + (2.5 if x > 0 else -2.5)
    trees = [
        disc(
            (behind, high + dice.between(0.5, 2.0), z + length * share),
            (1.5, 1.6),
            tint(leaf, dice.between(0.7, 1.0)),
            9,
        )
        for share in (0.9, 0.5, 0.15)
    ]
    return solid(x, z, trees + faces)


def road_marks(z: float, dice: Dice) -> Solid:
    """Lane dashes, kerb stones' joints and patches of a stretch of 8 m, flat on the ground."""
    faces = [
        floor((-1.0, -0.86), (z + start, z + start + 2.2), (215, 213, 205)) for start in (0.0, 4.0)
    ]
    for joint in range(0, 8, 2):
        line = (z + joint, z + joint + 0.12)
        faces.append(floor((RIGHT_CURB + 0.15, RIGHT_WALL), line, (128, 124, 118)))
        faces.append(floor((LEFT_WALL, LEFT_CURB - 0.15), line, (128, 124, 118)))
    for _ in range(2):
        x, start = dice.between(-4.0, 0.6), z + dice.between(0.0, 6.0)
        grey = int(dice.between(74, 104))
        faces.append(
            floor(
                (x, x + dice.between(0.5, 1.3)),
                (start, start + dice.between(0.5, 2.0)),
                (grey, grey, grey),
            )
        )
    if dice.chance(0.1):
        stripes = [LEFT_CURB + 0.4 + index for index in range(6)]
        faces += [floor((x, x + 0.5), (z + 5.0, z + 7.5), (222, 220, 214)) for x in stripes]
    return solid(0.0, z, faces)
