"""What exists in one drive, generated stretch by stretch so that a street has no end.

Everything here is in metres and frames and depends on the seed alone; no picture size enters.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import IntEnum, StrEnum
from functools import lru_cache

from thrifty.data.street.clothes import dress_up
from thrifty.data.street.dice import Dice
from thrifty.data.street.figure import Person, Pose
from thrifty.data.street.houses import (
    LEFT_CURB,
    LEFT_WALL,
    RIGHT_CURB,
    RIGHT_WALL,
    facade,
    road_marks,
)
from thrifty.data.street.solid import Colour, Solid
from thrifty.data.street.things import COMMON, EVENING, car, lamp_post


class Look(StrEnum):
    """Light, clothes and things of a street.

    `DAYLIGHT` is crowded: nearly every frame shows people, as in a start set of chosen stills. `DUSK`
    is mostly empty: people come in bursts, in about 20 % of the frames of long drives.
    """

    DAYLIGHT = "daylight"
    DUSK = "dusk"


class _Topic(IntEnum):
    """What dice are thrown for: draws for one topic never shift those for another."""

    ROUTE = 0
    STRETCH = 1
    WALKERS = 2
    TRAFFIC = 3
    WALLS = 4


STRETCH = 8.0
"""Length of a stretch of street, metres."""
LAMP_EVERY = 3
"""Stretches between two street lamps."""
# Metres between two encounters with people.
_SPACING = {Look.DAYLIGHT: 4.0, Look.DUSK: 68.0}
_GROUPS = {Look.DAYLIGHT: (1, 1, 2), Look.DUSK: (1, 1, 2, 2, 3, 4, 5)}
_CAR_SPACING = 70.0


@dataclass(frozen=True, slots=True)
class Drive:
    """One ride through a street of its own.

    Attributes:
        look: Daylight or dusk.
        seed: The street's seed.
        number: Which drive of it.
    """

    look: Look
    seed: int
    number: int

    def dice(self, topic: _Topic, index: int = 0) -> Dice:
        """Dice for one topic and one place of this drive; `index` may be negative."""
        look = list(Look).index(self.look)
        return Dice(self.seed, look, self.number, topic, index + 2**20)


@dataclass(frozen=True, slots=True)
class Route:
    """How the camera moves.

    Attributes:
        pace: Metres per frame.
        start: Metres.
        sway: Phase of the slow swings, radians.
        light: Overall brightness of the drive, about 1.
    """

    pace: float
    start: float
    sway: float
    light: float

    def forward(self, frame: float) -> float:
        """Metres along the street; grows with every frame."""
        surge = 1.5 * (math.sin(frame / 19 + self.sway) - math.sin(self.sway))
        return self.start + self.pace * frame + surge

    def when(self, z: float) -> float:
        """The frame, with its fraction, in which the camera is at z."""
        frame = (z - self.start) / self.pace
        for _ in range(12):
            frame += (z - self.forward(frame)) / self.pace
        return frame

    def aside(self, frame: float) -> float:
        """Metres to the right of the lane's middle."""
        return 0.25 * math.sin(frame / 31 + 2 * self.sway)

    def turn(self, frame: float) -> float:
        """Yaw as a share of the focal length, positive to the right."""
        return 0.05 * math.sin(frame / 23 + 3 * self.sway)

    def nod(self, frame: float) -> float:
        """Pitch as a share of the focal length."""
        return 0.004 * math.sin(frame / 2.3 + self.sway) + 0.012 * math.sin(frame / 17)


