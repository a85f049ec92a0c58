"""The rendered street: deterministic, exact boxes, the promised share of people, smooth."""

from __future__ import annotations

import hashlib
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from thrifty.data.street import Look, Street, extents, figure, painting
from thrifty.data.street.camera import FINE, Polygon
from thrifty.data.street.scene import Layer, Scene
from thrifty.errors import DataError
from thrifty.types import BoolArray, Image

DAY = Street(Look.DAYLIGHT, seed=4, drives=60, frames=3)
DUSK = Street(Look.DUSK, seed=4, drives=8, frames=300)

SAMPLE = [(DAY, drive, 0) for drive in range(12)] + [
    (DUSK, drive, frame) for drive in range(8) for frame in range(0, 300, 35)
]


def scene_of(street: Street, drive: int, frame: int) -> Scene:
    return street._scene(drive, frame)


def mask_of(scene: Scene, layer: Layer) -> BoolArray:
    """Picture pixels that a body touches, painted alone."""
    fine = np.asarray(extents.silhouette(scene.camera, layer.body)) > 0
    height, width = fine.shape
    return np.asarray(fine.reshape(height // FINE, FINE, width // FINE, FINE).any(axis=(1, 3)))


def bounds(mask: BoolArray) -> list[float]:
    rows, columns = np.nonzero(mask.any(axis=1))[0], np.nonzero(mask.any(axis=0))[0]
    return [float(v) for v in (columns[0], rows[0], columns[-1] + 1, rows[-1] + 1)]


def digest(street: Street, frames: list[tuple[int, int]]) -> str:
    total = hashlib.sha256()
    for drive, frame in frames:
        image, people = street.render(drive, frame)
        total.update(image.tobytes() + people.boxes.tobytes() + people.ignore.tobytes())
    return total.hexdigest()


def difference(first: Image, second: Image) -> float:
    return float(np.abs(first.astype(np.int16) - second).mean())


@pytest.mark.parametrize("look", list(Look))
def test_fresh_process_renders_the_same_bits(look: Look) -> None:
    frames = [(1, 5), (0, 0), (1, 40)]
    program = (
        "import sys; sys.path.insert(0, sys.argv[1])\n"
        "from test_street import Look, Street, digest\n"
        f"print(digest(Street(Look('{look}'), 11, 2, 50), {frames}))"
    )
    folder = str(Path(__file__).parent)
    fresh = subprocess.run(
        [sys.executable, "-c", program, folder], capture_output=True, text=True, check=True
    )
    assert fresh.stdout.strip() == digest(Street(look, 11, 2, 50), frames)


def test_order_and_cache_do_not_matter() -> None:
    frames = [(drive, frame) for drive in range(3) for frame in (0, 9, 150)]
    forward = {key: digest(DUSK, [key]) for key in frames}
    for drive in range(40):
        DAY.annotate(drive, 0)
    assert {key: digest(DUSK, [key]) for key in reversed(frames)} == forward


def test_frame_does_not_depend_on_how_many_there_are() -> None:
    longer = replace(DUSK, drives=50, frames=1000)
    assert digest(longer, [(2, 17)]) == digest(DUSK, [(2, 17)])


@pytest.mark.parametrize(
    "other",
    [replace(DUSK, seed=5), replace(DUSK, look=Look.DAYLIGHT)],
    ids=["seed", "look"],
)
def test_seed_and_look_change_the_picture(other: Street) -> None:
    assert difference(DUSK.render(0, 0)[0], other.render(0, 0)[0]) > 10


def test_drives_differ() -> None:
    assert difference(DUSK.render(0, 0)[0], DUSK.render(1, 0)[0]) > 10


def test_boxes_are_the_extents_of_masks() -> None:
    seen = 0
    for street, drive, frame in SAMPLE:
        scene = scene_of(street, drive, frame)
        masks = [mask_of(scene, layer) for layer in scene.layers if layer.person]
        expected = [bounds(mask) for mask in masks if mask.any()]
        assert street.render(drive, frame)[1].boxes.tolist() == expected
        seen += len(expected)
    assert seen > 40


def test_boxes_hold_exactly_what_is_painted() -> None:
    """Undress one person at a time: the pixels that change are the person, as far as visible."""
    seen = 0
    for street, drive, frame in SAMPLE:
        scene = scene_of(street, drive, frame)
        plain = np.asarray(painting.paint(scene).reduce(FINE)).astype(int)
        people = [index for index, layer in enumerate(scene.layers) if layer.person]
        if not people:
            continue
        layer = scene.layers[people[-1]]
        inverted: list[Polygon] = [
            (corners, tuple(255 if value < 128 else 0 for value in ink))
            for corners, ink in layer.body
        ]
        layers = list(scene.layers)
        layers[people[-1]] = replace(layer, body=inverted)
        strange = np.asarray(painting.paint(replace(scene, layers=layers)).reduce(FINE)).astype(int)
        changed = np.abs(plain - strange).max(axis=2) > 0
        mask = mask_of(scene, layer)
        assert not (changed & ~mask).any()
        extent = extents.measure(replace(scene, layers=layers[: people[-1] + 1]))
        if len(extent) == len(people) and changed.sum() == mask.sum():
            assert bounds(changed) == list(extent[-1].box)
            seen += 1
    assert seen >= 8


@pytest.mark.parametrize("street", [DAY, DUSK], ids=["day", "dusk"])
def test_boxes_lie_inside_the_picture(street: Street) -> None:
    boxes = np.concatenate(
        [street.annotate(d, f).boxes for d in range(8) for f in range(0, street.frames, 25)]
    )
    assert len(boxes) > 10
    assert (boxes[:, :2] >= 0).all()
    assert (boxes[:, 2] <= street.width).all()
    assert (boxes[:, 3] <= street.height).all()
    assert (boxes[:, 2:] > boxes[:, :2]).all()


def test_annotate_agrees_with_render() -> None:
    for street, drive, frame in SAMPLE[::6]:
        alone, rendered = street.annotate(drive, frame), street.render(drive, frame)[1]
        assert alone.boxes.tolist() == rendered.boxes.tolist()
        assert alone.ignore.tolist() == rendered.ignore.tolist()


def person_of(box: tuple[int, int, int, int], depth: float) -> Layer:
    """Somebody rectangular whose box is `box` in picture pixels."""
    left, top, right, bottom = (FINE * value for value in box)
    corners = [left, top, right - 1, top, right - 1, bottom - 1, left, bottom - 1]
    return Layer(depth, [], [(corners, (1, 1, 1))], person=True)


def test_low_and_hidden_people_are_ignored_and_others_counted() -> None:
    layers = [
        person_of((10, 100, 20, 119), 9.0),
        person_of((30, 100, 40, 120), 8.0),
        person_of((50, 100, 60, 150), 7.0),  # 30 % visible
        person_of((50, 115, 60, 160), 6.0),
        person_of((70, 100, 80, 150), 5.0),  # 40 % visible
        person_of((70, 120, 80, 160), 4.0),
        person_of((-7, 100, 3, 150), 3.0),  # 30 % in the picture
    ]
    people = DAY._annotate(replace(scene_of(DAY, 0, 0), layers=layers))
    assert people.ignore.tolist() == [True, False, True, False, False, False, True]
    assert people.boxes[-1].tolist() == [0, 100, 3, 150]


def test_visible_share_counts_what_covers_a_body() -> None:
    scene = scene_of(DAY, 0, 0)
    square: list[Polygon] = [([20, 20, 59, 20, 59, 59, 20, 59], (1, 1, 1))]
    half: list[Polygon] = [([40, 0, 99, 0, 99, 99, 40, 99], (1, 1, 1))]
    person = Layer(9.0, [], square, person=True)

    def visible(*nearer: Layer) -> float:
        return extents.measure(replace(scene, layers=[person, *nearer]))[0].visible

    assert visible() == 1.0
    assert visible(Layer(5.0, [], half)) == 0.5
    assert visible(Layer(5.0, half, [])) == 1.0  # a shadow hides nobody
    cut = replace(person, body=[([-20, 20, 19, 20, 19, 59, -20, 59], (1, 1, 1))])
    (extent,) = extents.measure(replace(scene, layers=[cut]))
    assert extent.visible == 0.5
    assert extent.box == (0, 10, 10, 30)


def test_daylight_stills_nearly_all_show_people() -> None:
    stills = Street(Look.DAYLIGHT, seed=0, drives=100, frames=1)
    counts = [len(stills.annotate(drive, 0).objects) for drive in range(100)]
    assert np.mean(np.array(counts) > 0) > 0.95


def test_a_fifth_of_dusk_frames_shows_people_in_bursts() -> None:
    street = Street(Look.DUSK, seed=0, drives=48, frames=400)
    shown = np.array(
        [
            [len(street.annotate(drive, frame).objects) > 0 for frame in range(0, 400, 16)]
            for drive in range(48)
        ]
    )
    assert 0.15 < shown.mean() < 0.25
    # Independent frames would agree with the next one in 68 of 100 cases.
    assert (shown[:, 1:] == shown[:, :-1]).mean() > 0.8


def test_people_come_in_all_sizes_of_the_default_boxes() -> None:
    boxes = np.concatenate([DAY.annotate(drive, 0).objects for drive in range(60)])
    heights = boxes[:, 3] - boxes[:, 1]
    counts, _ = np.histogram(heights, [20, 33, 54, 90, 240])
    assert (counts > 0).all()
    assert 0.4 < np.median((boxes[:, 2] - boxes[:, 0]) / heights) < 0.6


@pytest.mark.parametrize("look", list(Look))
def test_neighbours_are_similar_and_distant_frames_are_not(look: Look) -> None:
    street = Street(look, seed=2, drives=3, frames=60)
    for drive in range(3):
        images = [street.render(drive, frame)[0] for frame in (20, 21, 35, 50)]
        near, far = difference(images[0], images[1]), difference(images[0], images[2])
        assert near < 0.75 * far
        assert near < difference(images[0], images[3])


def test_people_move_smoothly() -> None:
    """A box of one frame finds its successor close by."""
    followed = 0
    for frame in range(3 * 99):
        drive, start = divmod(frame, 99)
        now, then = (DUSK.annotate(drive, start + step).objects for step in (0, 1))
        if len(now) and len(now) == len(then):
            heights = now[:, 3] - now[:, 1]
            moved = np.abs(now[:, None, 1:4:2] - then[None, :, 1:4:2]).max(axis=2).min(axis=1)
            assert (moved < 4 + 0.25 * heights).all()
            followed += len(now)
    assert followed > 0


def test_dusk_is_darker_and_bluer() -> None:
    day = np.mean([DAY.render(drive, 0)[0].mean(axis=(0, 1)) for drive in range(6)], axis=0)
    dusk = np.mean([DUSK.render(drive, 0)[0].mean(axis=(0, 1)) for drive in range(6)], axis=0)
    assert dusk.mean() < 0.75 * day.mean()
    assert dusk[2] / dusk[0] > 1.1 * day[2] / day[0]


def test_gait_moves_the_legs_of_walkers_only() -> None:
    person = figure.Person(
        1.75,
        1.2,
        0.08,
        (200, 0, 0),
        (0, 0, 200),
        (220, 180, 150),
        (20, 20, 20),
        figure.Dress.TROUSERS,
    )

    def width(phase: float, swing: float) -> float:
        pose = figure.Pose(heading=np.pi / 2, phase=phase, swing=swing)
        across = [u for spots, _ in figure.draw_body(person, pose) for u, _ in spots]
        return max(across) - min(across)

    assert width(np.pi / 2, 1.0) > 1.2 * width(0.0, 1.0)
    assert width(np.pi / 2, 0.0) == pytest.approx(width(0.0, 0.0))


@pytest.mark.parametrize(("width", "height"), [(64, 48), (101, 77), (333, 481), (640, 360)])
@pytest.mark.parametrize("look", list(Look))
def test_any_size(look: Look, width: int, height: int) -> None:
    street = Street(look, 3, 2, 4, width, height)
    image, people = street.render(1, 3)
    assert image.shape == (height, width, 3)
    assert image.dtype == np.uint8
    assert image.std() > 5
    assert (people.boxes[:, 2:] <= (width, height)).all()


def test_boxes_scale_with_the_picture() -> None:
    small, large = (replace(DAY, width=320 * k, height=240 * k).annotate(5, 0) for k in (1, 2))
    assert len(small) == len(large) > 0
    np.testing.assert_allclose(small.boxes, large.boxes / 2, atol=1.0)


@pytest.mark.parametrize(
    ("drive", "frame", "message"),
    [
        (60, 0, "no drive 60; ask for 0 to 59"),
        (-1, 0, "no drive -1"),
        (0, 3, "no frame 3; ask for 0 to 2"),
        (0, -1, "no frame -1"),
    ],
)
def test_frame_out_of_range(drive: int, frame: int, message: str) -> None:
    with pytest.raises(DataError, match=message) as caught:
        DAY.render(drive, frame)
    assert "\n" not in str(caught.value)
    with pytest.raises(DataError, match=message):
        DAY.annotate(drive, frame)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"width": 63}, "size 63x240 is too small"),
        ({"height": 47}, "size 320x47 is too small"),
        ({"drives": 0}, "drives is 0; set it to 1 or more"),
        ({"frames": -2}, "frames is -2; set it to 1 or more"),
        ({"seed": -1}, "seed is -1; set it to 0 or more"),
    ],
)
def test_impossible_streets(changes: dict[str, int], message: str) -> None:
    with pytest.raises(DataError, match=message) as caught:
        replace(DAY, **changes)  # type: ignore[arg-type]
    assert "\n" not in str(caught.value)
