"""Detectors of transformers learn in the loop, from what is in their folder."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import transformers as library

from tests.detectors.learning import (
    CHANCE,
    FEW_STEPS,
    drawn,
    kind_of,
    learns,
    losses_of,
    run_loop,
)
from tests.detectors.learning import saved as saved_weights
from tests.detectors.test_transformers import (
    CLASSES,
    STRETCHED,
    d_fine,
    deformable_detr,
    detr,
    rt_detr,
    rt_detr_v2,
    saved,
)
from tests.tiny import TinyData
from thrifty.config import DetectorSection
from thrifty.detectors.catalogue import open_detector
from thrifty.detectors.transformers import TransformersDetector
from thrifty.detectors.transformers_training import TrainableTransformers
from thrifty.errors import DataError
from thrifty.testing import check_detector
from thrifty.types import Annotations, Need

SMALL = library.RTDetrImageProcessor(size={"height": 160, "width": 192})
SMALL_AND_KEPT = library.DetrImageProcessor(size={"shortest_edge": 128, "longest_edge": 200})

FAMILIES = [
    pytest.param(rt_detr, SMALL, id="rt-detr"),
    pytest.param(rt_detr_v2, SMALL, id="rt-detr-v2"),
    pytest.param(d_fine, SMALL, id="d-fine"),
    pytest.param(deformable_detr, SMALL_AND_KEPT, id="deformable-detr"),
    pytest.param(detr, SMALL_AND_KEPT, id="detr"),
]


def settings(folder: Path, *classes: str) -> DetectorSection:
    return DetectorSection(model=f"hf:{folder}", classes=classes)


@pytest.mark.parametrize(("make", "processor"), FAMILIES)
def test_every_family_learns_and_its_weights_come_back(
    make: Callable[[], Any], processor: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    chosen = settings(saved(make, processor, tmp_path), "person")
    losses, weights = losses_of(chosen, monkeypatch, learning_rate=0.001)
    assert learns(losses)
    path = saved_weights(weights, chosen, tmp_path)
    kind = kind_of(chosen)
    opened = open_detector(f"trained:{path}")
    assert opened.gives == kind.gives - {Need.TRAINING}
    assert (Need.CLASS_MAPS in kind.gives) is (make is not detr)


def test_bfloat16_learns_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    chosen = settings(saved(rt_detr, SMALL, tmp_path), "person")
    losses, weights = losses_of(
        chosen, monkeypatch, FEW_STEPS, learning_rate=0.001, precision="bfloat16"
    )
    assert learns(losses, FEW_STEPS)
    assert {value.dtype for value in weights.values()} <= {torch.float32, torch.int64}


def test_targets_are_shares_of_the_picture(tmp_path: Path) -> None:
    kind = TrainableTransformers(settings(saved(rt_detr, STRETCHED, tmp_path), "a", "b", "c"))
    told = kind._target(drawn(2, 1, 0), (96, 128))
    assert told["class_labels"].tolist() == [2, 1]
    wanted = [
        [35 / 128, 50 / 96, 50 / 128, 80 / 96],
        [95 / 128, 50 / 96, 50 / 128, 60 / 96],
    ]
    assert told["boxes"].numpy() == pytest.approx(np.array(wanted))
    ignoring = Annotations(drawn(0, 0).boxes, np.zeros(2, np.int64), np.array([True, False]))
    assert len(kind._target(ignoring, (96, 128))["boxes"]) == 1


def test_frames_without_objects_can_be_learnt_from(tmp_path: Path) -> None:
    kind = kind_of(settings(saved(rt_detr, STRETCHED, tmp_path), "a"))
    network = kind.network()
    kind.train(network)
    images = torch.randint(0, 256, (2, 3, 96, 128), dtype=torch.uint8)
    nothing = Annotations(np.zeros((0, 4)))
    assert bool(torch.isfinite(kind.loss(network, images, [nothing, nothing], CHANCE)))


def test_what_is_there_is_begun_from_and_other_classes_start_afresh(tmp_path: Path) -> None:
    folder = saved(rt_detr, STRETCHED, tmp_path)
    there = TransformersDetector(str(folder)).model.state_dict()
    same = kind_of(settings(folder, *(f"c{number}" for number in range(CLASSES)))).network()
    assert all(torch.equal(value, there[name]) for name, value in same.state_dict().items())
    two = kind_of(settings(folder, "a", "b"))
    torch.manual_seed(1)
    first = two.network().state_dict()
    torch.manual_seed(2)
    second = two.network().state_dict()
    other = {name for name, value in first.items() if value.shape != there[name].shape}
    assert other
    assert all(
        torch.equal(value, there[name]) for name, value in first.items() if name not in other
    )
    assert any(not torch.equal(first[name], second[name]) for name in other)
    with pytest.raises(DataError, match="do not fit hf:.* with 2 classes"):
        two.detector(there, 0.05, "cpu")


def test_what_was_trained_keeps_the_contract(tmp_path: Path) -> None:
    kind = kind_of(settings(saved(rt_detr, STRETCHED, tmp_path), "a", "b"))
    weights = kind.network().state_dict()
    check_detector(lambda: kind.detector(weights, 0.05, "cpu"), size=(320, 384))


def test_a_folder_that_is_not_whole_is_refused(tmp_path: Path) -> None:
    (tmp_path / "model").mkdir()
    with pytest.raises(DataError, match="lacks config.json"):
        kind_of(settings(tmp_path / "model", "a"))


def test_the_loop_trains_it(tiny: TinyData, tmp_path: Path) -> None:
    folder = saved(rt_detr, STRETCHED, tmp_path)
    points = run_loop(tiny, tmp_path, f'model = "hf:{folder}"')
    assert {(point.strategy, point.cycle) for point in points} >= {
        ("divergence", 2),
        ("margin-sum", 2),
    }


def test_the_loop_and_its_page_do_without_class_maps(tiny: TinyData, tmp_path: Path) -> None:
    folder = saved(detr, SMALL_AND_KEPT, tmp_path)
    points = run_loop(tiny, tmp_path, f'model = "hf:{folder}"', ("margin-sum", "guided-random"))
    assert {(point.strategy, point.cycle) for point in points} >= {
        ("margin-sum", 2),
        ("guided-random", 2),
    }
