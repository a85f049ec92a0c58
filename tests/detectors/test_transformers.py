"""Detectors of transformers: fresh networks of the real constructors, saved and loaded as people's own are."""

import importlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor, nn

from tests.cli.test_run_command import thrifty
from tests.tiny import TinyData
from thrifty.config import ChoiceSettings
from thrifty.data.pool import Pool
from thrifty.detectors.catalogue import NamedDetector, identify, open_detector
from thrifty.detectors.transformers import TransformersDetector
from thrifty.errors import CapabilityError, DataError
from thrifty.maps import MapKind
from thrifty.scored_pool import Looking, Scoring, score_pool
from thrifty.selected_pool import select_frames
from thrifty.store.scored_frames import read_scores
from thrifty.strategies.catalogue import make_strategy
from thrifty.testing import check_detector
from thrifty.types import Frame, Need, Record

# Its configurations are made at run time, so types know nothing of their arguments.
library: Any = importlib.import_module("transformers")

CLASSES = 4
BACKBONE: dict[str, Any] = {
    "embedding_size": 16,
    "hidden_sizes": [16, 24, 32, 48],
    "depths": [1, 1, 1, 1],
    "layer_type": "basic",
}
THREE = ["stage2", "stage3", "stage4"]
SMALL: dict[str, Any] = {
    "d_model": 32,
    "encoder_ffn_dim": 64,
    "decoder_ffn_dim": 64,
    "decoder_layers": 2,
    "encoder_attention_heads": 4,
    "decoder_attention_heads": 4,
    "num_queries": 30,
    "num_labels": CLASSES,
}
HYBRID: dict[str, Any] = {
    **SMALL,
    "encoder_hidden_dim": 32,
    "encoder_in_channels": [24, 32, 48],
    "decoder_in_channels": [32, 32, 32],
    "anchor_image_size": None,
    "num_denoising": 0,
    "freeze_backbone_batch_norms": False,
}


def rt_detr() -> Any:
    backbone = library.RTDetrResNetConfig(**BACKBONE, out_features=THREE)
    return library.RTDetrForObjectDetection(
        library.RTDetrConfig(backbone_config=backbone, **HYBRID)
    )


def rt_detr_v2() -> Any:
    backbone = library.RTDetrResNetConfig(**BACKBONE, out_features=THREE)
    return library.RTDetrV2ForObjectDetection(
        library.RTDetrV2Config(backbone_config=backbone, **HYBRID)
    )


def d_fine() -> Any:
    backbone = library.HGNetV2Config(
        hidden_sizes=[24, 32, 40, 48],
        stem_channels=[3, 8, 16],
        stage_in_channels=[16, 24, 32, 40],
        stage_mid_channels=[8, 8, 8, 8],
        stage_out_channels=[24, 32, 40, 48],
        stage_num_blocks=[1, 1, 1, 1],
        stage_numb_of_layers=[1, 1, 1, 1],
        stage_downsample=[False, True, True, True],
        stage_light_block=[False] * 4,
        stage_kernel_size=[3] * 4,
        out_features=THREE,
    )
    settings = HYBRID | {"encoder_in_channels": [32, 40, 48]}
    return library.DFineForObjectDetection(
        library.DFineConfig(backbone_config=backbone, **settings)
    )


def deformable_detr(*, stages: int = 2) -> Any:
    return library.DeformableDetrForObjectDetection(
        library.DeformableDetrConfig(
            use_timm_backbone=False,
            backbone=None,
            backbone_config=library.ResNetConfig(**BACKBONE, out_features=THREE),
            encoder_layers=1,
            two_stage=stages == 2,
            with_box_refine=stages == 2,
            two_stage_num_proposals=30,
            **SMALL,
        )
    )


def detr() -> Any:
    return library.DetrForObjectDetection(
        library.DetrConfig(
            use_timm_backbone=False,
            backbone=None,
            backbone_config=library.ResNetConfig(**BACKBONE, out_features=["stage4"]),
            encoder_layers=1,
            **SMALL,
        )
    )


STRETCHED = library.RTDetrImageProcessor(size={"height": 320, "width": 384})
"""The picture's shape is not kept."""
KEPT = library.DetrImageProcessor(size={"shortest_edge": 256, "longest_edge": 400})
PADDED = library.DetrImageProcessor(
    size={"shortest_edge": 192, "longest_edge": 256}, pad_size={"height": 320, "width": 384}
)


