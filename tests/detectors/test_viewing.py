"""Views: what a detector is shown for each, and what comes back of it."""

from collections.abc import Sequence
from typing import Literal

import numpy as np
import pytest
import torch
from torch import Tensor

from thrifty.config import DetectorSection
from thrifty.detectors.checked import CheckedDetector
from thrifty.detectors.paper import PaperDetector, make_network
from thrifty.detectors.viewing import chance_of, look, mirror
from thrifty.maps import ClassMaps
from thrifty.testing import StubDetector
from thrifty.types import Detections, Frame, Image, Record
from thrifty.views import (
    AlteredBoxes,
    Boxes,
    Features,
    Maps,
    Members,
    NoisyBoxes,
    Passes,
    Proposals,
    View,
)

HEIGHT, WIDTH = 40, 60


class Watched(StubDetector):
    """The stub, and what it was asked."""

    def __init__(self, shift: float = 0.0) -> None:
        super().__init__(shift)
        self.shown: list[Frame] = []
        self.asked: list[object] = []

    def detect(self, frames: Sequence[Frame]) -> list[Detections]:
        self.asked.append("detect")
        self.shown += frames
        return super().detect(frames)

    def class_maps(self, frames: Sequence[Frame]) -> ClassMaps:
        self.asked.append("class maps")
        return super().class_maps(frames)

    def passes(self, frames: Sequence[Frame], count: int, drop: float) -> list[ClassMaps]:
        self.asked.append((count, drop))
        return super().passes(frames, count, drop)

    def features(self, frames: Sequence[Frame], layer: Literal["last", "deep"]) -> Tensor:
        self.asked.append(layer)
        return super().features(frames, layer)


def frame(
    name: str, image: Image | None = None, scale: float = 1.0, brightness: int = 255
) -> Frame:
    """A frame with a red block, columns 10 to 20 and rows 5 to 15, unless another picture is given."""
    if image is None:
        image = np.zeros((HEIGHT, WIDTH, 3), dtype=np.uint8)
        image[5:15, 10:20, 0] = brightness
    height, width = image.shape[:2]
    record = Record(name, f"{name}.png", round(width / scale), round(height / scale))
    return Frame(record, image, scale)


def flat(name: str, brightness: int = 128) -> Frame:
    return frame(name, np.full((HEIGHT, WIDTH, 3), brightness, dtype=np.uint8))


def altered(how: Literal["flip", "cutout", "smaller"], *frames: Frame) -> Sequence[Detections]:
    view = AlteredBoxes((how,))
    [answer] = look(StubDetector(), frames, {view})[view]
    return answer


def shown(view: View[object], *frames: Frame) -> list[Frame]:
    """The pictures that a detector gets for a view, in the order in which it gets them."""
    detector = Watched()
    look(detector, frames, {view})
    return detector.shown


FLIP, CUTOUT, SMALLER = (AlteredBoxes((how,)) for how in ("flip", "cutout", "smaller"))


def test_boxes_of_the_mirrored_picture_come_back_mirrored() -> None:
    [found] = altered("flip", frame("a"))
    assert found.boxes.tolist() == [[10.0, 5.0, 20.0, 15.0]]
    # In the mirrored picture the block goes from 40 to 50, and the stub's proposal from 40 to 0.99 * 50 and from 5 to
    # 0.98 * 15.
    assert found.proposals is not None
    assert found.proposals[0].tolist() == pytest.approx([60 - 49.5, 5.0, 60 - 40.0, 14.7])
    # Pixels of the stored frame, twice as large: it is 120 wide.
    [stored] = altered("flip", frame("a", scale=0.5))
    assert stored.boxes.tolist() == [[20.0, 10.0, 40.0, 30.0]]
    assert stored.proposals is not None
    assert stored.proposals[0].tolist() == pytest.approx([120 - 99.0, 10.0, 120 - 80.0, 29.4])


def test_all_else_that_is_known_of_mirrored_boxes_stays() -> None:
    [plain] = StubDetector().detect([frame("a")])
    [found] = altered("flip", frame("a"))
    assert found.classes.tolist() == plain.classes.tolist()
    assert found.scores.tolist() == plain.scores.tolist()
    assert found.probabilities is not None
    assert plain.probabilities is not None
    assert found.probabilities.tolist() == plain.probabilities.tolist()


