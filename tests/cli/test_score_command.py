"""`thrifty score` as people use it: whole processes, real files."""

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pyarrow.parquet as pq
import pytest
from onnx import helper, numpy_helper
from onnx.external_data_helper import set_external_data

from tests import references
from tests.tiny import VIDEO_FRAMES, TinyData
from thrifty.config import DetectorSection
from thrifty.data.pool import Pool
from thrifty.detectors.catalogue import identify
from thrifty.detectors.network import PaperNetwork
from thrifty.detectors.paper import load_detector, save_weights
from thrifty.types import Frame

DETECTOR = '''
import os, time
import torch
from thrifty.maps import ClassMaps
from thrifty.types import Need


class Stub:
    gives = frozenset({Need.CLASS_MAPS})

    def class_maps(self, frames):
        """Logits from the pixels alone; notes every frame it sees."""
        time.sleep(float(os.environ.get("STUB_SECONDS", "0")))
        with open(os.environ["STUB_LOG"], "a") as log:
            log.writelines(frame.record.id + "\\n" for frame in frames)
        images = torch.stack([torch.from_numpy(frame.image.copy()) for frame in frames]).float()
        level = images.mean(dim=3)[:, None, ::4, ::4] / 20 - 5
        if os.environ.get("STUB_NAN") in {frame.record.source for frame in frames}:
            level[-1] = float("nan")
        return ClassMaps((level,), *frames[0].image.shape[:2])


make = Stub


def nothing():
    return object()
'''


@pytest.fixture
def place(tmp_path: Path, tiny: TinyData) -> Path:
    """A folder to work in, with a pool of a video, pictures and a broken picture, and a detector."""
    pool = tmp_path / "pool"
    shutil.copytree(tiny.root / "stills", pool)
    shutil.copy(tiny.video, pool / "clip.avi")
    (pool / "zz.png").write_bytes(b"no picture")
    (tmp_path / "own.py").write_text(DETECTOR)
    return tmp_path


def command(place: Path, *arguments: object, detector: str = "own:make") -> list[str]:
    given = [place / "pool", "--detector", detector, "--out", place / "scores.parquet", *arguments]
    return [sys.executable, "-m", "thrifty", "score", *map(str, given)]


def environment(place: Path, **more: str) -> dict[str, str]:
    return os.environ | {"STUB_LOG": str(place / "seen.txt")} | more


def score(
    place: Path, *arguments: object, detector: str = "own:make", **more: str
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command(place, *arguments, detector=detector),
        capture_output=True,
        text=True,
        cwd=place,
        env=environment(place, **more),
        check=False,
    )


def rows(place: Path) -> dict[str, list[Any]]:
    return dict(pq.read_table(place / "scores.parquet").to_pydict())


def test_every_frame_gets_its_row_and_what_is_broken_is_listed(place: Path, tiny: TinyData) -> None:
    result = score(place)
    assert result.returncode == 0, result.stderr
    stills = len(list((tiny.root / "stills").iterdir()))
    assert result.stdout == f"{VIDEO_FRAMES + stills} frames scored: {place}/scores.parquet\n"
    assert "1 could not be decoded" in result.stderr
    table = rows(place)
    assert len(set(table["id"])) == len(table["id"]) == VIDEO_FRAMES + stills
    assert all(np.isfinite(table["score"]))
    assert (place / "scores.unreadable.csv").read_text().count("zz.png") == 2
    again = score(place)
    assert again.returncode == 0
    assert again.stdout == (
        f"already there with {VIDEO_FRAMES + stills} frames, nothing was scored; to score again, delete "
        f"{place}/scores.parquet and {place}/scores.unreadable.csv\n"
    )
    assert len((place / "seen.txt").read_text().split()) == VIDEO_FRAMES + stills
    (place / "own.py").write_text(DETECTOR + "# better now\n")
    assert "holds something else" in score(place).stderr


def shards(place: Path) -> list[str]:
    """Ids of the frames that are safe on disk."""
    parts = sorted((place / "scores.parquet.parts").glob("*.parquet"))
    return [name for part in parts for name in pq.read_table(part)["id"].to_pylist() if name]


def seen(place: Path) -> list[str]:
    """Ids of the frames that the detector saw since this was last asked."""
    log = place / "seen.txt"
    return log.replace(place / "seen before.txt").read_text().split() if log.exists() else []


def interrupted(
    place: Path,
    when: Callable[[], bool],
    *signs: signal.Signals,
    seconds: float,
    every: float = 60,
    more: Sequence[str] = (),
) -> subprocess.CompletedProcess[str]:
    """Score one frame after the other, `seconds` each, until the signals come, 0.2 s apart."""
    process = subprocess.Popen(
        command(place, "--batch", "1", "--save-every", every, *more),
        cwd=place,
        env=environment(place, STUB_SECONDS=str(seconds)),
        stderr=subprocess.PIPE,
        text=True,
    )
    deadline = time.monotonic() + 60
    while not when() and time.monotonic() < deadline:
        time.sleep(0.02)
    assert when()
    for number, sign in enumerate(signs):
        time.sleep(0.2 * min(number, 1))
        process.send_signal(sign)
    _, errors = process.communicate(timeout=60)
    assert not (place / "scores.parquet").exists()
    return subprocess.CompletedProcess(process.args, process.returncode, None, errors)