@dataclass(frozen=True, slots=True)
class Walker:
    """A person with a path.

    The path is tied to the camera: `meeting` is the frame in which both are at the same z. So nobody
    walks into the camera, however fast it drives.

    Attributes:
        person: Looks.
        meeting: Frame of the meeting.
        z: Metres, at the meeting.
        x: Metres, at the meeting.
        heading: Radians: 0 walks away along the street, pi comes closer, pi/2 crosses to the right.
        speed: Metres per frame; 0 stands.
        phase: Of the gait at the meeting, radians.
    """

    person: Person
    meeting: float
    z: float
    x: float
    heading: float
    speed: float
    phase: float

    def place(self, frame: float) -> tuple[float, float]:
        """Metres to the right and along the street."""
        walked = self.speed * (frame - self.meeting)
        return self.x + math.sin(self.heading) * walked, self.z + math.cos(self.heading) * walked

    def pose(self, frame: float, bearing: float) -> Pose:
        """How the walker looks from a camera that sees it at `bearing` radians to the right."""
        stride = 0.8 * self.person.stature
        phase = self.phase + 2 * math.pi * self.speed * (frame - self.meeting) / stride
        return Pose(self.heading - bearing, phase, 1.0 if self.speed > 0 else 0.0)


@dataclass(frozen=True, slots=True)
class Mover:
    """An oncoming car.

    Attributes:
        body: Standing at z = 0.
        meeting: Frame in which it passes the camera.
        z: Metres, at the meeting.
        speed: Metres per frame, towards the camera.
    """

    body: Solid
    meeting: float
    z: float
    speed: float

    def place(self, frame: float) -> float:
        """Metres along the street of its front."""
        return self.z - self.speed * (frame - self.meeting)


@dataclass(frozen=True, slots=True)
class Stretch:
    """What stands still on 8 m of street, between the houses."""

    marks: Solid
    things: tuple[Solid, ...]


@lru_cache(maxsize=64)
def route(drive: Drive) -> Route:
    """The camera's way through a drive."""
    dice = drive.dice(_Topic.ROUTE)
    return Route(
        dice.between(0.34, 0.46),
        dice.between(0.0, 2 * _SPACING[drive.look]),
        dice.between(0.0, 2 * math.pi),
        dice.between(0.9, 1.08),
    )


