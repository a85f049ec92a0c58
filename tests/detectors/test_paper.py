from pathlib import Path

import numpy as np
import pytest
import torch

from thrifty.config import DetectorSection, Preset
from thrifty.detectors.network import PaperNetwork
from thrifty.detectors.paper import PaperDetector, load_weights, save_weights
from thrifty.errors import DataError
from thrifty.maps import MapKind
from thrifty.types import Frame, Record

SETTINGS = DetectorSection(width=0.1, box_scale=0.5)


def weights(settings: DetectorSection = SETTINGS) -> dict[str, torch.Tensor]:
    torch.manual_seed(0)
    return dict(PaperNetwork(settings.preset, settings.width).state_dict())


def frame(seed: int = 0, scale: float = 1.0, height: int = 64, width: int = 80) -> Frame:
    image = np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)
    return Frame(
        Record(str(seed), "x.png", round(width / scale), round(height / scale)), image, scale
    )


def test_maps_are_five_levels_of_logits_for_the_image() -> None:
    maps = PaperDetector(SETTINGS, weights()).class_maps([frame(0), frame(1)])
    assert (len(maps.levels), maps.height, maps.width, maps.kind) == (5, 64, 80, MapKind.LOGITS)
    assert maps.probabilities().shape == (2, 5, 64, 80)


def test_double_evaluation_is_the_mean_over_the_image_and_its_mirror() -> None:
    single = PaperDetector(SETTINGS, weights())
    double = PaperDetector(SETTINGS.model_copy(update={"double_evaluation": True}), weights())
    plain = frame()
    mirrored = Frame(plain.record, np.ascontiguousarray(plain.image[:, ::-1]))
    expected = (
        single.class_maps([plain]).probabilities()
        + single.class_maps([mirrored]).probabilities().flip(-1)
    ) / 2
    torch.testing.assert_close(
        double.class_maps([plain]).probabilities(), expected, atol=1e-5, rtol=1e-5
    )
    # A mirrored image gives mirrored maps.
    torch.testing.assert_close(
        double.class_maps([mirrored]).probabilities().flip(-1), expected, atol=1e-5, rtol=1e-5
    )


def test_boxes_are_in_pixels_of_the_stored_frame() -> None:
    detector = PaperDetector(SETTINGS, weights(), threshold=0.01)
    stored = detector.detect([frame(scale=1.0)])[0]
    shrunk = detector.detect([frame(scale=0.5)])[0]
    assert len(stored) > 0
    np.testing.assert_allclose(shrunk.boxes, 2 * stored.boxes)


def test_a_batch_equals_one_by_one() -> None:
    detector = PaperDetector(SETTINGS, weights())
    together = detector.class_maps([frame(0), frame(1)]).probabilities()
    for index in range(2):
        alone = detector.class_maps([frame(index)]).probabilities()
        torch.testing.assert_close(together[index : index + 1], alone, atol=1e-5, rtol=1e-5)


def test_weights_survive_the_file(tmp_path: Path) -> None:
    path = tmp_path / "w.safetensors"
    path.write_bytes(save_weights(weights()))
    assert all(torch.equal(value, weights()[name]) for name, value in load_weights(path).items())


def test_weights_of_another_network_and_files_that_are_none(tmp_path: Path) -> None:
    released = SETTINGS.model_copy(update={"preset": Preset.RELEASED})
    with pytest.raises(DataError, match="do not fit the network 'released' at width 0.1"):
        PaperDetector(released, weights())
    path = tmp_path / "w.safetensors"
    path.write_bytes(b"nothing")
    with pytest.raises(DataError, match=r"w\.safetensors: cannot be read as weights"):
        load_weights(path)


def test_pictures_too_small_for_the_network_are_refused() -> None:
    with pytest.raises(DataError, match="12x64 pixels after scaling but the network needs 16x16"):
        PaperDetector(SETTINGS, weights()).class_maps([frame(height=64, width=12)])