def messages(result: subprocess.CompletedProcess[str]) -> list[str]:
    return [line for line in result.stderr.splitlines() if not line.endswith("/s)")]


STOPPED = ["thrifty: stopped; run the same command again to go on"]


def test_stopped_in_every_way_it_ends_as_if_it_never_was(place: Path) -> None:
    assert score(place).returncode == 0
    expected = rows(place)
    for name in ("scores.parquet", "scores.unreadable.csv", "seen.txt"):
        (place / name).unlink()

    # What is in a shard survives even a kill -9.
    result = interrupted(
        place, lambda: len(shards(place)) >= 5, signal.SIGKILL, seconds=0.05, every=0
    )
    assert result.returncode == -signal.SIGKILL
    safe = shards(place)
    assert 5 <= len(safe) < len(expected["id"])
    assert set(safe) <= set(seen(place))

    # Of Ctrl-C and kill, not even the frame under way is lost.
    for sign in (signal.SIGINT, signal.SIGTERM):
        result = interrupted(place, (place / "seen.txt").exists, sign, seconds=0.3)
        assert (result.returncode, messages(result)) == (130, STOPPED)
        safe += seen(place)
        assert shards(place) == safe

    assert score(place, "--batch", "3").returncode == 0
    assert rows(place) == expected
    assert safe + seen(place) == expected["id"]


def test_on_a_ray_cluster_it_ends_likewise_however_it_was_stopped(place: Path) -> None:
    assert score(place).returncode == 0
    expected = rows(place), (place / "scores.unreadable.csv").read_text()
    for name in ("scores.parquet", "scores.unreadable.csv", "seen.txt"):
        (place / name).unlink()
    ray = ["--engine", "ray", "--workers", "2"]
    killed = interrupted(
        place,
        lambda: len(shards(place)) >= 5,
        signal.SIGKILL,
        seconds=0.05,
        every=0,
        more=ray,
    )
    assert killed.returncode == -signal.SIGKILL
    safe = shards(place)
    assert 5 <= len(safe) < len(expected[0]["id"])
    seen(place)

    # Whoever worked for the one that was killed may have noted a frame after it was gone, so shards are counted.
    stopped = interrupted(
        place,
        lambda: len(shards(place)) > len(safe),
        signal.SIGINT,
        seconds=0.05,
        every=0,
        more=ray,
    )
    assert (stopped.returncode, messages(stopped)) == (130, STOPPED)

    # And what is left, by one process.
    assert score(place, "--batch", "3").returncode == 0
    assert (rows(place), (place / "scores.unreadable.csv").read_text()) == expected


def test_a_worker_s_error_is_one_line_on_ray_too(place: Path) -> None:
    ray = ("--engine", "ray", "--workers", "1", "--batch", "1")
    result = score(place, *ray, STUB_NAN="still3.png")
    assert result.returncode == 2
    assert "still3.png" in result.stderr
    assert "Traceback" not in result.stderr
    refused = score(place, "--workers", "1")
    assert refused.stderr == (
        "thrifty: --workers 1: is of a Ray cluster; give --engine ray as well, or leave it out\n"
    )


def test_ctrl_c_twice_is_one_line(place: Path) -> None:
    signs = (signal.SIGINT, signal.SIGINT)
    result = interrupted(place, (place / "seen.txt").exists, *signs, seconds=1)
    assert messages(result) == STOPPED
    # To a shell, these are the same.
    assert result.returncode in {130, -signal.SIGINT}


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("notes.txt", "pool: holds no pictures or videos (.avi, "),
        ("a.jpg", "pool: none of its 1 frames can be looked at (the first: "),
    ],
)
def test_a_pool_of_which_nothing_can_be_looked_at_is_an_error_and_leaves_nothing(
    place: Path, name: str, message: str
) -> None:
    shutil.rmtree(place / "pool")
    (place / "pool").mkdir()
    (place / "pool" / name).write_text("none")
    before = everything(place)
    result = score(place)
    assert result.returncode == 2
    [line] = messages(result)
    assert message in line
    assert everything(place) == before


def test_scores_are_not_called_what_they_are_not(place: Path) -> None:
    result = score(place, "--out", place / "scores.csv")
    assert result.returncode == 2
    assert "scores.csv: scores are a Parquet file; end the name in .parquet" in result.stderr


