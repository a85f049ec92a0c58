"""What stands along the street: cars, and everything that could be mistaken for a person."""

from __future__ import annotations

from collections.abc import Callable

from thrifty.data.street.dice import Dice
from thrifty.data.street.solid import (
    GLASS,
    LAMPLIGHT,
    Colour,
    Face,
    Lamp,
    Solid,
    disc,
    panel,
    solid,
    tint,
    wheel,
)

_IRON, _WOOD = (70, 74, 78), (96, 72, 50)


def lamp_post(x: float, z: float, *, lit: bool) -> Solid:
    """A street lamp that reaches over the road."""
    arm = 1.2 if x < 0 else -1.2
    ends = (min(x, x + arm), max(x, x + arm))
    head = disc((x + arm, 4.5, z), (0.32, 0.1), LAMPLIGHT if lit else (190, 190, 185), glowing=lit)
    post = [
        panel((x - 0.07, x + 0.07), (0.0, 4.6), z, _IRON),
        panel((x - 0.13, x + 0.13), (0.0, 0.9), z, tint(_IRON, 0.8)),
        panel(ends, (4.52, 4.62), z, _IRON),
        head,
    ]
    return solid(x, z, post, [Lamp(x + arm, 4.5, z, 1.3)] if lit else [])


def sign(x: float, z: float, dice: Dice) -> Solid:
    """A traffic sign; a round one makes a head on a thin body."""
    high = dice.between(1.7, 2.5)
    rim, inner = dice.pick(
        (
            ((200, 30, 30), (240, 240, 235)),
            ((30, 70, 170), (50, 100, 200)),
            ((225, 190, 40), (40, 40, 40)),
        )
    )
    post = panel((x - 0.045, x + 0.045), (0.0, high), z, (130, 134, 138))
    if dice.chance(0.55):
        plate = [disc((x, high, z), (0.3, 0.3), rim), disc((x, high, z), (0.21, 0.21), inner)]
    else:
        plate = [
            panel((x - 0.3, x + 0.3), (high - 0.35, high + 0.35), z, rim),
            panel((x - 0.24, x + 0.24), (high - 0.29, high + 0.29), z, inner),
        ]
    return solid(x, z, [post, *plate])


def tree(x: float, z: float, dice: Dice) -> Solid:
    """A trunk as thick as a person, with a crown."""
    thick, high, leaf = (
        dice.between(0.11, 0.24),
        dice.between(1.7, 2.6),
        dice.pick(((62, 104, 48), (84, 118, 44), (120, 104, 40), (48, 88, 56))),
    )
    bark = tint(_WOOD, dice.between(0.7, 1.2))
    faces = [
        panel((x - thick, x + thick), (0.0, high + 0.4), z, bark),
        panel((x + 0.3 * thick, x + thick), (0.0, high + 0.4), z, tint(bark, 0.75)),
    ]
    for _ in range(4):
        centre = (x + dice.between(-0.7, 0.7), high + dice.between(0.5, 1.6), z)
        radii = (dice.between(0.7, 1.1), dice.between(0.6, 0.9))
        faces.append(disc(centre, radii, tint(leaf, dice.between(0.75, 1.2)), 9))
    return solid(x, z, faces)


def bin_(x: float, z: float, dice: Dice) -> Solid:
    """A litter bin or a wheeled one, with its lid."""
    colour = dice.pick(((52, 92, 62), (70, 74, 82), (150, 110, 40), (50, 62, 100)))
    wide, high = dice.between(0.24, 0.36), dice.between(0.85, 1.15)
    corners = (
        (x - wide * 0.8, 0.05, z),
        (x + wide * 0.8, 0.05, z),
        (x + wide, high, z),
        (x - wide, high, z),
    )
    return solid(
        x,
        z,
        [
            Face(corners, colour),
            panel((x - wide * 1.1, x + wide * 1.1), (high, high + 0.1), z, tint(colour, 0.6)),
        ],
    )