def test_a_detector_that_tells_no_proposals_can_be_shown_mirrored_pictures() -> None:
    class Plain(StubDetector):
        def detect(self, frames: Sequence[Frame]) -> list[Detections]:
            return [Detections(one.boxes, one.scores) for one in super().detect(frames)]

    [[found]] = look(Plain(), [frame("a")], {FLIP})[FLIP]
    assert found.boxes.tolist() == [[10.0, 5.0, 20.0, 15.0]]
    assert found.proposals is None


def test_the_picture_itself_is_mirrored() -> None:
    [seen] = shown(FLIP, frame("a"))
    assert np.argwhere(seen.image[:, :, 0]).min(axis=0).tolist() == [5, 40]
    assert np.argwhere(seen.image[:, :, 0]).max(axis=0).tolist() == [14, 49]


def test_mirroring_twice_changes_nothing() -> None:
    boxes = np.array([[1.0, 2.0, 4.0, 6.0], [0.0, 0.0, 10.0, 1.0]])
    assert mirror(boxes, 10.0).tolist() == [[6.0, 2.0, 9.0, 6.0], [0.0, 0.0, 10.0, 1.0]]
    assert mirror(mirror(boxes, 10.0), 10.0).tolist() == boxes.tolist()
    assert mirror(np.zeros((0, 4)), 10.0).shape == (0, 4)


def test_boxes_of_the_smaller_picture_are_in_pixels_of_the_stored_frame() -> None:
    # 48 x 32 pixels, the block from column 8 and row 4 to column 16 and row 12.
    [seen] = shown(SMALLER, frame("a"))
    assert seen.image.shape == (32, 48, 3)
    assert seen.scale == pytest.approx(0.8)
    [found] = altered("smaller", frame("a"))
    assert found.boxes[0].tolist() == pytest.approx([10.0, 5.0, 20.0, 15.0])
    [half] = shown(SMALLER, frame("a", scale=0.5))
    assert half.image.shape == (32, 48, 3)
    assert half.scale == pytest.approx(0.4)
    [stored] = altered("smaller", frame("a", scale=0.5))
    assert stored.boxes[0].tolist() == pytest.approx([20.0, 10.0, 40.0, 30.0])


def test_boxes_come_back_where_they_were_though_both_sides_were_rounded_apart() -> None:
    """33 x 1001 becomes 26 x 801: the sides shrink by 0.788 and by 0.800."""
    image = np.zeros((1001, 33, 3), dtype=np.uint8)
    image[900:1000, 5:25] = 250
    [found] = altered("smaller", frame("a", image))
    assert found.boxes[0].tolist() == pytest.approx([5, 900, 25, 1000], abs=1.3)


def test_a_picture_of_one_pixel_cannot_become_smaller() -> None:
    [seen] = shown(SMALLER, frame("a", np.full((1, 1, 3), 9, dtype=np.uint8)))
    assert (seen.image.shape, seen.scale) == ((1, 1, 3), 1.0)


def hole(one: Frame) -> tuple[int, int, int, int]:
    """Top, left, bottom and right of what is black."""
    black = np.argwhere((one.image == 0).all(axis=2))
    (top, left), (bottom, right) = black.min(axis=0), black.max(axis=0) + 1
    assert len(black) == (bottom - top) * (right - left)
    return int(top), int(left), int(bottom), int(right)


def test_a_hole_is_a_fifth_of_the_picture_and_has_its_shape() -> None:
    [seen] = shown(CUTOUT, flat("a"))
    top, left, bottom, right = hole(seen)
    # sqrt(0.2) is 0.4472: 17.9 of 40 rows and 26.8 of 60 columns.
    assert (bottom - top, right - left) == (18, 27)
    seen.image[top:bottom, left:right] = 128
    assert (seen.image == 128).all()


def test_what_lies_in_the_hole_is_not_found() -> None:
    [found] = altered("cutout", flat("a", 200))
    [seen] = shown(CUTOUT, flat("a", 200))
    top, left, bottom, right = hole(seen)
    bright = np.zeros((HEIGHT, WIDTH, 3), dtype=np.uint8)
    bright[top:bottom, left:right] = 200
    [nothing] = altered("cutout", frame("a", bright))
    assert len(nothing) == 0
    # Around it there is something.
    assert len(found) == 3


def test_holes_and_noise_differ_from_frame_to_frame() -> None:
    frames = [flat(f"{number}") for number in range(20)]
    assert len({hole(one) for one in shown(CUTOUT, *frames)}) > 10
    noise = shown(NoisyBoxes((8.0,)), *frames)
    assert len({one.image.tobytes() for one in noise}) == 20


