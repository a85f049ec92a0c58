"""People: an articulated figure that walks, seen from any side."""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import Enum, auto

from thrifty.data.street.solid import Colour, tint

Spot = tuple[float, float]
Patch = tuple[list[Spot], Colour]
"""A polygon in metres, right of and above the point between the feet, and its colour in full light."""

# Shares of the stature. Heads and limbs are a little thicker than life, to survive at 25 pixels.
_HIP, _THIGH, _SHIN = 0.50, 0.245, 0.235
_SHOULDER, _UPPER_ARM, _FOREARM = 0.80, 0.17, 0.16
_HEAD, _HEAD_HIGH, _HEAD_WIDE = 0.92, 0.08, 0.062


class Dress(Enum):
    """What covers the legs."""

    TROUSERS = auto()
    SHORTS = auto()
    SKIRT = auto()
    COAT = auto()


@dataclass(frozen=True, slots=True)
class Person:
    """Looks of one person, the same in every frame.

    Attributes:
        stature: Metres.
        girth: 1 is slim, 1.5 stout.
        spread: How far the hands hang from the body, as a share of the stature.
        top: Colour of the upper body.
        bottom: Colour of trousers or skirt.
        skin: Colour of face and hands.
        hair: Colour of hair, hat or hood.
        dress: What covers the legs.
        bag: Colour of a bag carried in the right hand, if any.
        umbrella: Colour of an open umbrella, if any. It is no part of the body.
        vest: Wears a bright vest with reflecting stripes.
    """

    stature: float
    girth: float
    spread: float
    top: Colour
    bottom: Colour
    skin: Colour
    hair: Colour
    dress: Dress
    bag: Colour | None = None
    umbrella: Colour | None = None
    vest: bool = False


@dataclass(frozen=True, slots=True)
class Pose:
    """How a person stands in one frame.

    Attributes:
        heading: Radians between the line of sight and the walk: 0 walks away, pi comes closer, pi/2
            walks to the right.
        phase: Radians of the gait; 2 pi is two steps.
        swing: 0 stands still, 1 walks.
    """

    heading: float
    phase: float
    swing: float


class _Body:
    """Joints of one person in one pose, in shares of the stature, seen from the camera."""

    def __init__(self, person: Person, pose: Pose) -> None:
        self._person = person
        self._pose = pose
        self._cos, self._sin = math.cos(pose.heading), math.sin(pose.heading)
        self._legs = {side: self._bend_leg(side) for side in (-1, 1)}
        # The lower foot carries the body, whatever the legs do.
        self._lift = -min(ankle for *_, (_, ankle) in self._legs.values()) + 0.02
        self.near = 1 if self._sin > 0 else -1
        self.facing = self._cos < 0.35
        self.profile = self._sin

    def spot(self, across: float, ahead: float, up: float) -> Spot:
        """From the walker's own axes to right and up in the picture, in metres."""
        size = self._person.stature
        return (across * self._cos + ahead * self._sin) * size, (up + self._lift) * size

    def _phase(self, side: int) -> float:
        return self._pose.phase + (math.pi if side < 0 else 0.0)

    def _bend_leg(self, side: int) -> tuple[Spot, Spot]:
        phase, amount = self._phase(side), self._pose.swing
        swing = 0.44 * amount * math.sin(phase)
        bend = amount * (0.1 + 0.8 * max(0.0, math.cos(phase)))
        knee = (_THIGH * math.sin(swing), _HIP - _THIGH * math.cos(swing))
        ankle = (
            knee[0] + _SHIN * math.sin(swing - bend),
            knee[1] - _SHIN * math.cos(swing - bend),
        )
        return knee, ankle

    def leg(self, side: int) -> tuple[Spot, Spot, Spot, Spot]:
        """Hip, knee, ankle and toe."""
        knee, ankle = self._legs[side]
        wide = 0.055 * self._person.girth * side
        return (
            self.spot(wide, 0.0, _HIP),
            self.spot(wide * 1.05, *knee),
            self.spot(wide * 1.15, *ankle),
            self.spot(wide * 1.5, ankle[0] + 0.09, ankle[1]),
        )

    def arm(self, side: int) -> tuple[Spot, Spot, Spot]:
        """Shoulder, elbow and hand."""
        person, swing = self._person, -0.5 * self._pose.swing * math.sin(self._phase(side))
        shoulder = (0.1 * person.girth) * side
        elbow = shoulder + (0.02 + 0.6 * person.spread) * side
        hand = shoulder + (0.02 + person.spread) * side
        ahead, bend = _UPPER_ARM * math.sin(swing), swing + 0.35
        low = _SHOULDER - 0.02 - _UPPER_ARM * math.cos(swing)
        return (
            self.spot(shoulder, 0.0, _SHOULDER - 0.02),
            self.spot(elbow, ahead, low),
            self.spot(hand, ahead + _FOREARM * math.sin(bend), low - _FOREARM * math.cos(bend)),
        )

    def half_width(self, front: float, side: float) -> float:
        """Half the apparent width of a part so wide from the front and from the side, in metres."""
        wide = abs(self._cos) * front + abs(self._sin) * side
        return wide * self._person.girth * self._person.stature


