"""From a short form on the command line to a detector.

| form | detector |
|---|---|
| `paper:weights.safetensors` | the paper's network, from weights that thrifty wrote |
| `onnx:model.onnx` | an exported model, described by `model.toml` beside it |
| `package.module:factory` | your own: a function of no arguments that returns a `DenseDetector` |
"""

from __future__ import annotations

import hashlib
import importlib
import os
import sys
from pathlib import Path

from thrifty.data.stills import content_hash
from thrifty.detectors.forms import FORMS
from thrifty.detectors.onnx import OnnxDetector
from thrifty.detectors.paper import load_detector
from thrifty.detectors.protocol import DenseDetector
from thrifty.errors import CapabilityError, DataError
from thrifty.types import Need


def open_detector(spec: str, device: str = "cpu") -> DenseDetector:
    """Make the detector that a form names.

    Args:
        spec: One of the forms of this module.
        device: `cpu` or `cuda`.

    Raises:
        DataError: The form or the file it names cannot be understood.
        CapabilityError: What it needs is not installed, or it gives no class maps.
    """
    kind, rest = _split(spec)
    if kind == "paper":
        return load_detector(Path(rest), device)
    if kind == "onnx":
        return OnnxDetector(Path(rest), device)
    return _own(spec, kind, rest)


def identify(spec: str) -> str:
    """What decides a detector's outputs, as far as a form says: for a file, its content.

    Raises:
        DataError: As `open_detector`.
    """
    kind, rest = _split(spec)
    if kind not in {"paper", "onnx"}:
        return spec
    path = Path(rest)
    files = [path, path.with_suffix(".toml")] if kind == "onnx" else [path]
    try:
        parts = [content_hash(file) for file in files if file == path or file.is_file()]
    except OSError as error:
        raise DataError(
            f"{path}: cannot be read ({error.strerror}); check the path after '{kind}:'"
        ) from error
    return f"{kind}:{hashlib.sha256(' '.join(parts).encode()).hexdigest()[:32]}"


def _split(spec: str) -> tuple[str, str]:
    kind, colon, rest = spec.partition(":")
    if not colon or not kind or not rest:
        raise DataError(f"--detector {spec}: not a detector; use {FORMS}")
    return kind, rest


def _own(spec: str, module: str, name: str) -> DenseDetector:
    # As `python -m` does, look for people's own modules where they stand.
    here = os.getcwd()  # noqa: PTH109 - an entry of sys.path
    if here not in sys.path:
        sys.path.insert(0, here)
    try:
        factory = getattr(importlib.import_module(module), name)
    except (ImportError, AttributeError) as error:
        raise DataError(f"--detector {spec}: {error}; use {FORMS}") from error
    detector = factory()
    if Need.CLASS_MAPS not in getattr(detector, "gives", ()) or not hasattr(detector, "class_maps"):
        raise CapabilityError(
            f"--detector {spec}: gives no class maps ('gives' must hold Need.CLASS_MAPS, and 'class_maps' make them)"
        )
    return detector  # type: ignore[no-any-return]