@pytest.mark.parametrize("view", [CUTOUT, NoisyBoxes((8.0,)), NoisyBoxes((8.0, 48.0))])
def test_a_frame_s_hole_and_noise_are_the_same_in_whatever_batch_and_order(
    view: AlteredBoxes | NoisyBoxes,
) -> None:
    frames = [flat(name) for name in "abcd"]

    def pictures(batches: Sequence[Sequence[Frame]]) -> dict[str, list[bytes]]:
        found: dict[str, list[bytes]] = {}
        for batch in batches:
            for one in shown(view, *batch):
                found.setdefault(one.record.id, []).append(one.image.tobytes())
        return found

    together = pictures([frames])
    assert pictures([frames[::-1]]) == together
    assert pictures([[one] for one in frames]) == together
    assert pictures([frames[2:], frames[:2]]) == together


def test_noise_is_as_strong_as_its_level_says() -> None:
    levels = (8.0, 24.0)
    weak, strong = shown(NoisyBoxes(levels), flat("a"))
    for one, sigma in zip((weak, strong), levels, strict=True):
        difference = one.image.astype(np.float64) - 128
        # 7,200 draws: the deviation is known to within 0.8 %, the mean to within sigma / 85. The tails stay within 0 to
        # 255, five deviations away.
        assert difference.std() == pytest.approx(sigma, rel=0.04)
        assert abs(difference.mean()) < sigma / 20
    # Each level has a noise of its own, not the same one larger.
    first, second = ((one.image.astype(np.float64) - 128).ravel() for one in (weak, strong))
    assert abs(np.corrcoef(first, second)[0, 1]) < 0.06


def test_noise_ends_at_black_and_white() -> None:
    [dark] = shown(NoisyBoxes((48.0,)), flat("a", 0))
    [bright] = shown(NoisyBoxes((48.0,)), flat("a", 255))
    # Half of all values would lie beyond; none comes round at the other end, five deviations away.
    assert 0.45 < (dark.image == 0).mean() < 0.55
    assert int(dark.image.max()) < 250
    assert 0.45 < (bright.image == 255).mean() < 0.55
    assert int(bright.image.min()) > 5


@pytest.mark.parametrize("view", [FLIP, CUTOUT, SMALLER, NoisyBoxes((48.0,))])
def test_the_frames_themselves_stay_as_they_are(view: AlteredBoxes | NoisyBoxes) -> None:
    one = frame("a")
    before = one.image.copy()
    [seen] = shown(view, one)
    assert (one.image == before).all()
    assert seen.image.dtype == np.uint8
    # It is still the same frame, so that its labels and its id belong to what is found.
    assert seen.record is one.record


def test_chance_belongs_to_a_frame_and_a_purpose() -> None:
    def draw(name: str, purpose: str) -> list[int]:
        return [int(value) for value in chance_of(frame(name), purpose).integers(0, 1000, 8)]

    assert draw("a", "cutout") == draw("a", "cutout")
    assert draw("a", "cutout") != draw("b", "cutout")
    assert draw("a", "cutout") != draw("a", "noise 8.0")


FRAMES = [frame("a"), flat("b", 0), flat("c", 255)]
"""The first has one box, the second none, the third one for every class."""


