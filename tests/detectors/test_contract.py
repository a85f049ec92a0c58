"""The contract of detectors as a function: who keeps it, and who is caught at breaking it."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from itertools import count
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from tests.detectors.test_onnx import describe, tiny_model
from thrifty.config import DetectorSection
from thrifty.data.pool import Pool
from thrifty.detectors.onnx import OnnxDetector
from thrifty.detectors.paper import PaperDetector, make_network
from thrifty.maps import ClassMaps
from thrifty.testing import StubDetector, check_detector
from thrifty.types import Detections, Frame, Need

SIZE = (96, 128)


@pytest.mark.parametrize("double", [False, True])
def test_the_paper_s_network_keeps_it(double: bool) -> None:
    def make() -> PaperDetector:
        torch.manual_seed(1)
        settings = DetectorSection(width=0.1, double_evaluation=double)
        return PaperDetector(settings, make_network(settings).state_dict())

    check_detector(make, size=(144, 176), stride=8, odd=not double)


def test_a_real_yolox_keeps_it(yolox: Path, real_data: Path) -> None:
    people = sorted((real_data / "pennfudan" / "images").iterdir())[:2]
    images = [Pool(path).frame().image[:300, :300] for path in people]
    check_detector(lambda: OnnxDetector(yolox), size=(416, 416), images=images)


def test_an_exported_model_of_maps_keeps_it(tmp_path: Path) -> None:
    model = describe(tiny_model(tmp_path / "m.onnx", size=(96, 160)), "")
    check_detector(lambda: OnnxDetector(model), size=(96, 160))


class BoxesOnly:
    """All that it gives is boxes; asked for anything else it fails."""

    gives = frozenset({Need.BOXES})

    def detect(self, frames: Sequence[Frame]) -> list[Detections]:
        return StubDetector().detect(frames)

    def class_maps(self, frames: Sequence[Frame]) -> ClassMaps:
        raise AssertionError("was asked for class maps")

    passes = features = class_maps


def test_what_a_detector_does_not_give_is_never_asked_for() -> None:
    check_detector(BoxesOnly, size=SIZE)


class Padded(StubDetector):
    """Fills its pictures up to whole multiples of 64, right and below, and says so or not."""

    gives = frozenset({Need.CLASS_MAPS})
    says = True

    def class_maps(self, frames: Sequence[Frame]) -> ClassMaps:
        height, width = frames[0].image.shape[:2]
        rows, columns = -height % 64, -width % 64
        filled = [
            replace(frame, image=np.pad(frame.image, ((0, rows), (0, columns), (0, 0))))
            for frame in frames
        ]
        maps = super().class_maps(filled)
        spans = ((height + rows, width + columns),) * 2 if self.says else ()
        return ClassMaps(maps.levels, height, width, spans=spans)


def test_padding_is_kept_apart_if_it_is_stated() -> None:
    check_detector(Padded, size=(192, 256))

    class Silent(Padded):
        says = False

    check_detector(Silent, size=(192, 256), odd=False)
    with pytest.raises(AssertionError, match=r"level \d (moves|answers).* its .*span"):
        check_detector(Silent, size=(192, 256))


Edit = Callable[[ClassMaps, Sequence[Frame]], object]


def edited(edit: Edit, **attributes: Any) -> type[StubDetector]:
    """A detector whose class maps are changed before anybody sees them."""

    class Edited(StubDetector):
        gives = frozenset({Need.CLASS_MAPS})

        def class_maps(self, frames: Sequence[Frame]) -> Any:
            return edit(super().class_maps(frames), frames)

    for name, value in attributes.items():
        setattr(Edited, name, value)
    return Edited


def with_levels(maps: ClassMaps, change: Callable[[Tensor], Tensor]) -> ClassMaps:
    return replace(maps, levels=tuple(change(level) for level in maps.levels))


def begins_before(maps: ClassMaps) -> ClassMaps:
    """The same with 24 more columns in front: six values of the finer level, three of the coarser."""
    levels = tuple(F.pad(level, (more, 0)) for level, more in zip(maps.levels, (6, 3), strict=True))
    span, origin = (maps.height, maps.width + 24.0), (0.0, -24.0)
    return replace(maps, levels=levels, spans=(span,) * 2, origins=(origin,) * 2)


def test_what_lies_before_the_picture_is_kept_apart_if_it_is_stated() -> None:
    check_detector(edited(lambda maps, _: begins_before(maps)), size=SIZE, odd=False)


NUMBERS = count()
BAD_MAPS: dict[str, tuple[str, Edit]] = {
    "no class maps": ("gives list where ClassMaps", lambda maps, _: list(maps.levels)),
    "an entry too few": (
        "entries for 2 frames",
        lambda maps, _: with_levels(maps, lambda level: level[:1]),
    ),
    "not finite": (
        "level 0 holds values that are not logits",
        lambda maps, _: with_levels(maps, lambda level: level * torch.inf),
    ),
    "chance": (
        "asked again",
        lambda maps, _: with_levels(maps, lambda level: level + next(NUMBERS)),
    ),
    "the rest of the batch": (
        "in a batch than alone",
        lambda maps, _: with_levels(maps, lambda level: level - level.mean(dim=0)),
    ),
    "deaf": (
        "level 0 does not change",
        lambda maps, _: with_levels(maps, torch.zeros_like),
    ),
    "mirrored": (
        "level 0 moves by -",
        lambda maps, _: with_levels(maps, lambda level: level.flip(-1)),
    ),
    "upside down": (
        "level 0 moves by -",
        lambda maps, _: with_levels(maps, lambda level: level.flip(-2)),
    ),
    "rows and columns": (
        "level 0 moves by 0 values along its rows",
        lambda maps, _: with_levels(maps, lambda level: level.transpose(-1, -2)),
    ),
    "displaced": (
        "level 0 answers at",
        lambda maps, _: with_levels(maps, lambda level: level.roll(6, dims=-1)),
    ),
    "covers more": (
        "its span promises",
        lambda maps, _: replace(maps, spans=((192.0, 128.0), (192.0, 128.0))),
    ),
    "begins elsewhere": (
        "correct spans and origins",
        lambda maps, _: replace(begins_before(maps), origins=()),
    ),
    "coarse": (
        "no level has 8 values along each side of 128x96 pixels",
        lambda maps, _: with_levels(maps, lambda level: level[..., ::8, ::16]),
    ),
}


@pytest.mark.parametrize("how", BAD_MAPS)
def test_bad_class_maps_are_caught(how: str) -> None:
    message, edit = BAD_MAPS[how]
    with pytest.raises(AssertionError, match=message):
        check_detector(edited(edit), size=SIZE, odd=False)


def test_detectors_made_apart_must_be_the_same() -> None:
    shifts = count()
    with pytest.raises(AssertionError, match="two detectors that were made alike differ"):
        check_detector(lambda: StubDetector(next(shifts)), size=SIZE)


def test_a_detector_that_cannot_take_odd_sizes_is_held_to_even_ones() -> None:
    def refuse(maps: ClassMaps, frames: Sequence[Frame]) -> ClassMaps:
        if frames[0].image.shape[0] % 32:
            raise ValueError("odd")
        return maps

    check_detector(edited(refuse), size=SIZE, odd=False)
    with pytest.raises(ValueError, match="odd"):
        check_detector(edited(refuse), size=SIZE)


def finding(edit: Callable[[Detections, Sequence[Frame]], Any], *more: Need) -> type[BoxesOnly]:
    class Edited(BoxesOnly):
        gives = frozenset({Need.BOXES, *more})

        def detect(self, frames: Sequence[Frame]) -> Any:
            return [edit(one, frames) for one in super().detect(frames)]

    return Edited


def in_image_pixels(one: Detections, frames: Sequence[Frame]) -> Detections:
    return one.scaled(frames[0].scale)


def moved(one: Detections, pixels: float) -> Detections:
    return replace(one, boxes=one.boxes + pixels)


def with_probabilities(one: Detections, change: Callable[[Any], Any]) -> Detections:
    return replace(one, probabilities=change(one.probabilities))


BAD_BOXES: dict[str, tuple[str, Callable[[Detections, Sequence[Frame]], Any]]] = {
    "no detections": ("gives tuple where Detections", lambda one, _: (one.boxes, one.scores)),
    "pixels": ("divide by the frame's scale", in_image_pixels),
    "outside": ("outside the frame of 128x96", lambda one, _: moved(one, 80.0)),
    "infinite": ("not finite", lambda one, _: moved(one, np.inf)),
    "left and right": ("end before", lambda one, _: replace(one, boxes=one.boxes[:, [2, 1, 0, 3]])),
    "order": ("surest boxes first", lambda one, _: one.take(np.arange(len(one))[::-1])),
    "negative class": ("classes below 0", lambda one, _: replace(one, classes=one.classes - 1)),
    "class beyond": ("gives class 3", lambda one, _: replace(one, classes=one.classes + 1)),
    "background first": (
        "no likelier than the others",
        lambda one, _: with_probabilities(
            replace(one, classes=np.zeros(len(one), np.int64)),
            lambda rows: np.tile([0.1, 0.8, 0.1], (len(rows), 1)),
        ),
    ),
    "logits": ("outside 0 to 1", lambda one, _: with_probabilities(one, lambda rows: rows * 9)),
    "flat": ("instead of N x C", lambda one, _: with_probabilities(one, lambda rows: rows[:, 0])),
    "the batch": ("in a batch than alone", lambda one, frames: moved(one, 3.0 * len(frames))),
    "chance": ("differs when asked again", lambda one, _: moved(one, float(next(NUMBERS) % 7))),
    "nothing": ("finds no box in any picture", lambda one, _: one.take(np.zeros(0, np.int64))),
}


@pytest.mark.parametrize("how", BAD_BOXES)
def test_bad_boxes_are_caught(how: str) -> None:
    message, edit = BAD_BOXES[how]
    with pytest.raises(AssertionError, match=message):
        check_detector(finding(edit), size=SIZE)


def test_an_entry_too_few_and_proposals_that_are_not_told() -> None:
    class Short(BoxesOnly):
        def detect(self, frames: Sequence[Frame]) -> list[Detections]:
            return super().detect(frames)[:1]

    with pytest.raises(AssertionError, match="1 entries for 2 frames"):
        check_detector(Short, size=SIZE)
    silent = finding(lambda one, _: replace(one, proposals=None), Need.PROPOSALS)
    with pytest.raises(AssertionError, match="leaves out 'proposals'"):
        check_detector(silent, size=SIZE)


class Dropping(StubDetector):
    """Passes that drop channels, in a way to be broken."""

    gives = frozenset({Need.PASSES})
    how = "well"

    def passes(self, frames: Sequence[Frame], count: int, drop: float) -> Any:
        maps = self.class_maps(frames)
        generator = torch.Generator().manual_seed(0 if self.how != "chance" else next(NUMBERS))
        rows = len(frames) if self.how == "each frame" else 1
        passes = []
        for _ in range(count - (self.how == "few")):
            mask = torch.rand(rows, 3, 1, 1, generator=generator)
            mask = torch.ones(1, 3, 1, 1) if self.how == "alike" else mask
            mask = mask * torch.nan if self.how == "not finite" else mask
            passes.append(replace(maps, levels=tuple(level * mask for level in maps.levels)))
        if self.how == "layout":
            passes[1] = replace(passes[1], levels=passes[1].levels[:1], spans=(), origins=())
        return passes


@pytest.mark.parametrize(
    ("how", "message"),
    [
        ("each frame", "drop other channels in every frame"),
        ("few", "gives 2 where 3"),
        ("alike", "two passes say the same"),
        ("not finite", "passes: level 0 holds values that are not logits"),
        ("layout", "passes differ in their levels"),
        ("chance", "passes says something else"),
    ],
)
def test_bad_passes_are_caught(how: str, message: str) -> None:
    check_detector(Dropping, size=SIZE)
    broken = type("Broken", (Dropping,), {"how": how})
    with pytest.raises(AssertionError, match=message):
        check_detector(broken, size=SIZE)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda values: values.mean(dim=3), "of the last layer are no floating tensor of shape"),
        (lambda values: values.long(), "no floating tensor"),
        (lambda values: values[:1], "1 entries for 2 frames"),
        (lambda values: values / 0.0, "not finite"),
        (lambda values: values - values.mean(dim=0), "in a batch than alone"),
    ],
)
def test_bad_features_are_caught(change: Callable[[Tensor], Tensor], message: str) -> None:
    class Edited(StubDetector):
        gives = frozenset({Need.FEATURES})

        def features(self, frames: Sequence[Frame], layer: Literal["last", "deep"]) -> Tensor:
            return change(super().features(frames, layer))

    with pytest.raises(AssertionError, match=message):
        check_detector(Edited, size=SIZE)


@pytest.mark.parametrize("gives", [frozenset(), frozenset({"boxes and more"})])
def test_gives_holds_needs(gives: Any) -> None:
    with pytest.raises(AssertionError, match="members of Need"):
        check_detector(edited(lambda maps, _: maps, gives=gives), size=SIZE)


def test_what_is_promised_must_be_there() -> None:
    class Empty:
        gives = frozenset({Need.CLASS_MAPS, Need.FEATURES})

        def class_maps(self, frames: Sequence[Frame]) -> ClassMaps:
            return StubDetector().class_maps(frames)

    with pytest.raises(AssertionError, match="Need.FEATURES but there is no method 'features'"):
        check_detector(Empty, size=SIZE)
