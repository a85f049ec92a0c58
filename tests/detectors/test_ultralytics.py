"""Ultralytics' detection models with fresh weights, saved as its training does: maps and boxes against its own head."""

import importlib
import io
import os
import subprocess
import sys
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
import torch
from PIL import Image as Pillow

from thrifty.data.stills import decode_picture
from thrifty.detectors.catalogue import identify, open_detector
from thrifty.detectors.ultralytics import (
    UltralyticsDetector,
    letterboxed,
    load_detector,
    need_ultralytics,
)
from thrifty.errors import CapabilityError, DataError, FrameError
from thrifty.maps import Activation, MapKind
from thrifty.testing import check_detector
from thrifty.types import Frame, Image, Record

PRINTED = np.get_printoptions(), repr(torch.tensor([1e-9, 2.0]))
OPEN_PICTURE = Pillow.open
need_ultralytics()
augment, tasks, utils, nms = (
    importlib.import_module(f"ultralytics.{name}")
    for name in ("data.augment", "nn.tasks", "utils", "utils.nms")
)
LetterBox: Any = augment.LetterBox
DetectionModel: Any = tasks.DetectionModel
SegmentationModel: Any = tasks.SegmentationModel
IterableSimpleNamespace: Any = utils.IterableSimpleNamespace
non_max_suppression: Any = nms.non_max_suppression

NAMES = ("yolov8n", "yolo11n", "yolov10n")
ONCE = frozenset({"yolov10n"})
CLASSES, SIDE = 3, 192


def fresh(name: str) -> Any:
    """A fresh network; its classes say more than nothing."""
    torch.manual_seed(0)
    made: Any = DetectionModel(f"{name}.yaml", nc=CLASSES, verbose=False)
    head = made.model[-1]
    for branch in [*head.cv3, *(head.one2one_cv3 if name in ONCE else [])]:
        torch.nn.init.normal_(branch[-1].weight, 0, 0.2)
        torch.nn.init.zeros_(branch[-1].bias)
    for branch in [*head.cv2, *(head.one2one_cv2 if name in ONCE else [])]:
        torch.nn.init.normal_(branch[-1].bias, 1, 0.2)
    return made


@cache
def model(name: str) -> Any:
    """A network in half precision, as it is saved, in which what it sees does not die away from layer to layer."""
    made = fresh(name)
    for layer in made.modules():
        if isinstance(layer, torch.nn.BatchNorm2d):
            layer.momentum = 1.0
    images = torch.stack([torch.from_numpy(picture(seed, (SIDE, SIDE))) for seed in range(4)])
    with torch.no_grad():
        made.train()(images.permute(0, 3, 1, 2) / 255)
        for values in [
            values
            for key, values in made.named_parameters()
            if "cv3" in key and key.endswith("2.bias")
        ]:
            values.fill_(-4)
    return made.half().eval()


def save(path: Path, name: str, **more: Any) -> Path:
    content = {
        "model": model(name),
        "ema": None,
        "train_args": {"imgsz": SIDE},
        "epoch": -1,
        "optimizer": None,
    }
    torch.save(content | more, path)
    return path


