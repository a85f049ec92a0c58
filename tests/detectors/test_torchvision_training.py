"""Detectors of torchvision learn in the loop as the paper's network does."""

from dataclasses import replace
from functools import reduce
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pytest
import safetensors.torch
import torch
from pydantic import ValidationError
from torchvision.models import get_model

from tests.cli.test_run_command import thrifty
from tests.tiny import RECIPE as TINY
from tests.tiny import TinyData
from thrifty.config import DetectorSection, StreetSource, TrainingSection
from thrifty.data.frames import CachedFrames
from thrifty.data.rendered import open_street
from thrifty.detectors.paper import load_detector
from thrifty.detectors.torchvision.training import TrainableTorchvision
from thrifty.errors import DataError
from thrifty.maps import Activation
from thrifty.study.comparison import read_measurements
from thrifty.testing import check_detector
from thrifty.training import Example, Plan, fit
from thrifty.types import Annotations, Frame, Need, Record

SSDLITE = "torchvision:ssdlite320_mobilenet_v3_large"
FASTER = "torchvision:fasterrcnn_mobilenet_v3_large_320_fpn"
CHANCE = np.random.default_rng(0)


def settings(model: str = SSDLITE, **changes: Any) -> DetectorSection:
    return DetectorSection(model=model, **changes)


def drawn(*kinds: int) -> Annotations:
    boxes = np.array([[10.0, 10, 60, 90], [70, 20, 120, 80], [5, 5, 5, 50]])[: len(kinds)]
    return Annotations(boxes, np.array(kinds, dtype=np.int64))


def test_the_loss_is_the_models_own_with_the_background_before_the_classes() -> None:
    kind = TrainableTorchvision(settings(classes=("a", "b", "c")))
    torch.manual_seed(0)
    network = kind.network()
    kind.train(network)
    images = torch.randint(0, 256, (2, 3, 96, 128), dtype=torch.uint8)
    labels = [drawn(2, 0), drawn(1)]
    targets = [
        {
            "boxes": torch.tensor(one.boxes, dtype=torch.float32),
            "labels": torch.tensor([kind + 1 for kind in one.classes.tolist()]),
        }
        for one in labels
    ]
    state = {name: value.clone() for name, value in network.state_dict().items()}
    torch.manual_seed(1)
    ours = kind.loss(network, images, labels, CHANCE)
    network.load_state_dict(state)
    torch.manual_seed(1)
    theirs = network(list(images.float() / 255), targets)
    wanted = sum(one.item() for one in theirs.values())
    assert ours.item() == pytest.approx(wanted, rel=1e-5)
    assert ours.requires_grad


def test_regions_to_ignore_and_boxes_without_area_are_no_objects() -> None:
    kind = TrainableTorchvision(settings())
    ignoring = replace(drawn(0, 0, 0), ignore=np.array([False, True, False]))
    # Whatever an object is called: there is one class.
    renamed = Annotations(drawn(7).boxes, np.array([7]))
    for labels in (ignoring, renamed):
        target = kind._target(labels, torch.device("cpu"))
        assert target["boxes"].tolist() == [[10.0, 10.0, 60.0, 90.0]]
        assert target["labels"].tolist() == [1]


@pytest.mark.parametrize("model", [SSDLITE, FASTER])
def test_frames_without_objects_can_be_learnt_from(model: str) -> None:
    kind = TrainableTorchvision(settings(model))
    network = kind.network()
    kind.train(network)
    images = torch.randint(0, 256, (2, 3, 64, 96), dtype=torch.uint8)
    nothing = Annotations(np.zeros((0, 4)))
    assert bool(torch.isfinite(kind.loss(network, images, [nothing, nothing], CHANCE)))


