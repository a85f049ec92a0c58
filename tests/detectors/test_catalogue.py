"""Detectors opened from a form: their own mistakes become one line that names them, the frames and the cause."""

import itertools
import json
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save

from thrifty.config import DetectorSection
from thrifty.detectors.catalogue import open_detector
from thrifty.detectors.network import PaperNetwork
from thrifty.detectors.paper import save_weights
from thrifty.errors import CapabilityError, DataError, FrameError
from thrifty.types import Frame, Need, Record

Write = Callable[..., str]
HEAD = """
import torch
from thrifty.maps import ClassMaps
from thrifty.types import Need

class Mine:
    gives = frozenset({Need.CLASS_MAPS})
    def class_maps(self, frames):
        """
_NUMBERS = itertools.count()


@pytest.fixture
def module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Write:
    """Writes a module where the process stands, under a name that no other test uses; gives the name."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [*sys.path])

    def write(text: str) -> str:
        name = f"own_{next(_NUMBERS)}"
        Path(f"{name}.py").write_text(text)
        return name

    return write


def frame(source: str = "a/0001.png", number: int | None = None, side: int = 32) -> Frame:
    sequence, place = (None, None) if number is None else ("v", number)
    record = Record(source, source, side, side, sequence, place, number)
    return Frame(record, np.zeros((side, side, 3), dtype=np.uint8))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "def make(): raise ValueError('no weights')",
            r"ValueError: no weights, at own_\d+.py:1\)",
        ),
        ("def make(): assert False", r"fails \(AssertionError, at own_\d+.py:1\)"),
        ("def make(path): pass", "TypeError: make.. missing 1 required .* takes no arguments"),
        ("make = 3", "'int' object is not callable"),
        ("raise RuntimeError('no GPU')\nmake = 3", r"RuntimeError: no GPU, at own_\d+.py:1\)"),
        ("def make(:", "SyntaxError: invalid syntax"),
        (
            "class make:\n gives = 3\n def class_maps(self, frames): pass",
            "'int' object is not iterable",
        ),
    ],
)
def test_a_factory_s_error_is_named_with_its_cause(module: Write, text: str, message: str) -> None:
    spec = f"{module(text)}:make"
    with pytest.raises(DataError, match=f"^--detector {spec}: .*{message}") as caught:
        open_detector(spec)
    assert caught.value.__cause__ is not None


@pytest.mark.parametrize("spec", [".own:make", "..:make", "own:"])
def test_a_form_that_names_no_module_is_refused(module: Write, spec: str) -> None:
    with pytest.raises(DataError, match="use trained:FILE, paper:FILE"):
        open_detector(spec)


def test_a_detector_whose_class_maps_cannot_be_called_gives_none(module: Write) -> None:
    name = module(f"{HEAD}pass\nMine.class_maps = 3")
    with pytest.raises(CapabilityError, match="gives no class maps"):
        open_detector(f"{name}:Mine")


@pytest.mark.parametrize(
    ("body", "kind", "message"),
    [
        ("raise KeyError('heads')", DataError, r"KeyError: 'heads', at own_\d+.py:9\); correct it"),
        ("return [1, 2]", CapabilityError, "gives list for"),
        ("return None", CapabilityError, "gives NoneType for"),
        ("return ClassMaps((torch.zeros(1, 1, 4, 4),), 32, 32)", CapabilityError, "1 frames for 2"),
        ("return ClassMaps((torch.zeros(3, 4),), 32, 32)", DataError, "ScoreError: class map 0"),
        ("return ClassMaps((frames[0].image,), 32, 32)", DataError, "AttributeError"),
    ],
)
def test_what_class_maps_does_wrong_names_form_and_frames(
    module: Write, body: str, kind: type[Exception], message: str
) -> None:
    spec = f"{module(HEAD + body)}:Mine"
    detector = open_detector(spec)
    with pytest.raises(kind, match=message) as caught:
        detector.class_maps([frame("a/0001.png"), frame("b.avi", 7)])
    assert str(caught.value).startswith(f"--detector {spec}: ")
    assert "a/0001.png, b.avi#7" in str(caught.value)


def test_of_a_large_batch_the_first_frames_are_named(module: Write) -> None:
    detector = open_detector(f"{module(HEAD + 'return 1')}:Mine")
    with pytest.raises(CapabilityError, match="for 0, 1, 2, 3 and 5 more;"):
        detector.class_maps([frame(str(number)) for number in range(9)])


def test_a_detector_runs_without_gradients(module: Write) -> None:
    name = module(
        f"{HEAD}return ClassMaps((torch.ones(1, 1, 4, 4, requires_grad=True) * 2,), 32, 32)"
    )
    detector = open_detector(f"{name}:Mine")
    assert detector.gives == {Need.CLASS_MAPS}
    assert not detector.class_maps([frame()]).levels[0].requires_grad


def test_a_detector_may_refuse_small_frames(module: Write) -> None:
    body = "return ClassMaps((torch.zeros(len(frames), 1, 4, 4),), 32, 32)\n    smallest = 20"
    detector = open_detector(f"{module(HEAD + body)}:Mine")
    assert len(detector.class_maps([frame(side=20)])) == 1
    for refuse in (detector.check_size, lambda small: detector.class_maps([small])):
        with pytest.raises(FrameError, match="^b.avi#7: is 19x19 pixels .* needs 20x20; raise"):
            refuse(frame("b.avi", 7, side=19))


def test_the_paper_s_network_refuses_small_frames(tmp_path: Path) -> None:
    settings = DetectorSection(width=0.1)
    path = tmp_path / "w.safetensors"
    path.write_bytes(save_weights(PaperNetwork(width=0.1).state_dict(), settings))
    detector = open_detector(f"paper:{path}")
    assert len(detector.class_maps([frame(side=16)])) == 1
    with pytest.raises(FrameError, match="^a/0001.png: is 15x15 .* raise --scale"):
        detector.class_maps([frame(side=15)])


@pytest.mark.parametrize("note", ["{", json.dumps({"width": 9}), json.dumps({"depth": 1})])
def test_weights_with_a_damaged_note_are_refused(tmp_path: Path, note: str) -> None:
    path = tmp_path / "w.safetensors"
    path.write_bytes(save({"a": torch.zeros(1)}, {"thrifty.detector": note}))
    with pytest.raises(DataError, match=r"w\.safetensors: what it says of its network is damaged"):
        open_detector(f"paper:{path}")


def test_without_ultralytics_it_is_told_how_to_get_it_and_its_licence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in [name for name in sys.modules if name.partition(".")[0] == "ultralytics"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "ultralytics", None)
    path = tmp_path / "a.pt"
    torch.save({}, path)
    with pytest.raises(
        CapabilityError, match=r"AGPL-3\.0; .*pip install 'thrifty\[ultralytics\]'$"
    ):
        open_detector(f"yolo:{path}")