def saved(make: Callable[[], Any], processor: Any, folder: Path) -> Path:
    """A fresh network whose answers depend on the picture, as a trained one's do, in a folder as `save_pretrained` makes it."""
    torch.manual_seed(0)
    model = make()
    for name, part in model.named_modules():
        if isinstance(part, nn.Conv2d):
            nn.init.kaiming_normal_(part.weight)
        if isinstance(part, nn.BatchNorm2d):
            part.momentum = None
        if isinstance(part, nn.Linear) and any(
            key in name for key in ("enc_output", "class", "score_head", "bbox")
        ):
            nn.init.xavier_normal_(part.weight)
        if type(part).__name__.endswith("EncoderLayer"):
            # With weights as large as the rest, what a place says would come from anywhere.
            for weight in part.parameters():
                weight.data *= 0.1 if weight.dim() == 2 else 1.0
    model.train()
    with torch.no_grad():
        model(pixel_values=torch.randn(4, 3, 256, 320))
    model.save_pretrained(folder)
    processor.save_pretrained(folder)
    return folder


def frames(count: int = 2, size: tuple[int, int] = (120, 160)) -> list[Frame]:
    rng = np.random.default_rng(1)
    return [
        Frame(
            Record(str(number), f"{number}.png", size[1], size[0]),
            rng.integers(0, 256, (*size, 3), dtype=np.uint8),
        )
        for number in range(count)
    ]


DENSE = [
    pytest.param(rt_detr, STRETCHED, (320, 384), id="rt-detr"),
    pytest.param(rt_detr_v2, STRETCHED, (320, 384), id="rt-detr-v2"),
    pytest.param(d_fine, STRETCHED, (320, 384), id="d-fine"),
    pytest.param(deformable_detr, KEPT, (256, 320), id="deformable-detr"),
]


@pytest.mark.parametrize(("make", "processor", "size"), DENSE)
def test_every_family_with_dense_classes_keeps_the_contract(
    make: Callable[[], Any], processor: Any, size: tuple[int, int], tmp_path: Path
) -> None:
    folder = saved(make, processor, tmp_path)
    detector = TransformersDetector(str(folder))
    assert detector.gives == {Need.BOXES, Need.CLASS_MAPS, Need.FEATURES, Need.PASSES}
    check_detector(lambda: TransformersDetector(str(folder)), size=size)


@pytest.mark.parametrize("make", [detr, lambda: deformable_detr(stages=1)], ids=["detr", "one"])
def test_a_family_without_them_gives_boxes_and_says_so(
    make: Callable[[], Any], tmp_path: Path
) -> None:
    folder = saved(make, KEPT, tmp_path)
    detector = TransformersDetector(str(folder))
    assert detector.gives == {Need.BOXES}
    check_detector(lambda: TransformersDetector(str(folder)))
    with pytest.raises(CapabilityError, match="has no classes of places, boxes alone"):
        detector.class_maps(frames())
    with pytest.raises(CapabilityError, match="gives no class maps"):
        open_detector(f"hf:{folder}").class_maps(frames())


def test_frames_are_chosen_by_boxes_alone(tiny: TinyData, tmp_path: Path) -> None:
    source = NamedDetector(f"hf:{saved(detr, KEPT, tmp_path)}")
    settings = ChoiceSettings()
    by = Looking(make_strategy("margin-sum", settings, "test"), settings)
    scores = tmp_path / "scores.parquet"
    score_pool(Scoring(Pool(tiny.video, every=4), source, by), scores)
    rows = select_frames(read_scores(scores), 2, by).rows
    assert rows[0].smoothed > rows[1].smoothed > 0
    dense = Looking(make_strategy("divergence", settings, "test"), settings)
    with pytest.raises(CapabilityError, match="strategies that fit: guided-random, .*margin-sum"):
        score_pool(Scoring(Pool(tiny.video), source, dense), tmp_path / "other.parquet")