def test_training_lowers_the_loss_in_bfloat16_too(monkeypatch: pytest.MonkeyPatch) -> None:
    frames, labels = open_street(
        StreetSource(kind="street", look="daylight", drives=2, width=96, height=64)
    )
    examples = [Example(record, labels[record.id]) for record in frames.records]
    original = TrainableTorchvision.loss
    precisions: list[tuple[Literal["float32", "bfloat16"], int]] = [
        ("float32", 12),
        ("bfloat16", 8),
    ]
    for precision, steps in precisions:
        losses: list[float] = []

        def watch(*arguments: Any, into: list[float] = losses) -> torch.Tensor:
            loss = original(*arguments)
            into.append(float(loss.detach()))
            return loss

        monkeypatch.setattr(TrainableTorchvision, "loss", watch)
        how = TrainingSection(batch=2, learning_rate=0.001, precision=precision)
        weights = fit(Plan(settings(), how, steps, False, 0), CachedFrames(frames), examples)
        assert np.mean(losses[-3:]) < 0.8 * np.mean(losses[:3])
        assert {value.dtype for value in weights.values()} == {torch.float32, torch.int64}


def test_weights_for_other_classes_are_a_beginning(tmp_path: Path) -> None:
    torch.manual_seed(0)
    whole = get_model(SSDLITE[12:], weights=None, weights_backbone=None, num_classes=91)
    file = tmp_path / "coco.safetensors"
    safetensors.torch.save_file(whole.state_dict(), file)
    kind = TrainableTorchvision(settings(weights=str(file), classes=("a", "b")))
    network = kind.network()
    begun, own = whole.state_dict(), network.state_dict()
    same = {name for name in own if own[name].shape == begun[name].shape}
    assert all(torch.equal(own[name], begun[name]) for name in same)
    other = {name for name in own if name not in same}
    assert other
    assert all("classification_head" in name for name in other)
    kind.train(network)
    states = {part.training for part in network.modules() if "BatchNorm" in type(part).__name__}
    assert states == {False}
    assert network.training
    with pytest.raises(DataError, match="these are no weights of torchvision:fasterrcnn"):
        TrainableTorchvision(
            settings("torchvision:fasterrcnn_resnet50_fpn", weights=str(file), classes=("a",))
        )


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"model": "torchvision:mask_rcnn"}, "no such detector; use one of"),
        ({"model": SSDLITE, "sides": (300, 400)}, "resizes pictures to a size of its own"),
        ({"model": SSDLITE, "weights": "nowhere.pth"}, "no such file"),
    ],
)
def test_a_model_that_cannot_be_is_refused(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(DataError, match=message):
        TrainableTorchvision(DetectorSection(**changes))


def test_settings_of_the_other_kind_are_refused() -> None:
    with pytest.raises(ValidationError, match="width is a setting of the paper's network"):
        settings(width=0.5)
    with pytest.raises(ValidationError, match="weights is a setting of a model of torchvision"):
        DetectorSection(weights="published")


def test_pictures_are_resized_to_the_sides_that_are_asked_for() -> None:
    kind = TrainableTorchvision(settings(FASTER, sides=(128, 192)))
    torch.manual_seed(0)
    detector = kind.detector(kind.network().state_dict(), 0.05, "cpu")
    frame = Frame(Record("a", "a.png", 96, 64), np.zeros((64, 96, 3), dtype=np.uint8))
    maps = detector.class_maps([frame])
    assert (maps.height, maps.width) == (128, 192)


def test_what_was_trained_keeps_the_contract_by_the_recipes_classes() -> None:
    kind = TrainableTorchvision(settings(classes=("a", "b", "c")))
    torch.manual_seed(0)
    weights = kind.network().state_dict()
    assert kind.gives == frozenset(Need) - {Need.PROPOSALS}
    check_detector(lambda: kind.detector(weights, 0.05, "cpu"), size=(320, 320))
    frame = Frame(
        Record("a", "a.png", 128, 96), CHANCE.integers(0, 256, (96, 128, 3), dtype=np.uint8)
    )
    maps = kind.detector(weights, 0.05, "cpu").class_maps([frame])
    assert maps.activation is Activation.SOFTMAX
    assert {level.shape[1] for level in maps.levels} == {4}
    low, high = (kind.detector(weights, limit, "cpu").detect([frame])[0] for limit in (0.01, 0.3))
    assert set(low.classes.tolist()) <= {0, 1, 2}
    assert low.probabilities is not None
    assert low.probabilities.shape[1] == 3
    assert low.scores.min() < 0.3 <= high.scores.min(initial=1.0)
    own = low.probabilities[np.arange(len(low)), low.classes]
    assert own == pytest.approx(low.scores, abs=1e-5)


def test_yes_or_no_maps_have_a_channel_for_each_class_of_the_recipe() -> None:
    kind = TrainableTorchvision(
        settings("torchvision:retinanet_resnet50_fpn", sides=(96, 128), classes=("a", "b"))
    )
    torch.manual_seed(0)
    detector = kind.detector(kind.network().state_dict(), 0.05, "cpu")
    frame = Frame(Record("a", "a.png", 128, 96), np.zeros((96, 128, 3), dtype=np.uint8))
    assert {level.shape[1] for level in detector.class_maps([frame]).levels} == {2}


def test_weights_of_another_recipe_are_refused() -> None:
    two, three = (
        TrainableTorchvision(settings(classes=names)) for names in (("a", "b"), ("a", "b", "c"))
    )
    with pytest.raises(DataError, match="do not fit torchvision:ssdlite.* with 3 classes"):
        three.detector(two.network().state_dict(), 0.05, "cpu")


CHANGES = {
    "[0, 29]": "[0, 11]",
    "[32, 39]": "[32, 35]",
    "width = 0.1\nbox_scale = 0.5": f'model = "{SSDLITE}"',
    "epochs = 2": "epochs = 1",
    "budget = 3": "budget = 2\npasses = 2",
    '"guided-random", "random"': '"bald", "ppal"',
}
RECIPE = reduce(lambda text, change: text.replace(*change), CHANGES.items(), TINY)


def test_the_loop_trains_it_and_its_weights_can_be_used(tiny: TinyData, tmp_path: Path) -> None:
    recipe, out = tiny.recipe(tmp_path, RECIPE), tmp_path / "out"
    done = thrifty("run", recipe, "--out", out, "--data", tiny.root, "--jobs", 1)
    assert done.returncode == 0, done.stderr
    table = read_measurements(out / "learning_curves.csv")
    assert {(row.strategy, row.cycle) for row in table} == {
        (name, cycle) for name in ("divergence", "bald", "ppal") for cycle in (0, 1, 2)
    }
    weights = next((out / "files").glob("*divergence.cycle02*.safetensors"))
    scores = tmp_path / "scores.parquet"
    scored = thrifty(
        "score", tiny.root / "stills", "--detector", f"{SSDLITE}@{weights}", "--out", scores
    )
    assert scored.returncode == 0, scored.stderr
    with pytest.raises(DataError, match=f"holds weights of {SSDLITE}; give them as trained:"):
        load_detector(weights)


def test_a_strategy_that_it_cannot_serve_is_refused_before_any_work(
    tiny: TinyData, tmp_path: Path
) -> None:
    recipe = tiny.recipe(tmp_path, RECIPE.replace('"bald"', '"tightness"'))
    done = thrifty("run", recipe, "--out", tmp_path / "out", "--data", tiny.root)
    assert done.returncode == 2
    assert "'tightness' needs proposals of boxes" in done.stderr
    assert not (tmp_path / "out").exists()


def test_the_background_is_no_class_however_little_was_learned() -> None:
    kind = TrainableTorchvision(settings("torchvision:fcos_resnet50_fpn", sides=(96, 128)))
    torch.manual_seed(0)
    detector = kind.detector(kind.network().state_dict(), 0.05, "cpu")
    frame = Frame(
        Record("a", "a.png", 96, 64), CHANCE.integers(0, 256, (64, 96, 3), dtype=np.uint8)
    )
    [found] = detector.detect([frame])
    assert set(found.classes.tolist()) <= {0}