@pytest.fixture(scope="module", params=NAMES)
def name(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="module")
def path(name: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save(tmp_path_factory.mktemp("weights") / f"{name}.pt", name)


@pytest.fixture(scope="module")
def detector(path: Path) -> UltralyticsDetector:
    return load_detector(path)


def picture(seed: int = 0, size: tuple[int, int] = (100, 150)) -> Image:
    rng = np.random.default_rng(seed)
    coarse = rng.integers(0, 256, (-(-size[0] // 10), -(-size[1] // 10), 3), dtype=np.uint8)
    return coarse.repeat(10, axis=0).repeat(10, axis=1)[: size[0], : size[1]]


def frame(image: Image, scale: float = 1.0) -> Frame:
    height, width = image.shape[:2]
    return Frame(Record("id", "a.png", round(width / scale), round(height / scale)), image, scale)


def prepared(image: Image, side: int = SIDE) -> torch.Tensor:
    """What Ultralytics itself makes of a picture, put at the upper left."""
    boxed = LetterBox((side, side), auto=True, center=False, stride=32)(image=image)
    return torch.from_numpy(boxed).permute(2, 0, 1)[None].float() / 255


def own(name: str, pixels: torch.Tensor) -> tuple[Any, Any]:
    """What the network itself says: what it decodes, and the raw answers of its head."""
    network = model(name)
    copied = fresh(name)
    copied.load_state_dict(network.float().state_dict())
    network.half()
    copied.eval()
    if name in ONCE:
        copied.end2end = True
        copied.model[-1].max_det = 10_000
    with torch.inference_mode():
        decoded, raw = copied(pixels)
    return decoded, raw["one2one"] if name in ONCE else raw


@pytest.mark.parametrize("size", [(100, 150), (250, 190), (192, 192), (400, 601)])
def test_pictures_are_prepared_as_ultralytics_does(
    size: tuple[int, int], detector: UltralyticsDetector
) -> None:
    image = picture(size=size)
    expected = prepared(image)
    rows, columns = (round(length * SIDE / max(size)) for length in size)
    found = letterboxed([image], (rows, columns), (expected.shape[2], expected.shape[3]))
    # Both in whole grey levels; OpenCV interpolates in whole numbers too.
    assert float((found - expected).abs().max()) <= 1.01 / 255
    maps = detector.class_maps([frame(image)])
    assert (maps.height, maps.width) == (rows, columns)
    assert set(maps.spans) == {(float(expected.shape[2]), float(expected.shape[3]))}


def test_maps_are_the_head_s_own_answers(name: str, detector: UltralyticsDetector) -> None:
    image = picture(size=(128, 192))
    _, raw = own(name, prepared(image))
    maps = detector.class_maps([frame(image)])
    assert (maps.kind, maps.activation) == (MapKind.LOGITS, Activation.SIGMOID)
    assert [tuple(level.shape) for level in maps.levels] == [
        (1, CLASSES, 128 // stride, 192 // stride) for stride in (8, 16, 32)
    ]
    found = torch.cat([level.flatten(2) for level in maps.levels], dim=2)
    # Fused and unfused layers round otherwise, more on some processors than on others.
    torch.testing.assert_close(found, raw["scores"], rtol=1e-3, atol=1e-3)
    assert float(found.std()) > 0.1


def test_boxes_are_those_of_ultralytics(name: str, detector: UltralyticsDetector) -> None:
    image = picture(size=(128, 192))
    decoded, _ = own(name, prepared(image))
    if name in ONCE:
        best = decoded[0]
        # Of a place that tells several classes, ours is the surest.
        best = best[best[:, 4] >= 0.05]
        _, first = np.unique(best[:, :4].numpy().round(2), axis=0, return_index=True)
        best = best[np.sort(first)][:300]
    else:
        best = non_max_suppression(decoded, 0.05, 0.7, nc=CLASSES)[0]
    [found] = detector.detect([frame(image, scale=0.5)])
    assert len(found) > 10
    assert found.probabilities is not None
    assert found.probabilities.shape == (len(found), CLASSES)
    np.testing.assert_allclose(found.probabilities.max(axis=1), found.scores)
    assert found.probabilities.argmax(axis=1).tolist() == found.classes.tolist()
    boxes = np.clip(best[:, :4].numpy(), 0, [192, 128, 192, 128])
    inside = (boxes[:, 2:] > boxes[:, :2]).all(axis=1)
    # The stored frame is twice as large.
    np.testing.assert_allclose(found.scores, best[inside][:, 4].numpy(), atol=1e-4)
    np.testing.assert_allclose(found.boxes, boxes[inside] * 2, atol=0.05)
    assert found.classes.tolist() == best[inside][:, 5].int().tolist()


def test_the_contract_is_kept(name: str, tmp_path: Path) -> None:
    # Fresh, since all that a louder network says reaches as far as these pictures.
    path = save(tmp_path / "a.pt", name, model=fresh(name))
    check_detector(lambda: load_detector(path), size=(160, 192))


def test_passes_drop_what_the_last_convolution_sees(detector: UltralyticsDetector) -> None:
    frames = [frame(picture())]
    plain = detector.class_maps(frames)
    [little, *_] = detector.passes(frames, 2, 1e-9)
    assert all(map(torch.equal, plain.levels, little.levels))


def test_features_are_what_the_head_is_given(detector: UltralyticsDetector) -> None:
    frames = [frame(picture(size=(100, 150)))]  # 128 x 192 in the input
    assert detector.features(frames, "last").shape[2:] == (16, 24)
    assert detector.features(frames, "deep").shape[2:] == (4, 6)
    frames = [frame(picture(size=(51, 100)))]  # 98 x 192, in 128 x 192
    assert detector.features(frames, "last").shape[2:] == (13, 24)


def test_the_averaged_weights_of_an_unfinished_training_are_taken(tmp_path: Path) -> None:
    network = fresh("yolov8n")
    network.args = IterableSimpleNamespace(box=7.5, cls=0.5, dfl=1.5)
    network.criterion = network.init_criterion()
    figures = {"fitness": np.float64(0.5)}
    unfinished = save(
        tmp_path / "last.pt", "yolov8n", ema=network.half(), model=None, train_metrics=figures
    )
    found = load_detector(unfinished).class_maps([frame(picture())])
    plain = UltralyticsDetector(network.float(), side=SIDE).class_maps([frame(picture())])
    assert all(map(torch.equal, found.levels, plain.levels))


@pytest.mark.parametrize(
    ("args", "side"), [({}, 640), (None, 640), ({"imgsz": 100}, 128), ({"imgsz": [64, 96]}, 96)]
)
def test_the_side_is_that_of_training(tmp_path: Path, args: object, side: int) -> None:
    assert load_detector(save(tmp_path / "a.pt", "yolov8n", train_args=args)).side == side


@pytest.mark.parametrize("told", ["640", 0, 10**6, []])
def test_a_side_that_is_none_is_refused(tmp_path: Path, told: object) -> None:
    with pytest.raises(DataError, match=r"a\.pt: was trained with pictures of .* pixels .'imgsz'"):
        load_detector(save(tmp_path / "a.pt", "yolov8n", train_args={"imgsz": told}))


class Asks:
    """Pickled, it asks for a call."""

    def __init__(self, function: Any, *arguments: object) -> None:
        self._call = (function, arguments)

    def __reduce__(self) -> Any:
        return self._call


def test_a_checkpoint_that_wants_to_run_something_is_refused_and_it_does_not_run(
    tmp_path: Path,
) -> None:
    mark = tmp_path / "ran"
    asking = save(tmp_path / "a.pt", "yolov8n", optimizer=Asks(os.system, f"touch {mark}"))
    with pytest.raises(
        DataError, match=r"a\.pt: wants to run (posix|nt)\.system, which was not done"
    ) as caught:
        open_detector(f"yolo:{asking}")
    assert "\n" not in str(caught.value)
    assert not mark.exists()


def test_text_that_a_constructor_would_evaluate_is_not_evaluated(tmp_path: Path) -> None:
    mark = tmp_path / "ran"
    evil = {"nc": 1, "activation": f"open({str(mark)!r}, 'w')", "backbone": [], "head": []}
    asking = save(tmp_path / "a.pt", "yolov8n", model=Asks(DetectionModel, evil))
    with pytest.raises(DataError, match=r"wants more than to be read \(it calls DetectionModel\)"):
        load_detector(asking)
    assert not mark.exists()


def test_what_holds_no_detection_model_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"b\.pt: no such file; check the path after 'yolo:'"):
        load_detector(tmp_path / "b.pt")
    weights = tmp_path / "a.pt"
    torch.save(model("yolov8n").state_dict(), weights)
    with pytest.raises(DataError, match="holds no model under 'ema' or 'model'"):
        load_detector(weights)
    save(weights, "yolov8n", model=torch.nn.ReLU())
    with pytest.raises(CapabilityError, match="ReLU: is no detection model"):
        load_detector(weights)
    save(weights, "yolov8n", model=SegmentationModel("yolov8n-seg.yaml", nc=2, verbose=False))
    with pytest.raises(
        CapabilityError, match="SegmentationModel with Segment: is no detection model"
    ):
        load_detector(weights)


def test_a_pool_is_scored_from_the_command_line(tmp_path: Path) -> None:
    pool = tmp_path / "pool"
    pool.mkdir()
    for seed in range(2):
        Pillow.fromarray(picture(seed)).save(pool / f"{seed}.png")
    spec = f"yolo:{save(tmp_path / 'a.pt', 'yolov8n')}"
    out = tmp_path / "scores.parquet"
    command = [
        sys.executable,
        "-m",
        "thrifty",
        "score",
        str(pool),
        "--detector",
        spec,
        "--out",
        str(out),
    ]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    scores = pq.read_table(out)["score"].to_pylist()
    assert len(set(scores)) == 2
    assert all(score > 0 for score in scores)
    assert identify(spec).startswith("yolo:")
    (tmp_path / "b.pt").write_bytes((tmp_path / "a.pt").read_bytes())
    assert identify(f"yolo:{tmp_path / 'b.pt'}") == identify(spec)


def test_numbers_are_printed_as_before() -> None:
    """The package changes that for everybody, once, when it is imported."""
    assert "ultralytics" in sys.modules
    assert (np.get_printoptions(), repr(torch.tensor([1e-9, 2.0]))) == PRINTED


def test_a_damaged_picture_stays_a_damaged_picture() -> None:
    """The package has Pillow look for HEIF in it, and installs what reads that."""
    assert Pillow.open is OPEN_PICTURE
    with pytest.raises(FrameError, match="its content is no picture of a known kind"):
        decode_picture(Path("still.png"), io.BytesIO(b"no picture"))