def lamp_place(index: int) -> tuple[float, float]:
    """X and z of the lamp of a stretch whose index is a multiple of `LAMP_EVERY`."""
    return (2.1 if index // LAMP_EVERY % 2 else LEFT_CURB - 0.4), index * STRETCH + 4.0


@lru_cache(maxsize=128)
def stretch(drive: Drive, index: int) -> Stretch:
    """The 8 m of street that begin at `8 * index`."""
    dice = drive.dice(_Topic.STRETCH, index)
    z, lit = index * STRETCH, drive.look is Look.DUSK
    things = [_furniture(drive, dice, z) for _ in range(_how_many(dice))]
    things += _parked(dice, z)
    if index % LAMP_EVERY == 0:
        things.append(lamp_post(*lamp_place(index), lit=lit))
    return Stretch(road_marks(z, dice), tuple(things))


@lru_cache(maxsize=128)
def walls(drive: Drive, index: int) -> tuple[Solid, ...]:
    """The houses on both sides of a stretch; they are seen from much farther than what stands there."""
    dice, lit = drive.dice(_Topic.WALLS, index), drive.look is Look.DUSK
    return tuple(
        facade(x, index * STRETCH, STRETCH, dice, lit=lit) for x in (RIGHT_WALL, LEFT_WALL)
    )


def _how_many(dice: Dice) -> int:
    return dice.pick((0, 0, 1, 1, 2, 2, 3))


def _furniture(drive: Drive, dice: Dice, z: float) -> Solid:
    make = dice.pick(COMMON if drive.look is Look.DAYLIGHT else EVENING)
    places = (RIGHT_CURB + 0.45, RIGHT_WALL - 0.45, LEFT_CURB - 0.45, LEFT_WALL + 0.45)
    return make(dice.pick(places), z + dice.between(0.0, STRETCH), dice)


def _parked(dice: Dice, z: float) -> list[Solid]:
    if not dice.chance(0.4):
        return []
    return [car(LEFT_CURB + 1.8, z + dice.between(0.5, 3.0), _paint(dice))]


def _paint(dice: Dice) -> Colour:
    paints = (
        (180, 34, 36),
        (40, 70, 130),
        (208, 208, 204),
        (56, 58, 62),
        (120, 126, 130),
        (70, 110, 90),
        (222, 222, 220),
    )
    return dice.pick(paints)


@lru_cache(maxsize=128)
def traffic(drive: Drive, index: int) -> Mover | None:
    """The oncoming car of a block of 70 m, if there is one."""
    dice = drive.dice(_Topic.TRAFFIC, index)
    if dice.chance(0.35):
        return None
    z = (index + dice.between(0.0, 1.0)) * _CAR_SPACING
    body = car(-1.35, 0.0, _paint(dice), coming=True, lit=drive.look is Look.DUSK)
    return Mover(body, route(drive).when(z), z, dice.between(0.35, 0.8))


def movers(drive: Drive, z: float, reach: float) -> list[Mover]:
    """Cars that may be seen from z up to `reach` metres ahead."""
    # A car ahead meets the camera before its distance is driven, so blocks up to `reach` suffice.
    blocks = range(math.floor((z - 10) / _CAR_SPACING), math.floor((z + reach) / _CAR_SPACING) + 1)
    found = [traffic(drive, index) for index in blocks]
    return [mover for mover in found if mover is not None]


@lru_cache(maxsize=256)
def encounter(drive: Drive, index: int) -> tuple[Walker, ...]:
    """The people met in one block of the street."""
    dice, spacing = drive.dice(_Topic.WALKERS, index), _SPACING[drive.look]
    # Not at the ends of a block, so that stretches without people differ less in length.
    z = (index + dice.between(0.2, 0.8)) * spacing
    plan = _plan(dice)
    count = dice.pick(_GROUPS[drive.look])
    together = dice.chance(0.6)
    return tuple(_walker(drive, dice, z, plan if together else _plan(dice)) for _ in range(count))


def walkers(drive: Drive, z: float, reach: float) -> list[Walker]:
    """People who may be seen from z up to `reach` metres ahead."""
    # The camera closes in on who walks away at half its own pace or more, so it meets nobody
    # farther off than twice the distance at which they come into view.
    spacing = _SPACING[drive.look]
    blocks = range(math.floor((z - 6) / spacing), math.floor((z + 2 * reach + 6) / spacing) + 1)
    return [walker for index in blocks for walker in encounter(drive, index)]


@dataclass(frozen=True, slots=True)
class _Plan:
    """What a group does: which way at which speed, and where it meets the camera."""

    x: float
    heading: float
    speed: float


def _plan(dice: Dice) -> _Plan:
    speed = dice.between(0.09, 0.15)
    if dice.chance(0.22):
        # Left-bound walkers leave the lane in time; right-bound ones reach the pavement in time.
        heading = dice.pick((math.pi / 2, -math.pi / 2)) + dice.between(-0.25, 0.25)
        ahead = dice.between(9.0, 16.0) * speed
        return _Plan(RIGHT_CURB + 0.3 + ahead if heading > 0 else -1.7 - ahead, heading, speed)
    right = dice.chance(0.62)
    x = (
        dice.between(RIGHT_CURB + 0.5, RIGHT_WALL - 0.7)
        if right
        else dice.between(LEFT_WALL + 0.6, LEFT_CURB - 0.4)
    )
    if dice.chance(0.18):
        return _Plan(x, dice.between(-math.pi, math.pi), 0.0)
    return _Plan(x, dice.pick((0.0, math.pi)) + dice.between(-0.06, 0.06), speed)


def _walker(drive: Drive, dice: Dice, z: float, plan: _Plan) -> Walker:
    place = z + dice.between(-2.0, 2.0)
    side = dice.between(-0.45, 0.45)
    return Walker(
        dress_up(dice, day=drive.look is Look.DAYLIGHT),
        route(drive).when(place),
        place,
        plan.x + side,
        plan.heading,
        plan.speed,
        dice.between(0.0, 2 * math.pi),
    )
