"""Pickled networks: layers come back as they were, and nothing that a file asks for is run."""

import os
import pickle
from argparse import Namespace
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from thrifty.detectors.checkpoints import read_checkpoint
from thrifty.errors import DataError


class Asks:
    """Pickled, it asks for a call."""

    def __init__(self, function: Callable[..., object], *arguments: object) -> None:
        self._call = (function, arguments)

    def __reduce__(self) -> tuple[Callable[..., object], tuple[object, ...]]:
        return self._call


def read(path: Path, ignored: tuple[str, ...] = ()) -> Any:
    return read_checkpoint(path, ("torch.nn",), ignored, "give another")


def test_layers_come_back_as_they_were(tmp_path: Path) -> None:
    torch.manual_seed(0)
    norm = nn.BatchNorm2d(4)
    network = nn.Sequential(nn.Conv2d(3, 4, 3), norm, nn.ModuleList([norm, nn.SiLU()]))
    network.register_buffer("shift", torch.ones(2))
    content = {
        "model": network,
        "again": (network[0], [network]),
        "figures": {"loss": np.float64(0.5), "path": Path("a"), "set": {1, 2}},
        "epoch": 3,
    }
    path = tmp_path / "c.pt"
    torch.save(content, path)
    found = read(path)
    model = found["model"]
    assert [type(layer) for layer in model.modules()] == [
        type(layer) for layer in network.modules()
    ]
    assert model.state_dict().keys() == network.state_dict().keys()
    assert all(
        torch.equal(model.state_dict()[key], values) for key, values in network.state_dict().items()
    )
    assert isinstance(model[0].weight, nn.Parameter)
    # What was one before is one again.
    assert model[1] is model[2][0]
    assert found["again"][0] is model[0]
    assert found["again"][1][0] is model
    assert found["figures"] == {"loss": None, "path": None, "set": {1, 2}}
    picture = torch.rand(1, 3, 8, 8)
    assert torch.equal(model[:2].eval()(picture), network[:2].eval()(picture))


def test_a_file_that_wants_to_run_something_is_refused_and_it_does_not_run(tmp_path: Path) -> None:
    mark = tmp_path / "ran"
    path = tmp_path / "c.pt"
    torch.save({"model": nn.ReLU(), "more": Asks(os.system, f"touch {mark}")}, path)
    with pytest.raises(
        DataError,
        match=r"c\.pt: wants to run (posix|nt)\.system, which was not done; give another$",
    ):
        read(path)
    assert not mark.exists()


def test_a_layer_s_constructor_is_not_called(tmp_path: Path) -> None:
    path = tmp_path / "c.pt"
    torch.save({"model": Asks(nn.Linear, 10, 10)}, path)
    with pytest.raises(
        DataError, match=r"wants more than to be read \(it calls Linear\); give another$"
    ):
        read(path)


@pytest.mark.parametrize("function", [nn.init.zeros_, nn.functional.relu, Namespace, eval])
def test_what_is_no_layer_is_refused_by_name(
    tmp_path: Path, function: Callable[..., object]
) -> None:
    path = tmp_path / "c.pt"
    torch.save(Asks(function), path)
    with pytest.raises(
        DataError, match=rf"wants to run \S+\.{function.__name__}, which was not done"
    ):
        read(path)


def test_many_names_are_cut_short(tmp_path: Path) -> None:
    path = tmp_path / "c.pt"
    torch.save([Asks(one) for one in (os.getcwd, os.getpid, os.abort, os.fork, eval)], path)
    with pytest.raises(DataError, match=r"wants to run (\S+, ){2}\S+ and 2 more, which"):
        read(path)


def test_what_is_left_out_is_none_and_never_made(tmp_path: Path) -> None:
    path = tmp_path / "c.pt"
    torch.save({"args": SimpleNamespace(a=1), "model": nn.ReLU()}, path)
    with pytest.raises(DataError, match=r"types\.SimpleNamespace"):
        read(path)
    for ignored in ("types.SimpleNamespace", "types."):
        found = read(path, (ignored,))
        assert found["args"] is None
        assert isinstance(found["model"], nn.ReLU)


@pytest.mark.parametrize(
    "content", [b"", b"PK\x03\x04", pickle.dumps({"a": 1}), b"no pickle at all" * 99]
)
def test_what_torch_did_not_write_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "c.pt"
    path.write_bytes(content)
    with pytest.raises(
        DataError, match=r"c\.pt: cannot be read as a checkpoint \(.+\); give another$"
    ):
        read(path)


def test_a_damaged_layer_is_refused(tmp_path: Path) -> None:
    layer = nn.ReLU()
    layer.__dict__["_modules"] = layer  # a circle
    path = tmp_path / "c.pt"
    torch.save({"model": layer}, path)
    assert read(path)["model"]._modules is not None
    with pytest.raises(DataError, match="no such file"):
        read(tmp_path / "d.pt")
