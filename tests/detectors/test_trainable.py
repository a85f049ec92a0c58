"""What training begins from."""

from pathlib import Path

import pytest

from thrifty.config import DetectorSection
from thrifty.data.stills import content_hash
from thrifty.detectors.trainable import begins_from
from thrifty.errors import DataError


@pytest.mark.parametrize("family", ["yolo", "torchvision"])
def test_weights_are_told_by_their_content_and_not_by_their_name(
    family: str, tmp_path: Path
) -> None:
    file = tmp_path / "weights.pt"
    settings = (
        DetectorSection(model=f"yolo:{file}")
        if family == "yolo"
        else DetectorSection(model="torchvision:ssdlite320_mobilenet_v3_large", weights=str(file))
    )
    file.write_bytes(b"first")
    before = begins_from(settings)
    assert before == content_hash(file)
    file.write_bytes(b"second")
    assert begins_from(settings) != before
    file.unlink()
    with pytest.raises(DataError, match=r"weights\.pt: cannot read the weights to begin from"):
        begins_from(settings)


@pytest.mark.parametrize(
    "settings",
    [
        DetectorSection(),
        DetectorSection(model="yolo:yolo11n"),
        DetectorSection(model="torchvision:ssdlite320_mobilenet_v3_large", weights="published"),
    ],
)
def test_fresh_and_published_weights_are_no_files(settings: DetectorSection) -> None:
    assert begins_from(settings) == ""
