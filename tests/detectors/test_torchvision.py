"""torchvision's detectors with fresh weights: their maps against the heads' raw outputs, their boxes against its own."""

import hashlib
import importlib.util
import math
import os
import pickle
import subprocess
import sys
from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path
from typing import Any
from urllib.error import URLError

import numpy as np
import pyarrow.parquet as pq
import pytest
import torch
from PIL import Image as Pillow
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from torchvision.models import _api, get_model, get_model_weights
from torchvision.models.detection import FCOS, FasterRCNN, RetinaNet
from torchvision.models.detection.backbone_utils import BackboneWithFPN
from torchvision.models.detection.image_list import ImageList
from torchvision.models.resnet import resnet18
from torchvision.ops.feature_pyramid_network import LastLevelP6P7

from thrifty.data.pool import Pool
from thrifty.detectors.catalogue import identify, open_detector
from thrifty.detectors.placement import check_places
from thrifty.detectors.torchvision import one_stage, weights
from thrifty.detectors.torchvision.detector import TorchvisionDetector
from thrifty.detectors.torchvision.network import Batch, Extent, pyramid_extents, stride_of
from thrifty.errors import CapabilityError, DataError
from thrifty.maps import Activation, MapKind
from thrifty.scoring.forms import score_frames
from thrifty.testing import check_detector
from thrifty.types import Frame, Image, Need, Record

CLASSES = 4
SSDLITE = "ssdlite320_mobilenet_v3_large"
FAMILIES: Mapping[str, Mapping[str, Any]] = {
    "retinanet_resnet50_fpn": {"min_size": 96, "max_size": 160},
    "fcos_resnet50_fpn": {"min_size": 96, "max_size": 160},
    "ssd300_vgg16": {"topk_candidates": 30},
    SSDLITE: {"topk_candidates": 30},
    "fasterrcnn_resnet50_fpn": {
        "min_size": 96,
        "max_size": 160,
        "box_score_thresh": 0.26,
        "rpn_post_nms_top_n_test": 60,
    },
}


def loud(model: Any) -> Any:
    """Fresh heads say nearly the same of everything; these do not."""
    for name, values in model.named_parameters():
        told = "cls_logits" in name or "cls_score" in name or "classification_head.module" in name
        with torch.no_grad():
            if told and values.dim() > 1:
                values.normal_(0, 0.05)
            elif told and name.endswith("bias"):
                values.zero_()
    return model


@cache
def shared(name: str) -> TorchvisionDetector:
    """One for all tests that change nothing of it."""
    return fresh(name)


def fresh(name: str) -> TorchvisionDetector:
    torch.manual_seed(0)
    nothing: dict[str, Any] = {"weights": None, "weights_backbone": None}
    model = get_model(name, **nothing, num_classes=CLASSES, **FAMILIES[name])
    return TorchvisionDetector(loud(model))


@pytest.fixture(scope="module", params=FAMILIES)
def detector(request: pytest.FixtureRequest) -> TorchvisionDetector:
    return shared(request.param)