def draw_body(person: Person, pose: Pose) -> list[Patch]:
    """The patches of a body, in the order of painting; they make up exactly what a box encloses."""
    body = _Body(person, pose)
    near, far = body.near, -body.near
    patches = _leg(body, person, far, 0.72) + _arm(body, person, far, 0.7)
    patches += _leg(body, person, near, 1.0) + _trunk(body, person) + _head(body, person)
    return patches + _arm(body, person, near, 0.86)


def draw_umbrella(person: Person, pose: Pose) -> list[Patch]:
    """The patches of an open umbrella above the person, or none."""
    if person.umbrella is None:
        return []
    body = _Body(person, pose)
    x, y = body.spot(0.06, 0.1, 0.93)
    wide, rise = 0.31 * person.stature, 0.17 * person.stature
    turns = [math.pi * index / 8 for index in range(9)]
    canopy = [(x + wide * math.cos(t), y + rise * math.sin(t)) for t in turns]
    left, right = canopy[2:5], canopy[4:7]
    return [
        (_bar((x, y - 0.35 * person.stature), (x, y), 0.012, 0.012), (60, 60, 60)),
        (canopy, person.umbrella),
        ([(x, y), *left], tint(person.umbrella, 1.25)),
        ([(x, y), *right], tint(person.umbrella, 0.8)),
    ]


def _bar(start: Spot, end: Spot, first: float, last: float) -> list[Spot]:
    """A limb of half widths `first` and `last`, with blunt ends."""
    dx, dy = end[0] - start[0], end[1] - start[1]
    length = math.hypot(dx, dy) or 1.0
    dx, dy = dx / length, dy / length
    return [
        (start[0] - dy * first, start[1] + dx * first),
        (start[0] - dx * first * 0.7, start[1] - dy * first * 0.7),
        (start[0] + dy * first, start[1] - dx * first),
        (end[0] + dy * last, end[1] - dx * last),
        (end[0] + dx * last * 0.7, end[1] + dy * last * 0.7),
        (end[0] - dy * last, end[1] + dx * last),
    ]


def _oval(x: float, y: float, wide: float, high: float) -> list[Spot]:
    turns = [2 * math.pi * index / 12 for index in range(12)]
    return [(x + wide * math.cos(t), y + high * math.sin(t)) for t in turns]


def _leg(body: _Body, person: Person, side: int, gain: float) -> list[Patch]:
    hip, knee, ankle, toe = body.leg(side)
    thick = person.stature * (0.026 + 0.022 * person.girth)
    bare = person.dress in {Dress.SHORTS, Dress.SKIRT}
    shin = tint(person.skin if bare else person.bottom, gain)
    thigh = shin if person.dress is Dress.SKIRT else tint(person.bottom, gain)
    return [
        (_bar(ankle, toe, thick * 0.5, thick * 0.42), tint((45, 38, 36), gain)),
        (_bar(knee, ankle, thick * 0.8, thick * 0.55), shin),
        (_bar(hip, knee, thick * 1.1, thick * 0.85), thigh),
    ]


