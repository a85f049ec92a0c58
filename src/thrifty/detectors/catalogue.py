"""From a short form on the command line to a detector.

| form | detector |
|---|---|
| `paper:weights.safetensors` | the paper's network, from weights that thrifty wrote |
| `trained:weights.safetensors` | whatever detector thrifty trained: the file says which |
| `onnx:model.onnx` | an exported model, described by `model.toml` beside it |
| `torchvision:NAME` | a detector of torchvision with its published weights |
| `torchvision:NAME@weights.safetensors` | the same with weights from a file, `.pth` too |
| `hf:FOLDER`, `hf:ORG/NAME` | a detector of transformers, saved there or downloaded |
| `yolo:model.pt` | a detection model of Ultralytics, read without running what the file brings |
| `maps:FOLDER` | class maps that were computed elsewhere, a file a frame |
| `boxes:found.parquet` | boxes that were computed elsewhere, a row a box |
| `package.module:factory` | your own: a function of no arguments that returns a `DenseDetector` |

A file may lie in a store too, by its URL: `onnx:s3://bucket/model.onnx`.
"""

from __future__ import annotations

import hashlib
import importlib
import importlib.util
import os
import re
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from thrifty.config import EvaluationSection
from thrifty.data.object_store import copy_beside, is_there, is_url, local_copy
from thrifty.data.stills import content_hash
from thrifty.detectors import transformers
from thrifty.detectors.checked import CheckedDetector, in_one_line
from thrifty.detectors.forms import FORMS
from thrifty.detectors.onnx import OnnxDetector
from thrifty.detectors.paper import load_detector, load_trained
from thrifty.detectors.precomputed import PrecomputedMaps, fingerprint
from thrifty.detectors.precomputed_boxes import PrecomputedBoxes
from thrifty.detectors.protocol import DenseDetector
from thrifty.detectors.torchvision import need_torchvision
from thrifty.detectors.trainable import trainable
from thrifty.detectors.transformers import TransformersDetector
from thrifty.detectors.ultralytics import load_detector as load_ultralytics
from thrifty.errors import DataError

_THRESHOLD = EvaluationSection().threshold
_OF_FILES = frozenset({"boxes", "onnx", "paper", "torchvision", "trained", "yolo"})


def open_detector(spec: str, device: str = "cpu") -> CheckedDetector:
    """Make the detector that a form names.

    Args:
        spec: One of the forms of this module.
        device: `cpu` or `cuda`.

    Raises:
        DataError: The form or the file it names cannot be understood, or your own factory fails.
        CapabilityError: What it needs is not installed, or it gives no class maps.
    """
    kind, rest = _split(spec)
    with in_one_line(f"--detector {spec}: cannot be opened", f"correct it, or use {FORMS}"):
        return CheckedDetector(f"--detector {spec}", _make(spec, kind, rest, device))


class DetectorSource(Protocol):
    """A detector before it is loaded."""

    @property
    def identity(self) -> str:
        """What decides its outputs: equal for equal outputs."""
        ...

    def open(self, device: str) -> CheckedDetector:
        """Load it onto `cpu` or `cuda`."""
        ...


@dataclass(frozen=True, slots=True)
class NamedDetector:
    """A detector by its form.

    Attributes:
        spec: One of the forms of this module.
    """

    spec: str

    @property
    def identity(self) -> str:
        """As `identify`."""
        return identify(self.spec)

    def open(self, device: str) -> CheckedDetector:
        """As `open_detector`."""
        return open_detector(self.spec, device)


def _make(spec: str, kind: str, rest: str, device: str) -> DenseDetector:
    makers: dict[str, Callable[[], DenseDetector]] = {
        "paper": lambda: load_detector(Path(rest), device),
        "trained": lambda: _trained(Path(rest), device),
        "onnx": lambda: OnnxDetector(Path(rest), device),
        "torchvision": lambda: _torchvision(rest, device),
        "hf": lambda: TransformersDetector(rest, device),
        "yolo": lambda: load_ultralytics(Path(rest), device),
        "maps": lambda: PrecomputedMaps(Path(rest), device),
        "boxes": lambda: PrecomputedBoxes(Path(rest)),
    }
    return makers[kind]() if kind in makers else _own(spec, kind, rest)


def _trained(path: Path, device: str) -> DenseDetector:
    settings, weights = load_trained(path)
    return trainable(settings).detector(weights, _THRESHOLD, device)


def _torchvision(form: str, device: str) -> DenseDetector:
    need_torchvision()
    from thrifty.detectors.torchvision.detector import (  # noqa: PLC0415 - an extra
        load_detector as load_torchvision,
    )

    return load_torchvision(form, device)