def picture(seed: int = 0, size: tuple[int, int] = (70, 90)) -> Image:
    rng = np.random.default_rng(seed)
    coarse = rng.integers(0, 256, (-(-size[0] // 10), -(-size[1] // 10), 3), dtype=np.uint8)
    return coarse.repeat(10, axis=0).repeat(10, axis=1)[: size[0], : size[1]]


def frame(image: Image, scale: float = 1.0) -> Frame:
    height, width = image.shape[:2]
    return Frame(Record("id", "a.png", round(width / scale), round(height / scale)), image, scale)


def test_boxes_are_those_of_the_model_itself(detector: TorchvisionDetector) -> None:
    image = picture()
    plain = torch.from_numpy(image.copy()).permute(2, 0, 1) / 255
    with torch.inference_mode():
        [expected] = detector.model([plain])
    [found] = detector.detect([frame(image, scale=0.5)])
    assert len(found) == len(expected["boxes"]) > 10
    # The stored frame is twice as large.
    np.testing.assert_allclose(found.boxes / 2, expected["boxes"].numpy(), atol=1e-3)
    np.testing.assert_allclose(found.scores, expected["scores"].numpy(), atol=1e-6)
    assert found.classes.tolist() == expected["labels"].tolist()
    assert found.probabilities is not None
    assert found.probabilities.shape == (len(found), CLASSES)
    own = found.probabilities[np.arange(len(found)), found.classes]
    np.testing.assert_allclose(own, found.scores, atol=1e-6)


def test_a_softmax_leaves_nothing_for_the_background(detector: TorchvisionDetector) -> None:
    [found] = detector.detect([frame(picture())])
    assert found.probabilities is not None
    if isinstance(detector.model, RetinaNet | FCOS):
        assert (found.probabilities > 0).all()
    else:
        assert (found.probabilities[:, 0] == 0).all()
        assert (found.probabilities.sum(axis=1) <= 1 + 1e-6).all()


def raw(detector: TorchvisionDetector, run: Callable[[], object]) -> dict[str, list[Tensor]]:
    """What the last convolutions of the heads give, in the order in which they run."""
    model, heard = detector.model, {}
    if isinstance(model, FasterRCNN):
        asked = {"classes": [model.rpn.head.cls_logits]}
    elif isinstance(model, RetinaNet | FCOS):
        asked = {"classes": [model.head.classification_head.cls_logits]}
    else:
        asked = {"classes": list(model.head.classification_head.module_list)}
    if isinstance(model, FCOS):
        asked["central"] = [model.head.regression_head.bbox_ctrness]
    hooks = []
    for name, modules in asked.items():
        heard[name] = kept = list[Tensor]()
        hooks += [
            module.register_forward_hook(lambda _module, _given, out, to=kept: to.append(out))
            for module in modules
        ]
    run()
    for hook in hooks:
        hook.remove()
    return heard


def of_place(model: Any, classes: Tensor, central: Tensor | None) -> list[float]:
    """The reduction by loops, of one place: channels are anchors times classes, an anchor's side by side."""
    if isinstance(model, FasterRCNN):
        return [max(float(value) for value in classes)]
    rows = [
        [float(value) for value in classes[start : start + CLASSES]]
        for start in range(0, len(classes), CLASSES)
    ]
    if central is not None:
        [row] = rows
        shares = [
            math.sqrt(1 / (1 + math.exp(-value)) / (1 + math.exp(-float(central)))) for value in row
        ]
        return [math.log(share / (1 - share)) for share in shares]
    if isinstance(model, RetinaNet):
        return [max(row[label] for row in rows) for label in range(CLASSES)]
    backgrounds = [math.exp(row[0]) / sum(math.exp(value) for value in row) for row in rows]
    return rows[backgrounds.index(min(backgrounds))]


def test_maps_hold_what_the_heads_say_at_each_place(detector: TorchvisionDetector) -> None:
    held = []
    heard = raw(detector, lambda: held.append(detector.class_maps([frame(picture())])))
    [maps] = held
    soft = detector.model.__class__.__name__ == "SSD"
    assert maps.activation is (Activation.SOFTMAX if soft else Activation.SIGMOID)
    assert maps.kind is MapKind.LOGITS
    assert len(maps.levels) == len(heard["classes"]) >= 5
    rng = np.random.default_rng(0)
    for index, (level, classes) in enumerate(zip(maps.levels, heard["classes"], strict=True)):
        assert level.shape[2:] == classes.shape[2:]
        for _ in range(6):
            y, x = int(rng.integers(level.shape[2])), int(rng.integers(level.shape[3]))
            central = heard["central"][index][0, 0, y, x] if "central" in heard else None
            expected = of_place(detector.model, classes[0, :, y, x], central)
            np.testing.assert_allclose(level[0, :, y, x], expected, rtol=1e-4, atol=1e-5)


def test_maps_are_of_the_resized_picture_and_reach_over_the_padding() -> None:
    # 70 x 90 becomes 96 x 123, padded to 96 x 128.
    maps = shared("retinanet_resnet50_fpn").class_maps([frame(picture())])
    assert (maps.height, maps.width) == (96, 123)
    assert [tuple(level.shape[2:]) for level in maps.levels] == [
        (12, 16),
        (6, 8),
        (3, 4),
        (2, 2),
        (1, 1),
    ]
    assert maps.spans[:4] == ((96, 128), (96, 128), (96, 128), (128, 128))
    assert maps.origins[:4] == ((-3.5, -3.5), (-7.5, -7.5), (-15.5, -15.5), (-31.5, -31.5))


def test_maps_of_an_ssd_lie_where_its_default_boxes_do() -> None:
    detector = shared("ssd300_vgg16")
    maps = detector.class_maps([frame(picture())])
    assert (maps.height, maps.width) == (300, 300)
    assert [span[0] for span in maps.spans] == [304, 304, 320, 320, 300, 300]
    images, _ = detector.model.transform([torch.zeros(3, 70, 90)])
    levels = [torch.zeros(1, 1, *level.shape[2:]) for level in maps.levels]
    [boxes] = detector.model.anchor_generator(images, levels)
    counts = detector.model.anchor_generator.num_anchors_per_location()
    begin = 0
    for level, span, count in zip(maps.levels, maps.spans, counts, strict=True):
        rows, columns = level.shape[2:]
        for y, x in ((0, 0), (rows - 1, 0), (rows // 2, columns - 1)):
            left, top, right, bottom = boxes[begin + (y * columns + x) * count].tolist()
            assert (top + bottom) / 2 == pytest.approx((y + 0.5) * span[0] / rows, abs=1e-3)
            assert (left + right) / 2 == pytest.approx((x + 0.5) * span[1] / columns, abs=1e-3)
        begin += rows * columns * count


def test_a_pyramid_s_values_stand_on_the_pixels_that_its_origins_say() -> None:
    """The middle of all pixels that a value depends on, in the backbone's second stage of stride 8."""
    torch.manual_seed(0)
    body = nn.Sequential(*list(resnet18(weights=None).eval().children())[:6])
    images = torch.rand(1, 3, 256, 256, requires_grad=True)
    level = body(images)
    [extent] = pyramid_extents(Batch(ImageList(images, [(256, 256)]), {"0": level}))
    y, x = 15, 17
    level[0, :, y, x].sum().backward()
    assert images.grad is not None
    seen = images.grad[0].abs().sum(dim=0)
    for axis, place in enumerate((y, x)):
        pixels = seen.sum(dim=1 - axis).nonzero()
        middle = float(pixels.min() + pixels.max() + 1) / 2
        pitch = extent.span[axis] / level.shape[2 + axis]
        assert middle == extent.origin[axis] + (place + 0.5) * pitch


def test_strides_round_up() -> None:
    assert stride_of((800, 1088), (13, 17)) == 64
    assert stride_of((800, 1088), (7, 9)) == 128
    assert stride_of((800, 1088), (25, 34)) == 32
    assert stride_of((5, 5), (5, 5)) == 1


def test_features_end_with_the_picture(detector: TorchvisionDetector) -> None:
    # 60 x 90 becomes 96 x 144, padded to 96 x 160: of the finest level's 20 columns of 8 pixels 18 see it.
    image = picture(size=(60, 90))
    finest = detector.features([frame(image)], "last")
    coarsest = detector.features([frame(image)], "deep")
    if isinstance(detector.model, RetinaNet | FCOS):
        assert finest.shape == (1, 256, 12, 18)
        assert coarsest.shape == (1, 256, 1, 2)
    elif isinstance(detector.model, FasterRCNN):
        assert finest.shape == (1, 256, 24, 36)
        assert coarsest.shape == (1, 256, 2, 3)
    else:
        assert finest.shape[2:] in {(38, 38), (20, 20)}
        assert coarsest.shape[2:] == (1, 1)


def test_dropped_channels_never_reach_the_head() -> None:
    detector = fresh(SSDLITE)
    given: list[Tensor] = []
    block = detector.model.head.classification_head.module_list[0]
    block.register_forward_pre_hook(lambda _module, args: given.append(args[0]))
    plain = detector.class_maps([frame(picture())])
    passes = detector.passes([frame(picture()), frame(picture(1))], 4, 0.25)
    features = given[0]
    assert len(passes) == len(given) - 1 == 4
    silent = []
    for one in given[1:]:
        dropped = (one == 0).flatten(2).all(dim=2)
        assert torch.equal(dropped[0], dropped[1])
        silent.append(dropped[0])
        kept = ~dropped[0]
        torch.testing.assert_close(one[0, kept], features[0, kept] / 0.75)
    # Channels that say nothing anyway are dropped in all passes; of the others a quarter.
    dead = (features == 0).flatten(2).all(dim=2)[0]
    share = torch.stack(silent)[:, ~dead].float().mean()
    assert float(share) == pytest.approx(0.25, abs=0.04)
    assert passes[0].laid_out_like(passes[1])
    assert len(plain) == 1


PADDED = (264, 328)
"""Height and width that a pyramid pads, to 288 x 352."""


def small_pyramid(kind: type, **settings: Any) -> Callable[[], TorchvisionDetector]:
    """A model of this kind on a ResNet-18 with a pyramid of 64 channels."""

    def make() -> TorchvisionDetector:
        torch.manual_seed(0)
        single = kind is not FasterRCNN
        layers = {f"layer{number}": str(number - 1) for number in range(2 if single else 1, 5)}
        channels = [32 * 2**number for number in range(2 if single else 1, 5)]
        extra = LastLevelP6P7(64, 64) if single else None
        backbone = BackboneWithFPN(resnet18(weights=None), layers, channels, 64, extra)
        model = kind(backbone, CLASSES, min_size=PADDED[0], max_size=PADDED[1], **settings)
        return TorchvisionDetector(loud(model))

    return make


@pytest.mark.parametrize(
    "make",
    [
        small_pyramid(RetinaNet, topk_candidates=100),
        small_pyramid(FCOS, topk_candidates=100),
        small_pyramid(FasterRCNN, rpn_post_nms_top_n_test=60, box_score_thresh=0.26),
    ],
)
def test_pyramids_keep_the_contract(make: Callable[[], TorchvisionDetector]) -> None:
    assert Need.CLASS_MAPS in make().gives
    check_detector(make, size=PADDED)


def test_a_pyramid_that_keeps_its_padding_to_itself_is_caught(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    detector = small_pyramid(RetinaNet)()
    check_places(detector, PADDED, 32)
    monkeypatch.setattr(
        one_stage,
        "pyramid_extents",
        lambda batch: [Extent((float(batch.size[0]), float(batch.size[1])))] * len(batch.levels),
    )
    with pytest.raises(AssertionError, match="level 0 moves by 12 values .* promises 13.1"):
        check_places(detector, PADDED, 32)


def test_ssdlite_keeps_the_contract() -> None:
    check_detector(lambda: fresh(SSDLITE), size=(320, 320))


def test_what_each_gives() -> None:
    common = {Need.CLASS_MAPS, Need.BOXES, Need.PASSES, Need.FEATURES}
    assert shared(SSDLITE).gives == common
    assert shared("fasterrcnn_resnet50_fpn").gives == common | {Need.PROPOSALS}
    with pytest.raises(
        CapabilityError, match="Linear: its class maps are not known; use RetinaNet"
    ):
        TorchvisionDetector(nn.Linear(1, 1))


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Weights of an SSDlite for three classes and the background."""
    path = tmp_path_factory.mktemp("weights") / "w.safetensors"
    save_file(shared(SSDLITE).model.state_dict(), path)
    return path


@pytest.mark.parametrize("name", FAMILIES)
def test_weights_say_how_many_classes_they_are_for(name: str, tmp_path: Path) -> None:
    before = shared(name)
    wrapped = {"model": before.model.state_dict(), "epoch": 3}
    torch.save(wrapped, tmp_path / "w.pth")
    model = weights.load_file(name, tmp_path / "w.pth")
    assert all(
        torch.equal(values, model.state_dict()[key])
        for key, values in before.model.state_dict().items()
    )


def test_frozen_normalisation_counts_no_batches(file: Path, tmp_path: Path) -> None:
    whole = weights.read_weights(file)
    published = {key: one for key, one in whole.items() if not key.endswith("batches_tracked")}
    assert len(published) < len(whole)
    save_file(published, tmp_path / "w.safetensors")
    weights.load_file(SSDLITE, tmp_path / "w.safetensors")


def test_published_weights_in_a_file_are_known_by_their_hash(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    name = "fasterrcnn_resnet50_fpn"
    path = tmp_path / "w.safetensors"
    save_file(shared(name).model.state_dict(), path)

    def epsilons() -> set[float]:
        modules = weights.load_file(name, path).modules()
        return {module.eps for module in modules if isinstance(module, nn.BatchNorm2d)}

    assert epsilons() == {1e-5}
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    published = get_model_weights(name).DEFAULT
    monkeypatch.setattr(published.value, "url", f"somewhere/some_coco-{digest[:8]}.pth")
    assert epsilons() == {0.0}


class Code:
    """Runs something when it is read as a pickle."""

    def __reduce__(self) -> tuple[Any, ...]:
        return os.mkdir, ("was-run",)


def test_a_pickle_with_code_is_refused_and_not_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    torch.save({"model": Code()}, "w.pth")
    with pytest.raises(DataError, match=r"^w\.pth: holds more than weights, .* run code"):
        open_detector(f"torchvision:{SSDLITE}@w.pth")
    Path("old.pt").write_bytes(pickle.dumps(Code()))
    with pytest.raises(DataError, match=r"^old\.pt: holds more than weights"):
        open_detector(f"torchvision:{SSDLITE}@old.pt")
    assert not Path("was-run").exists()


def test_what_is_no_file_of_weights_is_refused(tmp_path: Path, file: Path) -> None:
    def opened(name: str, content: object, detector: str = SSDLITE) -> None:
        path = tmp_path / name
        if isinstance(content, bytes):
            path.write_bytes(content)
        elif content is not None:
            torch.save(content, path)
        open_detector(f"torchvision:{detector}@{path}")

    for name, content, message in (
        ("none.pth", None, "no such file; check the path after '@'"),
        ("w.bin", b"x", "not a file of weights; give .safetensors"),
        ("broken.safetensors", b"x" * 40, "cannot be read as weights"),
        ("broken.pth", b"x" * 40, "broken.pth: "),
        ("list.pth", [torch.zeros(1)], "holds no weights by name"),
        ("numbers.pth", {"lr": 0.1}, "holds no weights by name"),
        ("other.pth", {"a": torch.zeros(1)}, "no weights of ssdlite.* lacks 'head.classification"),
    ):
        with pytest.raises(DataError, match=message):
            opened(name, content)
    with pytest.raises(DataError, match="no weights of retinanet_resnet50_fpn .it lacks 'head.cl"):
        open_detector(f"torchvision:retinanet_resnet50_fpn@{file}")
    held = weights.read_weights(file)
    first = next(key for key in held if key.endswith("weight"))
    with pytest.raises(DataError, match=f"it lacks '{first}'"):
        opened("less.pth", {key: one for key, one in held.items() if key != first})
    with pytest.raises(DataError, match="it has an unknown 'more'"):
        opened("more.pth", held | {"more": torch.zeros(1)})
    with pytest.raises(DataError, match="size mismatch"):
        opened("shape.pth", held | {first: torch.zeros(3)})


def test_unknown_names_are_answered_with_the_known() -> None:
    for spec in ("torchvision:yolo", "torchvision:yolo@w.pth", "torchvision:maskrcnn_resnet50_fpn"):
        with pytest.raises(DataError, match=r"no such detector; use one of .*retinanet_resnet50"):
            open_detector(spec)
    with pytest.raises(DataError, match="no such detector"):
        identify("torchvision:yolo")


def test_published_weights_that_cannot_be_fetched(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_args: Any, **_more: Any) -> None:
        raise URLError("no route to host")

    monkeypatch.setattr(_api, "load_state_dict_from_url", fail)
    with pytest.raises(
        DataError, match=rf"cannot be fetched .*no route.*; give a file: torchvision:{SSDLITE}@"
    ):
        open_detector(f"torchvision:{SSDLITE}")


def test_published_weights_are_loaded_by_torchvision(monkeypatch: pytest.MonkeyPatch) -> None:
    torch.manual_seed(1)
    model = get_model(SSDLITE, weights=None, weights_backbone=None)
    monkeypatch.setattr(_api, "load_state_dict_from_url", lambda *_a, **_m: model.state_dict())
    opened = weights.load_published(SSDLITE)
    first = next(iter(model.state_dict()))
    assert torch.equal(opened.state_dict()[first], model.state_dict()[first])


def test_without_torchvision_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda _name: None)
    for ask in (open_detector, identify):
        with pytest.raises(CapabilityError, match=r"pip install 'thrifty\[torchvision\]'"):
            ask(f"torchvision:{SSDLITE}")


def test_a_detector_is_identified_by_name_and_weights(file: Path, tmp_path: Path) -> None:
    published = identify(f"torchvision:{SSDLITE}")
    assert published.endswith("SSDLite320_MobileNet_V3_Large_Weights.COCO_V1")
    one = identify(f"torchvision:{SSDLITE}@{file}")
    moved = tmp_path / "moved.safetensors"
    moved.write_bytes(file.read_bytes())
    assert one == identify(f"torchvision:{SSDLITE}@{moved}")
    moved.write_bytes(file.read_bytes() + b" ")
    assert one != identify(f"torchvision:{SSDLITE}@{moved}")
    assert one != identify(f"torchvision:ssd300_vgg16@{file}")
    with pytest.raises(DataError, match="cannot be read"):
        identify(f"torchvision:{SSDLITE}@{tmp_path}/none.pth")


def test_a_pool_is_scored_from_the_command_line(file: Path, tmp_path: Path) -> None:
    pool = tmp_path / "pool"
    pool.mkdir()
    for seed in range(2):
        Pillow.fromarray(picture(seed, (120, 160))).save(pool / f"{seed}.png")
    # Through fresh weights nothing of a picture reaches the end; through these it does.
    wavering = load_file(file)
    chance = torch.Generator().manual_seed(0)
    for tensor in wavering.values():
        if tensor.dim() == 4:
            tensor.normal_(0.0, (3.0 / tensor[0].numel()) ** 0.5, generator=chance)
    save_file(wavering, tmp_path / "wavering.safetensors")
    spec, out = (
        f"torchvision:{SSDLITE}@{tmp_path}/wavering.safetensors",
        tmp_path / "scores.parquet",
    )
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
    assert "2 frames scored" in done.stdout
    rows = pq.read_table(out).to_pylist()
    opened = open_detector(spec)
    frames = [one for one in Pool(pool).stream() if isinstance(one, Frame)]
    expected = score_frames(opened.class_maps(frames)).tolist()
    assert [row["score"] for row in rows] == pytest.approx(expected, rel=1e-3)
    assert len(expected) == 2
    assert min(expected) > 1e-3
