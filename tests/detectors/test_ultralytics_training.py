"""YOLO models learn in the loop, from a description and from a checkpoint."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from tests.detectors.learning import (
    CHANCE,
    FEW_STEPS,
    STEPS,
    drawn,
    kind_of,
    learns,
    losses_of,
    run_loop,
    saved,
)
from tests.detectors.test_ultralytics import fresh, save
from tests.tiny import TinyData
from thrifty.config import DetectorSection
from thrifty.detectors.catalogue import open_detector
from thrifty.detectors.ultralytics_training import TrainableUltralytics
from thrifty.errors import DataError
from thrifty.testing import check_detector
from thrifty.types import Annotations, Need

SIDES = (96, 128)


def settings(model: str = "yolo:yolov8n", **changes: Any) -> DetectorSection:
    return DetectorSection(model=model, sides=SIDES, **changes)


def test_targets_are_shares_of_the_input_that_holds_the_picture() -> None:
    kind = TrainableUltralytics(settings(classes=("a", "b", "c")))
    # A picture of 64 x 96 becomes 85 x 128 of an input of 96 x 128.
    told = kind._targets([drawn(2), Annotations([], []), drawn(0)], (64, 96), (85, 128), (96, 128))  # type: ignore[arg-type]
    assert told["batch_idx"].tolist() == [0.0, 2.0]
    assert told["cls"].tolist() == [[2.0], [0.0]]
    wide, tall = 128 / 96 / 128, 85 / 64 / 96
    wanted = [35 * wide, 50 * tall, 50 * wide, 80 * tall]
    assert told["bboxes"].numpy() == pytest.approx(np.array([wanted, wanted]), rel=1e-6)


def test_regions_to_ignore_and_boxes_without_area_are_no_objects() -> None:
    kind = TrainableUltralytics(settings())
    ignoring = Annotations(
        drawn(0, 0, 0).boxes, np.zeros(3, np.int64), np.array([False, True, False])
    )
    told = kind._targets([ignoring], (96, 128), (96, 128), (96, 128))
    assert len(told["cls"]) == 1


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_training_lowers_the_loss(precision: str, monkeypatch: pytest.MonkeyPatch) -> None:
    steps = STEPS if precision == "float32" else FEW_STEPS
    losses, weights = losses_of(
        settings(), monkeypatch, steps, learning_rate=0.002, precision=precision
    )
    assert learns(losses, steps)
    assert all(bool(torch.isfinite(value).all()) for value in weights.values())


def test_frames_without_objects_can_be_learnt_from() -> None:
    kind = kind_of(settings())
    network = kind.network()
    kind.train(network)
    images = torch.randint(0, 256, (2, 3, 64, 96), dtype=torch.uint8)
    nothing = Annotations(np.zeros((0, 4)))
    assert bool(torch.isfinite(kind.loss(network, images, [nothing, nothing], CHANCE)))


@pytest.mark.parametrize("name", ["yolo11n", "yolov10n"])
def test_what_was_trained_keeps_the_contract_and_is_opened_from_its_file(
    name: str, tmp_path: Path
) -> None:
    there = save(tmp_path / "best.pt", name, model=fresh(name))
    chosen = DetectorSection(model=f"yolo:{there}", classes=("a", "b", "c"))
    kind = kind_of(chosen)
    weights = kind.network().state_dict()
    assert kind.gives >= {Need.TRAINING, Need.CLASS_MAPS, Need.BOXES}
    path = saved(weights, chosen, tmp_path)
    opened = open_detector(f"trained:{path}")
    check_detector(lambda: kind.detector(weights, 0.05, "cpu"), size=(160, 192))
    assert opened.gives == kind.gives - {Need.TRAINING}


def test_a_checkpoint_is_begun_from_and_given_other_classes(tmp_path: Path) -> None:
    path = save(tmp_path / "best.pt", "yolov8n")
    same, other = (
        kind_of(settings(f"yolo:{path}", classes=names)) for names in (("a", "b", "c"), ("a", "b"))
    )
    kept, new = same.network().state_dict(), other.network().state_dict()
    changed = {name for name in kept if kept[name].shape != new[name].shape}
    assert changed == {
        f"model.22.cv3.{level}.2.{part}" for level in range(3) for part in ("weight", "bias")
    }
    assert all(torch.equal(kept[name], new[name]) for name in kept if name not in changed)
    with pytest.raises(DataError, match="do not fit yolo:.* with 3 classes"):
        same.detector(new, 0.05, "cpu")


@pytest.mark.parametrize(
    ("model", "message"),
    [
        ("yolo:nowhere.pt", "no such file"),
        ("yolo:yolo99z", "neither a checkpoint .* nor a model that Ultralytics describes"),
        ("yolo:https://example.org/yolo11n", "neither a checkpoint"),
        ("yolo:../yolo11n", "neither a checkpoint"),
    ],
)
def test_a_model_that_cannot_be_is_refused(model: str, message: str) -> None:
    with pytest.raises(DataError, match=message):
        kind_of(settings(model))


def test_the_loop_trains_it(tiny: TinyData, tmp_path: Path) -> None:
    points = run_loop(tiny, tmp_path, 'model = "yolo:yolov8n"\nsides = [64, 96]')
    assert {(point.strategy, point.cycle) for point in points} >= {
        ("divergence", 2),
        ("margin-sum", 2),
    }
