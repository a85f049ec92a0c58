"""Networks that were pickled whole, read without running anything that the file asks for.

A pickle may call whatever it names. Here a name is only a name: what is read first are blanks, which hold a state and can
do nothing, and only blanks of known kinds of layers become layers, without calling their constructors: those of a
library may well evaluate text that they are given.
"""

from __future__ import annotations

import importlib
import pickle
from collections import OrderedDict
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Any, ClassVar

import torch
from torch import nn

from thrifty.errors import DataError

_NAMED = 3
_NUMPY = ("numpy", "numpy.core.multiarray", "numpy._core.multiarray")
PLAIN = frozenset(
    {f"{module}.{name}" for module in _NUMPY for name in ("scalar", "dtype")}
    | {
        f"pathlib.{kind}{system}"
        for kind in ("", "Pure")
        for system in ("PosixPath", "WindowsPath")
    }
    | {"pathlib._local.PosixPath", "pathlib._local.WindowsPath"}
)
"""Figures of training and paths: checkpoints hold them, and no network needs them."""


class _Blank:
    """Stands for a layer; it can be filled in, and nothing else."""

    layer: ClassVar[type[nn.Module]]

    def __init__(self, *_given: object) -> None:
        raise pickle.UnpicklingError(f"it calls {self.layer.__qualname__}")

    def __setstate__(self, state: object) -> None:
        self.state = state


class _Ignored:
    """Stands for what is left out."""

    def __init__(self, *_given: object) -> None:
        pass

    def __setstate__(self, _state: object) -> None:
        pass


def read_checkpoint(
    path: Path, layers: Sequence[str], ignored: Collection[str] = (), advice: str = ""
) -> Any:  # noqa: ANN401 - whatever a file holds
    """What `torch.save` wrote, networks included, as far as it is made of tensors, plain values and known layers.

    Args:
        path: The file.
        layers: Packages, as `torch.nn`, whose subclasses of `torch.nn.Module` may be read.
        ignored: Full names of what else the file may hold, and packages of such (ending in a dot); `None` stands in
            their places. `PLAIN` is ignored always.
        advice: How the errors end.

    Returns:
        The content, tensors on the CPU.

    Raises:
        DataError: The file is missing, was not written by `torch.save`, or names anything else.
    """
    if not path.is_file():
        raise DataError(f"{path}: no such file; check the path")
    try:
        blanks = _blanks(path, layers, ignored, advice)
        with torch.serialization.safe_globals(blanks):  # type: ignore[arg-type] # names may be given
            content = torch.load(path, map_location="cpu", weights_only=True)
        return _Filling().value(content)
    except DataError:
        raise
    except pickle.UnpicklingError as error:
        reason = str(error.__cause__ or error.__context__ or error).splitlines()[0]
        raise DataError(f"{path}: wants more than to be read ({reason}); {advice}") from error
    except Exception as error:  # a damaged file may fail anywhere
        reason = (str(error).splitlines() or [""])[0] or type(error).__name__
        raise DataError(f"{path}: cannot be read as a checkpoint ({reason}); {advice}") from error


def _blanks(
    path: Path, layers: Sequence[str], ignored: Collection[str], advice: str
) -> list[tuple[type, str]]:
    """What stands for each name in a file, and the name."""
    names = torch.serialization.get_unsafe_globals_in_checkpoint(path)
    found = {name: _blank(name, layers, ignored) for name in sorted(names)}
    unknown = [name for name, blank in found.items() if blank is None]
    if unknown:
        more = f" and {len(unknown) - _NAMED} more" if len(unknown) > _NAMED else ""
        raise DataError(
            f"{path}: wants to run {', '.join(unknown[:_NAMED])}{more}, which was not done; {advice}"
        )
    return [(blank, name) for name, blank in found.items() if blank is not None]


def _blank(name: str, layers: Sequence[str], ignored: Collection[str]) -> type | None:
    """What stands for a name while the file is read."""
    package = name.rpartition(".")[0]
    if (
        name in PLAIN
        or name in ignored
        or any(f"{package}.".startswith(one) for one in ignored if one.endswith("."))
    ):
        return type("Ignored", (_Ignored,), {})
    if not _within(package, layers):
        return None
    try:
        layer = getattr(importlib.import_module(package), name.rpartition(".")[2])
    except (ImportError, AttributeError):
        return None
    if not isinstance(layer, type) or not issubclass(layer, nn.Module):
        return None
    # A package may import layers from elsewhere.
    return type("Blank", (_Blank,), {"layer": layer}) if _within(layer.__module__, layers) else None


def _within(module: str, packages: Sequence[str]) -> bool:
    return any(f"{module}.".startswith(f"{package}.") for package in packages)


class _Filling:
    """Puts layers where blanks stand; what is there twice stays one."""

    def __init__(self) -> None:
        self._done: dict[int, tuple[object, Any]] = {}

    def value(self, given: Any) -> Any:  # noqa: ANN401 - anything
        """The same value without blanks."""
        if id(given) not in self._done:
            # The original is kept, so that its id is nobody else's.
            self._done[id(given)] = (given, None if isinstance(given, _Ignored) else given)
            self._fill(given)
        return self._done[id(given)][1]

    def _fill(self, given: Any) -> None:  # noqa: ANN401
        made: Any
        if isinstance(given, _Blank):
            made = given.layer.__new__(given.layer)
            self._done[id(given)] = (given, made)
            made.__setstate__(self.value(given.state))
        elif type(given) in {dict, OrderedDict}:
            made = type(given)()
            self._done[id(given)] = (given, made)
            made.update((key, self.value(value)) for key, value in given.items())
        elif type(given) is list:
            made = []
            self._done[id(given)] = (given, made)
            made.extend(map(self.value, given))
        elif type(given) in {tuple, set}:
            self._done[id(given)] = (given, type(given)(map(self.value, given)))