def _arm(body: _Body, person: Person, side: int, gain: float) -> list[Patch]:
    shoulder, elbow, hand = body.arm(side)
    thick = person.stature * (0.018 + 0.014 * person.girth)
    sleeve = tint(person.top, gain)
    patches: list[Patch] = []
    if side > 0 and person.bag is not None:
        size = person.stature
        bag = [(-0.07, -0.02), (0.07, -0.02), (0.085, -0.17), (-0.085, -0.17)]
        corners = [(hand[0] + u * size, hand[1] + v * size) for u, v in bag]
        patches.append((corners, tint(person.bag, gain)))
    return [
        *patches,
        (_oval(hand[0], hand[1], thick * 0.85, thick * 0.85), tint(person.skin, gain)),
        (_bar(elbow, hand, thick * 0.9, thick * 0.7), sleeve),
        (_bar(shoulder, elbow, thick * 1.1, thick), sleeve),
    ]


def _trunk(body: _Body, person: Person) -> list[Patch]:
    shoulders, waist = body.half_width(0.115, 0.075), body.half_width(0.082, 0.068)
    hips = body.half_width(0.09, 0.078)
    (x, hip), (_, shoulder) = (
        body.spot(0.0, 0.0, _HIP - 0.03),
        body.spot(0.0, 0.0, _SHOULDER + 0.02),
    )
    rise = shoulder - hip
    patches = _hem(person, (x, hip), hips)
    torso = [
        (x - shoulders * 0.45, shoulder + 0.03 * person.stature),
        (x + shoulders * 0.45, shoulder + 0.03 * person.stature),
        (x + shoulders, shoulder - 0.02 * person.stature),
        (x + waist, hip + 0.4 * rise),
        (x + hips, hip),
        (x - hips, hip),
        (x - waist, hip + 0.4 * rise),
        (x - shoulders, shoulder - 0.02 * person.stature),
    ]
    patches.append((torso, person.top))
    if person.vest:
        patches += _vest((x, hip), waist, rise)
    return patches


def _hem(person: Person, hip: Spot, wide: float) -> list[Patch]:
    x, y = hip
    if person.dress not in {Dress.SKIRT, Dress.COAT}:
        return []
    long = (0.18 if person.dress is Dress.SKIRT else 0.24) * person.stature
    colour = person.bottom if person.dress is Dress.SKIRT else tint(person.top, 0.93)
    flare = wide * 1.35
    top = y + 0.06 * person.stature
    return [
        ([(x - wide, top), (x + wide, top), (x + flare, y - long), (x - flare, y - long)], colour)
    ]


def _vest(hip: Spot, waist: float, rise: float) -> list[Patch]:
    (x, y), wide = hip, waist * 1.02
    bands = [(0.12, 0.95, (215, 235, 40)), (0.3, 0.4, (245, 245, 235)), (0.6, 0.7, (245, 245, 235))]
    return [
        (
            [
                (x - wide, y + low * rise),
                (x + wide, y + low * rise),
                (x + wide, y + high * rise),
                (x - wide, y + high * rise),
            ],
            colour,
        )
        for low, high, colour in bands
    ]


def _head(body: _Body, person: Person) -> list[Patch]:
    size = person.stature
    x, y = body.spot(0.0, 0.02, _HEAD)
    wide, high = _HEAD_WIDE * size, _HEAD_HIGH * size
    neck = _bar((x, y - high * 1.3), (x, y), wide * 0.5, wide * 0.5)
    skull = _oval(x, y, wide, high)
    if not body.facing:
        return [(neck, person.skin), (skull, person.hair)]
    # From the side the hair slides to the back of the head.
    shift = -0.4 * wide * body.profile
    crown = _oval(x + shift, y + high * 0.42, wide * 0.98, high * 0.62)
    return [(neck, person.skin), (skull, person.skin), (crown, person.hair)]