def everything(place: Path) -> set[Path]:
    return {path for path in place.rglob("*") if "__pycache__" not in path.parts}


def test_what_decides_the_scores_of_a_detector_is_in_its_identity(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / "my_own.py").write_text("raise RuntimeError")
    first = identify("my_own:make")
    assert first.startswith("my_own:make")
    (tmp_path / "my_own.py").write_text("raise RuntimeError('imported')")
    assert identify("my_own:make") != first

    long = "weights of the second tensor " * 8
    values = [numpy_helper.from_array(np.full(300, n, np.float32), str(n)) for n in range(2)]
    graph = helper.make_graph([], "g", [], [], values)
    model = helper.make_model(graph)
    for tensor, name in zip(model.graph.initializer, ("a.bin", long), strict=True):
        set_external_data(tensor, name)
    onnx.save(model, tmp_path / "m.onnx")
    (tmp_path / "other.bin").write_bytes(b"other")
    known = {identify("onnx:m.onnx")}
    for name in ("a.bin", long, "m.toml"):
        (tmp_path / name).write_bytes(b"changed")
        known.add(identify("onnx:m.onnx"))
    assert len(known) == 4
    (tmp_path / "other.bin").write_bytes(b"changed")
    assert identify("onnx:m.onnx") in known


def test_a_detector_gone_wrong_stops_with_the_frame_s_name(place: Path) -> None:
    name = min(path.name for path in (place / "pool").iterdir())
    result = score(place, "--batch", "1", STUB_NAN=name)
    assert result.returncode == 2
    assert f"thrifty: frame {name}" in result.stderr
    assert "not logits" in result.stderr
    # Nothing was scored, so whatever is tried next may take the name.
    assert not list(place.glob("scores*"))


def test_the_paper_s_network_from_a_file_of_weights(place: Path) -> None:
    settings = DetectorSection(width=0.1, box_scale=0.5)
    weights = place / "w.safetensors"
    weights.write_bytes(save_weights(PaperNetwork(settings.preset, 0.1).state_dict(), settings))
    result = score(place, "--preset", "released", detector=f"paper:{weights}")
    assert result.returncode == 0, result.stderr
    by_id = dict(zip(*(rows(place)[name] for name in ("id", "score")), strict=True))
    detector = load_detector(weights)
    for frame in list(Pool(place / "pool").stream())[::11]:
        assert isinstance(frame, Frame)
        pixels = references.map_scores(detector.class_maps([frame]), 0, 4)
        expected = references.frame_score(pixels, 30, 15)
        assert by_id[frame.record.id] == pytest.approx(expected, rel=1e-5)


def test_settings_change_the_scores_and_belong_to_the_file(place: Path) -> None:
    assert score(place).returncode == 0
    result = score(place, "--statistic", "top-k", "--top", "2")
    assert result.returncode == 2
    assert "holds something else than this pool scored this way" in result.stderr


@pytest.mark.parametrize(
    ("detector", "message"),
    [
        ("nonsense", "not a detector; use trained:FILE"),
        ("own:absent", "has no attribute 'absent'"),
        ("absent:make", "No module named 'absent'"),
        ("own:nothing", "gives no class maps"),
        ("paper:absent.safetensors", "absent.safetensors: cannot be read"),
        ("paper:own.py", "own.py: cannot be read as weights"),
        ("onnx:absent.onnx", "absent.onnx: cannot be read"),
        ("onnx:own.py", "cannot be loaded as an ONNX model"),
    ],
)
def test_a_bad_detector_is_one_line_and_leaves_nothing(
    place: Path, detector: str, message: str
) -> None:
    before = everything(place)
    result = score(place, detector=detector)
    assert result.returncode == 2
    [line] = messages(result)
    assert line.startswith("thrifty: ")
    assert message in line
    assert everything(place) == before


def test_look_writes_a_picture_and_arrays_of_one_frame(place: Path) -> None:
    def look(out: str, *more: str) -> subprocess.CompletedProcess[str]:
        arguments = [
            "look",
            "pool/clip.avi",
            "--frame",
            "3",
            "--detector",
            "own:make",
            "--out",
            out,
        ]
        return subprocess.run(
            [sys.executable, "-m", "thrifty", *arguments, *more],
            capture_output=True,
            text=True,
            cwd=place,
            env=environment(place),
            check=False,
        )

    result = look("heat.png")
    assert result.returncode == 0, result.stderr
    assert (place / "heat.png").read_bytes().startswith(b"\x89PNG")
    assert look("heat.npz").returncode == 0
    heat = np.load(place / "heat.npz")
    assert result.stdout == f"score {float(heat['score']):.6f}: heat.png\n"
    assert heat["levels"].shape[1:] == heat["total"].shape == (64, 96)
    assert "end the name in .png" in look("heat.gif").stderr
    assert "has 40 frames, so none with number 99" in look("heat.png", "--frame", "99").stderr