def absolute(spec: str) -> str:
    """The same detector, from wherever one looks: where the form names a file or a folder, with its whole path.

    >>> absolute("onnx:/models/m.onnx")
    'onnx:/models/m.onnx'
    >>> absolute("torchvision:fcos_resnet50_fpn")
    'torchvision:fcos_resnet50_fpn'

    Raises:
        DataError: The form cannot be understood.
    """
    kind, colon, rest = spec.partition(":")
    name, at, file = rest.partition("@") if kind == "torchvision" else ("", "", rest)
    local = kind in {*_OF_FILES, "maps"} or (kind == "hf" and Path(file).is_dir())
    if not local or not file or is_url(file):
        return spec
    return f"{kind}{colon}{name}{at}{Path(file).absolute()}"


def identify(spec: str) -> str:
    """What decides a detector's outputs, as far as files say, by their content.

    Of your own, that is the source of the module you name; what it imports or loads itself is not looked at. Of an
    exported model it includes its description and the files that hold its tensors. Published weights go by their name.

    Raises:
        DataError: As `open_detector`.
        CapabilityError: As `open_detector`.
    """
    kind, rest = _split(spec)
    if kind == "torchvision" and "@" not in rest:
        need_torchvision()
        from thrifty.detectors.torchvision.weights import published  # noqa: PLC0415 - an extra

        return f"{spec}:{published(rest)}"
    try:
        if kind == "maps":
            return f"{kind}:{fingerprint(Path(rest))}"
        parts = [content_hash(file) for file in _files(spec, kind, rest)]
    except OSError as error:
        raise DataError(
            f"--detector {spec}: cannot be read ({error.strerror or error}); check the path of its file"
        ) from error
    name = spec if kind not in {*_OF_FILES, "hf"} else kind
    if kind == "torchvision":
        name = spec.partition("@")[0]
    return f"{name}:{hashlib.sha256(' '.join(parts).encode()).hexdigest()[:32]}"


def _files(spec: str, kind: str, rest: str) -> Iterator[Path]:
    if kind == "hf":
        yield from transformers.files(rest)
        return
    if kind not in _OF_FILES:
        yield from _source(spec, kind)
        return
    path = Path(rest.partition("@")[2] if kind == "torchvision" else rest)
    yield path
    if kind == "onnx":
        beside = [path.with_suffix(".toml"), *_tensor_files(path)]
        yield from (file for file in beside if file.is_file())


def _source(spec: str, module: str) -> Iterator[Path]:
    """The file that a module is imported from, if it is found; the module itself is not imported."""
    _look_where_we_stand()
    with in_one_line(f"--detector {spec}: cannot be found", f"use {FORMS}"):
        found = importlib.util.find_spec(module)
    if found is not None and found.has_location and found.origin:
        yield Path(found.origin)


_LOCATION = re.compile(rb"\x0a\x08location\x12([\x80-\xff]?[\x00-\x7f])", re.DOTALL)
"""How a model names a file of tensors: the key, and the length of the name, seven bits a byte."""


def _tensor_files(model: Path) -> list[Path]:
    content = model.read_bytes()
    names = set()
    for found in _LOCATION.finditer(content):
        low, high = (*found[1], 0)[:2]
        length = (low & 0x7F) | high << 7
        names.add(os.fsdecode(content[found.end() : found.end() + length]))
    return [model.parent / name for name in sorted(names) if "\0" not in name]


def _split(spec: str) -> tuple[str, str]:
    kind, colon, rest = spec.partition(":")
    if not colon or not kind or not rest:
        raise DataError(f"--detector {spec}: not a detector; use {FORMS}")
    return kind, _on_this_machine(kind, rest) if kind in _OF_FILES else rest


def _on_this_machine(kind: str, rest: str) -> str:
    """The same, with a copy in place of a file that lies in a store."""
    name, at, file = rest.partition("@") if kind == "torchvision" else ("", "", rest)
    if not is_url(file):
        return rest
    path = local_copy(file)
    if kind == "onnx":
        folder = file.rpartition("/")[0]
        for beside in (path.with_suffix(".toml"), *_tensor_files(path)):
            url = f"{folder}/{beside.name}"
            if not beside.exists() and is_there(url):
                copy_beside(url, path.parent)
    return f"{name}{at}{path}"


def _own(spec: str, module: str, name: str) -> DenseDetector:
    _look_where_we_stand()
    with in_one_line(f"--detector {spec}: cannot be found", f"use {FORMS}"):
        factory = getattr(importlib.import_module(module), name)
    with in_one_line(
        f"--detector {spec}: its factory fails", "it takes no arguments and returns a detector"
    ):
        return factory()  # type: ignore[no-any-return]


def _look_where_we_stand() -> None:
    """As `python -m` does, look for people's own modules in the current folder."""
    here = os.getcwd()  # noqa: PTH109 - an entry of sys.path
    if here not in sys.path:
        sys.path.insert(0, here)
