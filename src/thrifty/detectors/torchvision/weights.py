"""A model of torchvision with its weights: the published ones, or those of a file."""

from __future__ import annotations

import hashlib
import pickle
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import safetensors.torch
import torch
from safetensors import SafetensorError
from torch import Tensor, nn
from torchvision.models import detection, get_model, get_model_weights, list_models

from thrifty.detectors.torchvision.network import Model
from thrifty.errors import DataError

_DENSE = ("head.classification_head.cls_logits.weight", "head.regression_head.bbox_reg.weight")
_LIST = "head.{}_head.module_list.0.{}weight"
_COUNTED: Mapping[str, tuple[str, str | None]] = {
    "retinanet": _DENSE,
    "fcos": _DENSE,
    "ssd300": (_LIST.format("classification", ""), _LIST.format("regression", "")),
    "ssdlite320": (_LIST.format("classification", "1."), _LIST.format("regression", "1.")),
    "fasterrcnn": ("roi_heads.box_predictor.cls_score.weight", None),
}
"""By how a name begins: the weights whose rows are classes times anchors, and those whose rows are anchors times four."""

_COUNTER = "num_batches_tracked"
_WRAPPED = ("model", "state_dict")
_WITHOUT_EPSILON = frozenset({"retinanet_resnet50_fpn", "fasterrcnn_resnet50_fpn"})
"""Their published weights belong to a normalisation that adds nothing to the variance."""


def names() -> list[str]:
    """The detectors that can be named."""
    return [name for name in list_models(detection) if name.partition("_")[0] in _COUNTED]


def check_name(name: str) -> None:
    """Refuse a name that is none.

    Raises:
        DataError: With those that are.
    """
    if name not in names():
        raise DataError(f"torchvision:{name}: no such detector; use one of {', '.join(names())}")


def published(name: str) -> str:
    """The full name of a detector's published weights."""
    check_name(name)
    return str(get_model_weights(name).DEFAULT)


def load_published(name: str) -> Model:
    """A detector with the weights that torchvision publishes for it, fetched once and then kept by torch.

    Raises:
        DataError: The name is none, or the weights cannot be fetched.
    """
    check_name(name)
    weights = get_model_weights(name).DEFAULT
    try:
        return get_model(name, weights=weights, progress=False)
    except (OSError, RuntimeError) as error:
        raise DataError(
            f"torchvision:{name}: its published weights ({weights}) are not here and cannot be fetched ({error}); give a file: "
            f"torchvision:{name}@weights.safetensors"
        ) from error


def load_file(name: str, path: Path) -> Model:
    """A detector with the weights of a file, for as many classes as they have.

    Args:
        name: One of `names`.
        path: A state dictionary: `.safetensors`, or `.pth` and `.pt`, read as tensors and nothing else.

    Raises:
        DataError: The name is none, the file is missing, holds anything but weights, or those of another detector.
    """
    check_name(name)
    weights = read_weights(path)
    fit = f"these are no weights of {name}; name the detector that they are of"
    model = get_model(
        name, weights=None, weights_backbone=None, num_classes=_classes(name, weights, path)
    )
    try:
        outcome = model.load_state_dict(weights, strict=False)
    except RuntimeError as error:
        raise DataError(f"{path}: {fit} ({str(error).splitlines()[-1].strip()})") from error
    # Frozen normalisation, which published weights have, counts no batches.
    missing = [key for key in outcome.missing_keys if not key.endswith(_COUNTER)]
    for problem, keys in (("lacks", missing), ("has an unknown", outcome.unexpected_keys)):
        if keys:
            raise DataError(f"{path}: {fit} (it {problem} '{keys[0]}')")
    if name in _WITHOUT_EPSILON and _is_published(name, path):
        for module in model.modules():
            if isinstance(module, nn.BatchNorm2d):
                module.eps = 0.0
    return model


def read_weights(path: Path) -> dict[str, Tensor]:
    """The tensors of a file, by name.

    Raises:
        DataError: The file is missing, of another kind, or holds more than tensors.
    """
    advice = "give .safetensors, or .pth with model.state_dict() alone"
    if not path.is_file():
        raise DataError(f"{path}: no such file; check the path after '@'")
    try:
        if path.suffix == ".safetensors":
            return dict(safetensors.torch.load_file(path))
        if path.suffix not in {".pth", ".pt"}:
            raise DataError(f"{path}: not a file of weights; {advice}")
        with warnings.catch_warnings():
            # Of an old pickle it says that it might not be able to read it; if so, an error says so too.
            warnings.simplefilter("ignore", UserWarning)
            content = torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        raise DataError(
            f"{path}: holds more than weights, and reading it would run code that it brings; {advice}"
        ) from error
    except (OSError, EOFError, RuntimeError, SafetensorError, ValueError, KeyError) as error:
        raise DataError(
            f"{path}: cannot be read as weights ({_first_line(error)}); {advice}"
        ) from error
    return _tensors(content, path, advice)


def _tensors(content: Any, path: Path, advice: str) -> dict[str, Tensor]:  # noqa: ANN401 - whatever a file holds
    """The state dictionary, by itself or in a checkpoint as training scripts write them."""
    for key in _WRAPPED:
        if isinstance(content, Mapping) and isinstance(content.get(key), Mapping):
            content = content[key]
    if not isinstance(content, Mapping) or not all(
        isinstance(one, Tensor) for one in content.values()
    ):
        raise DataError(f"{path}: holds no weights by name; {advice}")
    return dict(content)


def _classes(name: str, weights: Mapping[str, Tensor], path: Path) -> int:
    """How many classes weights are for, background included."""
    counted, boxes = _COUNTED[name.partition("_")[0]]
    for key in (counted, boxes):
        if key is not None and key not in weights:
            raise DataError(
                f"{path}: these are no weights of {name} (it lacks '{key}'); name the detector that they are of"
            )
    anchors = 1 if boxes is None else max(1, len(weights[boxes]) // 4)
    return len(weights[counted]) // anchors


def _is_published(name: str, path: Path) -> bool:
    """Whether a file is what torchvision publishes: the name of that ends in the beginning of its hash."""
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    known = str(get_model_weights(name).DEFAULT.url).rpartition("-")[2].partition(".")[0]
    return digest.startswith(known)


def _first_line(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0]