def hydrant(x: float, z: float, dice: Dice) -> Solid:
    """Short and stout, with a cap for a head and nozzles for arms."""
    colour = dice.pick(((190, 44, 36), (205, 160, 40), (120, 130, 140)))
    return solid(
        x,
        z,
        [
            panel((x - 0.15, x + 0.15), (0.0, 0.65), z, colour),
            panel((x - 0.28, x + 0.28), (0.42, 0.54), z, tint(colour, 0.8)),
            disc((x, 0.7, z), (0.16, 0.15), tint(colour, 1.15)),
        ],
    )


def postbox(x: float, z: float, dice: Dice) -> Solid:
    """A pillar box: as high as a child, with a round top."""
    colour = dice.pick(((196, 36, 34), (222, 180, 30), (40, 80, 150)))
    wide, high = dice.between(0.22, 0.3), dice.between(1.2, 1.55)
    return solid(
        x,
        z,
        [
            panel((x - wide, x + wide), (0.0, high), z, colour),
            panel((x - wide, x + wide), (0.0, 0.18), z, tint(colour, 0.4)),
            disc((x, high, z), (wide * 1.1, 0.14), tint(colour, 0.85)),
            panel((x - wide * 0.6, x + wide * 0.6), (high - 0.3, high - 0.22), z, (30, 30, 30)),
        ],
    )


def meter(x: float, z: float, dice: Dice) -> Solid:
    """A parking meter: a head on a pole."""
    grey = tint((128, 132, 138), dice.between(0.6, 1.2))
    high = dice.between(1.2, 1.5)
    return solid(
        x,
        z,
        [
            panel((x - 0.05, x + 0.05), (0.0, high), z, tint(grey, 0.7)),
            disc((x, high + 0.12, z), (0.14, 0.22), grey),
            panel((x - 0.07, x + 0.07), (high + 0.1, high + 0.22), z, (40, 50, 50)),
        ],
    )


def bollard(x: float, z: float, dice: Dice) -> Solid:
    """A low post."""
    high = dice.between(0.7, 1.0)
    colour = dice.pick((_IRON, (150, 146, 138), (170, 60, 44)))
    return solid(
        x,
        z,
        [
            panel((x - 0.1, x + 0.1), (0.0, high), z, colour),
            panel((x - 0.1, x + 0.1), (high * 0.7, high * 0.85), z, (235, 232, 225)),
        ],
    )


def advert(x: float, z: float, dice: Dice) -> Solid:
    """An advertising pillar, pasted with posters."""
    faces = [panel((x - 0.5, x + 0.5), (0.0, 2.7), z, (168, 164, 150))]
    for row in range(2):
        for column in range(2):
            left, low = x - 0.46 + 0.47 * column, 0.45 + 1.0 * row
            ink = (
                int(dice.between(60, 240)),
                int(dice.between(60, 220)),
                int(dice.between(60, 220)),
            )
            faces.append(panel((left, left + 0.44), (low, low + 0.9), z, ink))
    faces.append(disc((x, 2.75, z), (0.58, 0.2), (70, 82, 74)))
    return solid(x, z, faces)


def parasol(x: float, z: float, dice: Dice) -> Solid:
    """A folded parasol: the outline of somebody in a long coat."""
    colour = dice.pick(((190, 180, 150), (120, 40, 40), (44, 70, 60), (60, 60, 80)))
    high = dice.between(1.6, 2.0)
    cone = ((x - 0.07, high, z), (x + 0.07, high, z), (x + 0.24, 0.55, z), (x - 0.24, 0.55, z))
    shade = ((x, high, z), (x + 0.07, high, z), (x + 0.24, 0.55, z), (x + 0.04, 0.55, z))
    return solid(
        x,
        z,
        [
            panel((x - 0.28, x + 0.28), (0.0, 0.09), z, (60, 60, 60)),
            panel((x - 0.035, x + 0.035), (0.0, high + 0.15), z, _WOOD),
            Face(cone, colour),
            Face(shade, tint(colour, 0.75)),
        ],
    )


