"""Fixtures of detectors."""

import os
from pathlib import Path

import pytest

from tests.conftest import SHARED


@pytest.fixture(scope="session")
def yolox() -> Path:
    path = SHARED / "weights" / "yolox_nano_coco80_416.onnx"
    if not path.is_file():
        message = f"{path}: the real model is not here"
        if os.environ.get("CI"):
            pytest.fail(message)
        pytest.skip(message)
    return path