@torch.inference_mode()
def test_class_maps_are_what_the_queries_are_picked_by(tmp_path: Path) -> None:
    """Place by place against the model's own answer for the encoder, level after level, row after row."""
    detector = TransformersDetector(str(saved(rt_detr, STRETCHED, tmp_path)))
    maps = detector.class_maps(frames())
    assert (maps.height, maps.width, maps.kind) == (320, 384, MapKind.LOGITS)
    assert [tuple(level.shape) for level in maps.levels] == [
        (2, CLASSES, 320 // stride, 384 // stride) for stride in (8, 16, 32)
    ]
    told = detector.model(**own_input(STRETCHED, frames())).enc_outputs_class
    place = 0
    for level in maps.levels:
        for row in range(level.shape[2]):
            for column in range(level.shape[3]):
                assert torch.allclose(level[:, :, row, column], told[:, place], atol=1e-5)
                place += 1
    assert place == told.shape[1]


def own_input(processor: Any, batch: list[Frame]) -> dict[str, Tensor]:
    images = [Image.fromarray(frame.image) for frame in batch]
    return dict(processor(images=images, return_tensors="pt"))


@torch.inference_mode()
def test_the_first_stage_of_deformable_detr_tells_objects_and_no_classes(tmp_path: Path) -> None:
    detector = TransformersDetector(str(saved(deformable_detr, KEPT, tmp_path)))
    maps = detector.class_maps(frames())
    assert {level.shape[1] for level in maps.levels} == {1}
    told = detector.model(**own_input(KEPT, frames())).enc_outputs_class
    first = maps.levels[0]
    assert torch.allclose(first[:, 0].flatten(1), told[:, : first[0].numel(), 0], atol=1e-5)


@torch.inference_mode()
def test_what_is_filled_up_takes_no_part(tmp_path: Path) -> None:
    """A picture of 120 x 160 becomes 192 x 256, in the corner of 320 x 384."""
    detector = TransformersDetector(str(saved(deformable_detr, PADDED, tmp_path)))
    maps = detector.class_maps(frames())
    assert (maps.height, maps.width) == (192, 256)
    assert set(maps.spans) == {(320.0, 384.0)}
    assert tuple(maps.levels[0].shape[2:]) == (40, 48)


@pytest.mark.parametrize(
    ("make", "processor"), [(rt_detr, STRETCHED), (detr, KEPT)], ids=["rt-detr", "detr"]
)
@torch.inference_mode()
def test_boxes_are_those_of_the_model_s_own_post_processing(
    make: Callable[[], Any], processor: Any, tmp_path: Path
) -> None:
    """Which gives RT-DETR's surest pairs of a query and a class; the best of each query is ours."""
    detector = TransformersDetector(str(saved(make, processor, tmp_path)))
    batch = frames()
    outputs = detector.model(**own_input(processor, batch))
    sizes = [frame.image.shape[:2] for frame in batch]
    for found, theirs in zip(
        detector.detect(batch),
        processor.post_process_object_detection(outputs, threshold=0.05, target_sizes=sizes),
        strict=True,
    ):
        assert len(found) > 3
        boxes = np.clip(theirs["boxes"].numpy(), 0, [160, 120, 160, 120])
        for box, score, kind in zip(found.boxes[:5], found.scores, found.classes, strict=False):
            same = np.abs(boxes - box).max(axis=1) < 1e-2
            best = theirs["scores"].numpy()[same].argmax()
            assert theirs["scores"].numpy()[same][best] == pytest.approx(score, abs=1e-5)
            assert theirs["labels"].numpy()[same][best] == kind


def test_a_pool_is_scored_from_the_command_line(tmp_path: Path) -> None:
    folder, pool = saved(rt_detr, STRETCHED, tmp_path / "model"), tmp_path / "pool"
    pool.mkdir()
    for frame in frames(3):
        Image.fromarray(frame.image).save(pool / frame.record.source)
    out = tmp_path / "chosen.csv"
    done = thrifty("select", pool, "--detector", f"hf:{folder}", "-b", 2, "--out", out)
    assert done.returncode == 0, done.stderr
    assert len(out.read_text().splitlines()) == 3
    assert identify(f"hf:{folder}").startswith("hf:")


def test_other_weights_are_another_detector(tmp_path: Path) -> None:
    folder = saved(rt_detr, STRETCHED, tmp_path)
    before = identify(f"hf:{folder}")
    assert identify(f"hf:{folder}") == before
    with (folder / "preprocessor_config.json").open("a") as file:
        file.write("\n")
    assert identify(f"hf:{folder}") != before


def test_a_folder_that_lacks_something_or_holds_a_pickle_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"lacks config.json, preprocessor_config.json, model.safe"):
        open_detector(f"hf:{tmp_path}")
    folder = saved(detr, KEPT, tmp_path / "model")
    (folder / "model.safetensors").rename(folder / "pytorch_model.bin")
    with pytest.raises(DataError, match="holds a pickle, which could run code"):
        open_detector(f"hf:{folder}")
    (folder / "pytorch_model.bin").rename(folder / "model.safetensors")
    (folder / "config.json").write_text('{"model_type": "bert"}')
    with pytest.raises(DataError, match=r"--detector hf:.*: cannot be opened \(ValueError"):
        open_detector(f"hf:{folder}")


def test_without_transformers_the_error_says_what_to_install(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def missing(name: str) -> None:
        raise ImportError(name)

    monkeypatch.setattr(importlib, "import_module", missing)
    with pytest.raises(CapabilityError, match=r"pip install 'thrifty\[transformers\]'"):
        open_detector(f"hf:{tmp_path}")


def test_it_needs_nobody_to_switch_gradients_off(tmp_path: Path) -> None:
    detector = TransformersDetector(str(saved(rt_detr, STRETCHED, tmp_path)))
    assert detector.detect(frames())
    for level in (*detector.class_maps(frames()).levels, detector.features(frames(), "last")):
        assert not level.requires_grad


@pytest.mark.parametrize("name", ["nofolder", "./nofolder", "../models/none"])
def test_a_name_of_neither_folder_nor_repository_is_refused_at_once(name: str) -> None:
    with pytest.raises(DataError, match="is no folder, nor a repository"):
        open_detector(f"hf:{name}", "cpu")