def shrub(x: float, z: float, dice: Dice) -> Solid:
    """A clipped shrub in a pot, as tall as a person."""
    leaf, high = dice.pick(((44, 78, 46), (66, 92, 50), (70, 66, 44))), dice.between(0.95, 1.4)
    pot = ((x - 0.2, 0.0, z), (x + 0.2, 0.0, z), (x + 0.27, 0.42, z), (x - 0.27, 0.42, z))
    return solid(
        x,
        z,
        [
            Face(pot, (150, 92, 66)),
            disc((x, 0.42 + high * 0.42, z), (0.33, high * 0.46), leaf),
            disc((x + 0.05, 0.42 + high * 0.9, z), (0.2, 0.24), tint(leaf, 1.15)),
        ],
    )


def barrier(x: float, z: float, dice: Dice) -> Solid:
    """Road works: a striped board on legs, with a lamp on its corner."""
    faces = [
        panel((x + u - 0.03, x + u + 0.03), (0.0, 1.1), z, (150, 150, 150)) for u in (-0.6, 0.6)
    ]
    for index in range(6):
        left = x - 0.7 + 1.4 * index / 6
        colour: Colour = (205, 40, 36) if index % 2 else (235, 235, 230)
        faces.append(panel((left, left + 1.4 / 6), (0.65, 1.0), z, colour))
    u = dice.pick((-0.6, 0.6))
    faces.append(disc((x + u, 1.17, z), (0.1, 0.12), (255, 170, 40), glowing=True))
    return solid(x, z, faces, [Lamp(x + u, 1.17, z, 0.25)])


Maker = Callable[[float, float, Dice], Solid]

COMMON: tuple[Maker, ...] = (sign, sign, tree, tree, tree, bin_, hydrant, postbox, meter, bollard)
"""What stands in daylight."""
EVENING: tuple[Maker, ...] = (
    sign,
    tree,
    tree,
    bin_,
    meter,
    bollard,
    advert,
    parasol,
    parasol,
    shrub,
    shrub,
    barrier,
)
"""What stands at dusk: partly things that no daylight picture shows."""


def car(x: float, z: float, colour: Colour, *, coming: bool = False, lit: bool = False) -> Solid:
    """A car 1.75 m wide and 4.2 m long, front towards the camera, seen from its left.

    Args:
        x: Its edge nearest to the camera's lane, metres.
        z: Its nearest end, metres.
        colour: Of the body.
        coming: Drives; its lamps are on at dusk.
        lit: It is dusk.
    """
    left, right = x - 1.75, x
    side = [(0.0, 0.3), (0.0, 0.82), (0.9, 0.95), (1.5, 1.42), (3.3, 1.42), (4.1, 0.95), (4.2, 0.3)]
    glass = [(1.15, 0.98), (1.6, 1.34), (3.2, 1.34), (3.75, 0.98)]
    screen = (
        (left + 0.08, 0.95, z + 0.9),
        (right - 0.08, 0.95, z + 0.9),
        (right - 0.2, 1.42, z + 1.5),
        (left + 0.2, 1.42, z + 1.5),
    )
    hood = ((left, 0.82, z), (right, 0.82, z), (right, 0.95, z + 0.9), (left, 0.95, z + 0.9))
    shining = coming and lit
    bulb = (255, 250, 225) if shining else (205, 208, 205)
    faces = [
        Face(screen, GLASS),
        Face(hood, tint(colour, 1.15)),
        Face(tuple((right, y, z + along) for along, y in side), tint(colour, 0.82)),
        Face(tuple((right, y, z + along) for along, y in glass), tint(GLASS, 0.8)),
        wheel(right, 0.3, z + 0.8, 0.31, (28, 28, 30)),
        wheel(right, 0.3, z + 3.4, 0.31, (28, 28, 30)),
        panel((left, right), (0.28, 0.82), z, colour),
        panel((left + 0.1, right - 0.1), (0.18, 0.4), z, (36, 36, 40)),
        disc((left + 0.25, 0.66, z), (0.19, 0.1), bulb, glowing=shining),
        disc((right - 0.25, 0.66, z), (0.19, 0.1), bulb, glowing=shining),
    ]
    lamps = [Lamp(left + 0.25, 0.66, z, 0.75), Lamp(right - 0.25, 0.66, z, 0.75)] if shining else []
    return solid((left + right) / 2, z, faces, lamps, long=True)