def test_every_view_has_an_answer_of_its_shape() -> None:
    views: set[View[object]] = {
        Maps(),
        Passes(3, 0.1),
        Members(2),
        Boxes(),
        Proposals(),
        AlteredBoxes(),
        NoisyBoxes((8.0, 16.0)),
        Features("last"),
        Features("deep"),
    }
    seen = look(StubDetector(), FRAMES, views, [StubDetector(0.5)])
    assert len(seen) == 3
    assert seen.sizes == ((60, 40),) * 3
    maps = [seen[Maps()], *seen[Passes(3, 0.1)], *seen[Members(2)]]
    assert [(len(one), one.height, one.width) for one in maps] == [(3, HEIGHT, WIDTH)] * 6
    assert [len(found) for found in seen[Boxes()]] == [1, 0, 3]
    assert [len(found) for found in seen[Proposals()]] == [1, 0, 3]
    assert all(found.proposals is not None for found in seen[Proposals()])
    assert [len(level) for level in seen[AlteredBoxes()]] == [3, 3, 3]
    assert [len(level) for level in seen[NoisyBoxes((8.0, 16.0))]] == [3, 3]
    for layer in (Features("last"), Features("deep")):
        assert tuple(seen[layer].shape) == (3, 3, HEIGHT // 4, WIDTH // 4)


def test_alterations_and_levels_come_in_the_order_asked_for() -> None:
    alterations = AlteredBoxes(("smaller", "flip"))
    detector = Watched()
    look(detector, FRAMES, {alterations})
    assert [one.image.shape[:2] for one in detector.shown] == [(32, 48)] * 3 + [(40, 60)] * 3
    levels = shown(NoisyBoxes((24.0, 8.0)), flat("a"), flat("b"))
    spread = [float(one.image.std()) for one in levels]
    assert [one.record.id for one in levels] == ["a", "b", "a", "b"]
    assert min(spread[:2]) > 2 * max(spread[2:])


def test_sizes_are_those_of_the_stored_frames() -> None:
    seen = look(StubDetector(), [frame("a", scale=0.5), frame("b")], {Boxes()})
    assert seen.sizes == ((120, 80), (60, 40))


def test_what_a_view_says_reaches_the_detector_and_each_is_taken_once() -> None:
    detector = Watched()
    views: list[View[object]] = [
        Passes(5, 0.25),
        Passes(5, 0.25),
        Features("deep"),
        Features("deep"),
    ]
    seen = look(detector, FRAMES, set(views))
    assert (detector.asked.count((5, 0.25)), detector.asked.count("deep")) == (1, 1)
    assert len(seen[Passes(5, 0.25)]) == 5
    with pytest.raises(KeyError):
        seen[Passes(5, 0.5)]


def test_a_detector_of_which_nothing_is_wanted_is_not_asked() -> None:
    detector = Watched()
    seen = look(detector, FRAMES, set())
    assert (len(seen), detector.asked) == (3, [])


def test_an_ensemble_has_the_detector_first_and_no_more_members_than_wanted() -> None:
    detector, others = Watched(), [Watched(1.0), Watched(2.0), Watched(3.0)]
    answer = look(detector, FRAMES, {Members(3)}, others)[Members(3)]
    assert [one.asked.count("class maps") for one in (detector, *others)] == [1, 1, 1, 0]
    base = detector.class_maps(FRAMES).levels[0]
    # The stub adds its shift to every logit.
    shifts = [float((one.levels[0] - base).mean()) for one in answer]
    assert shifts == pytest.approx([0.0, 1.0, 2.0], abs=1e-5)
    [alone] = look(detector, FRAMES, {Members(1)})[Members(1)]
    assert float((alone.levels[0] - base).abs().max()) == 0.0


@pytest.mark.parametrize("trained", [0, 1])
def test_too_few_members_are_counted_the_detector_among_them(trained: int) -> None:
    members = [StubDetector(float(number)) for number in range(trained)]
    message = f"3 networks are wanted and {trained + 1} were trained"
    with pytest.raises(ValueError, match=message):
        look(StubDetector(), FRAMES, {Members(3)}, members)


def test_what_cannot_be_taken_is_refused_by_name() -> None:
    class Smells(View[object]):
        """Nobody gives them."""

    with pytest.raises(TypeError, match="Smells is no view that can be taken"):
        look(StubDetector(), FRAMES, {Smells()})


@pytest.mark.parametrize("checked", [False, True])
def test_boxes_that_are_read_off_class_maps_need_no_second_look(
    checked: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = DetectorSection(width=0.1, box_scale=0.2)
    torch.manual_seed(0)
    own = PaperDetector(settings, make_network(settings).state_dict(), threshold=0.3)
    detector = CheckedDetector("own", own) if checked else own
    frames = [frame("a"), frame("b", scale=0.5)]
    expected = own.detect(frames)
    assert sum(map(len, expected)) > 0
    calls: list[int] = []
    original = PaperDetector.class_maps

    def watch(self: PaperDetector, shown: Sequence[Frame]) -> ClassMaps:
        calls.append(len(shown))
        return original(self, shown)

    monkeypatch.setattr(PaperDetector, "class_maps", watch)
    seen = look(detector, frames, {Maps(), Boxes()})
    assert calls == [2]
    for one, other in zip(seen[Boxes()], expected, strict=True):
        assert np.array_equal(one.boxes, other.boxes)
        assert np.array_equal(one.scores, other.scores)
