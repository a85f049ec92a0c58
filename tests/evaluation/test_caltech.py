"""The benchmark's own published figures, from its published detections and ground truth."""

from pathlib import Path

import pytest
from scipy.io import loadmat

from thrifty import boxes
from thrifty.evaluation.matching import match
from thrifty.evaluation.miss_rate import miss_rate_curve
from thrifty.types import Annotations, Detections


def test_acf_caltech_comes_out_as_published(real_data: Path) -> None:
    folder = real_data.parent / "caltech-eval"
    truths = loadmat(folder / "gt-Reasonable.mat")["gt"].ravel()
    detections = loadmat(folder / "dt-ACF-Caltech.mat")["dt"].ravel()
    matched = []
    for truth, detection in zip(truths, detections, strict=True):
        drawn, found = truth.astype(float).reshape(-1, 5), detection.astype(float).reshape(-1, 5)
        labels = Annotations(boxes.from_xywh(drawn[:, :4]), ignore=drawn[:, 4] > 0)
        matched.append(match(Detections(boxes.from_xywh(found[:, :4]), found[:, 4]), labels))
    assert sum(image.objects for image in matched) == 1014
    curve = miss_rate_curve(matched)
    assert curve.log_average == pytest.approx(0.442191, abs=1e-6)
    assert curve.at(1.0) == pytest.approx(0.2387, abs=5e-5)
