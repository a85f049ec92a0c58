"""`thrifty look` and what `thrifty score` shares with it, in this process: one line for every mistake."""

import csv
import itertools
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
from PIL import Image as Pillow

from tests.detectors.test_onnx import tiny_model
from thrifty.cli.main import main
from thrifty.config import DetectorSection
from thrifty.detectors.network import PaperNetwork
from thrifty.detectors.paper import save_weights

Run = Callable[..., tuple[int, str, str]]
DETECTOR = """
import torch
from thrifty.maps import ClassMaps
from thrifty.types import Need

network = torch.nn.Conv2d(3, 2, 3, stride=8, padding=1)
torch.nn.init.normal_(network.weight, generator=torch.Generator().manual_seed(0))


class Mine:
    gives = frozenset({Need.CLASS_MAPS})

    def class_maps(self, frames):
        images = torch.stack([torch.from_numpy(frame.image.copy()) for frame in frames])
        level = network(images.permute(0, 3, 1, 2).float() / 255)
        return ClassMaps((level,), *frames[0].image.shape[:2])


class Large(Mine):
    def class_maps(self, frames):
        levels = tuple(torch.randn(len(frames), 3, side, side) for side in (52, 26))
        return ClassMaps(levels, 416, 416)


class Lost(Mine):
    def class_maps(self, frames):
        return ClassMaps((torch.full((len(frames), 1, 4, 4), float("nan")),), 32, 32)


class Failing(Mine):
    def class_maps(self, frames):
        raise KeyError("heads")
"""
_NUMBERS = itertools.count()


@pytest.fixture
def own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """A module of detectors in an empty folder, in which this process stands."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [*sys.path])
    name = f"looked_at_{next(_NUMBERS)}"
    Path(f"{name}.py").write_text(DETECTOR)
    return name


@pytest.fixture
def thrifty(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    """Runs a command; gives its status, and what it said on both streams."""

    def run(*arguments: object) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["thrifty", *map(str, arguments)])
        with pytest.raises(SystemExit) as done:
            main()
        said = capsys.readouterr()
        return int(done.value.code or 0), said.out, said.err

    return run


def picture(path: str, width: int = 48, height: int = 40) -> Path:
    values = np.random.default_rng(0).integers(0, 256, (height, width, 3), dtype=np.uint8)
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    Pillow.fromarray(values).save(path)
    return Path(path)


def refusal(result: tuple[int, str, str]) -> str:
    """The one line that a command ends with; progress may come before it."""
    status, _, said = result
    assert status == 2
    [line] = [line for line in said.splitlines() if line.startswith("thrifty: ")]
    assert said.rstrip().endswith(line)
    return line.removeprefix("thrifty: ")


def test_a_detector_with_weights_to_train_is_looked_at(own: str, thrifty: Run) -> None:
    given = [picture("me.png"), "--detector", f"{own}:Mine", "--out"]
    status, _, said = thrifty("look", *given, "heat.png")
    assert status == 0, said
    assert thrifty("look", *given, "heat.npz")[0] == 0
    assert np.load("heat.npz")["total"].shape == (40, 48)


@pytest.mark.parametrize(
    ("width", "height"), [(8, 8), (1, 1), (2, 3000), (3000, 2), (1, 40), (500, 3)]
)
@pytest.mark.parametrize("suffix", ["png", "jpg"])
def test_pictures_of_any_size_are_looked_at(
    own: str, thrifty: Run, width: int, height: int, suffix: str
) -> None:
    path, out = picture("me.png", width, height), Path(f"heat.{suffix}")
    status, _, said = thrifty("look", path, "--detector", f"{own}:Large", "--out", out)
    assert status == 0, said
    with Pillow.open(out) as sheet:
        assert max(sheet.size) < 4000


def test_a_model_looks_at_a_single_pixel(own: str, thrifty: Run) -> None:
    model = tiny_model(Path("m.onnx"))
    model.with_suffix(".toml").write_text('kind = "logits"')
    path = picture("me.png", 1, 1)
    status, _, said = thrifty("look", path, "--detector", "onnx:m.onnx", "--out", "heat.png")
    assert status == 0, said


def test_maps_that_hold_no_numbers_name_the_picture(own: str, thrifty: Run) -> None:
    given = ["--detector", f"{own}:Lost", "--out"]
    said = refusal(thrifty("look", picture("me.png"), *given, "heat.png"))
    assert said.startswith("frame me.png: class maps hold values that are not logits")


def test_the_picture_looked_at_is_never_replaced(own: str, thrifty: Run) -> None:
    path = picture("me.png")
    before = path.read_bytes()
    Path("link.png").symlink_to(path)
    for out in ("me.png", path.resolve(), "link.png"):
        said = refusal(thrifty("look", path, "--detector", f"{own}:Mine", "--out", out))
        assert said.startswith(f"{out}: is what you look at")
    assert path.read_bytes() == before


def test_a_place_that_cannot_be_written_is_found_out_before_any_work(
    own: str, thrifty: Run
) -> None:
    Path("folder.png").mkdir()
    given = ["look", picture("me.png"), "--detector", f"{own}:Failing", "--out"]
    assert refusal(thrifty(*given, "nodir/x.png")).startswith("nodir: no such folder; create it")
    assert refusal(thrifty(*given, "folder.png")).startswith("folder.png: is a folder")
    assert "KeyError: 'heads'" in refusal(thrifty(*given, "heat.png"))


@pytest.mark.parametrize("command", ["look", "score"])
@pytest.mark.parametrize("out", ["", "."])
def test_an_empty_name_is_refused(own: str, thrifty: Run, command: str, out: str) -> None:
    given = [picture("me.png"), "--detector", f"{own}:Mine", "--out", out]
    assert "names no file" in refusal(thrifty(command, *given))


@pytest.mark.parametrize(
    ("detector", "message"),
    [("Failing", "fails on a/1.png, b/1.png (KeyError"), ("Lost", "frame a/1.png, b/1.png: class")],
)
def test_errors_of_a_pool_name_frames_by_their_folders(
    own: str, thrifty: Run, detector: str, message: str
) -> None:
    for folder in ("a", "b"):
        picture(f"pool/{folder}/1.png")
    given = ["--detector", f"{own}:{detector}", "--out", "scores.parquet"]
    assert message in refusal(thrifty("score", "pool", *given))


def test_frames_too_small_for_a_detector_are_listed_and_the_rest_scored(
    own: str, thrifty: Run
) -> None:
    picture("pool/a.png")
    picture("pool/b.png", 40, 15)
    picture("pool/c.png")
    settings = DetectorSection(width=0.1)
    weights = save_weights(PaperNetwork(width=0.1).state_dict(), settings)
    Path("w.safetensors").write_bytes(weights)
    given = ["--detector", "paper:w.safetensors", "--out"]
    status, said, problem = thrifty("score", "pool", *given, "scores.parquet")
    assert (status, said) == (0, "2 frames scored: scores.parquet\n"), problem
    assert pq.read_table("scores.parquet")["source"].to_pylist() == ["a.png", "c.png"]
    with Path("scores.unreadable.csv").open(newline="") as lines:
        [row] = csv.DictReader(lines)
    assert row["source"] == "b.png"
    assert row["reason"].startswith("b.png: is 40x15 pixels")
    said = refusal(thrifty("look", "pool/b.png", *given, "heat.png"))
    assert said.startswith("b.png: is 40x15 pixels after scaling but the detector needs 16x16")
