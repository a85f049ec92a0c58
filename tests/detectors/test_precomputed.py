"""Class maps out of files: the same scores as from memory, found for every frame, and refused in one line."""

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
import torch
from PIL import Image as Pillow

from tests.command import thrifty
from tests.tiny import VIDEO_FRAMES, TinyData
from thrifty.data.pool import Pool
from thrifty.detectors.catalogue import identify, open_detector
from thrifty.detectors.precomputed import PrecomputedMaps
from thrifty.errors import CapabilityError, DataError
from thrifty.maps import Activation, ClassMaps, MapKind
from thrifty.scoring.forms import score_frames
from thrifty.types import Frame, Need, Record

HEIGHT, WIDTH = 40, 56


def levels(seed: int = 0, classes: int = 2) -> dict[str, np.ndarray[Any, Any]]:
    rng = np.random.default_rng(seed)
    shapes = [(classes, 5, 7), (classes, 3, 4)]
    return {
        f"level{index}": rng.normal(0, 3, shape).astype(np.float32)
        for index, shape in enumerate(shapes)
    }


def write(path: Path, **arrays: Any) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    np.savez(path, **arrays)
    return path


def frame(source: str = "a/0001.png", number: int | None = None, scale: float = 1.0) -> Frame:
    sequence, place = (None, None) if number is None else ("v", number)
    record = Record(source, source, WIDTH, HEIGHT, sequence, place, number)
    size = (round(HEIGHT * scale), round(WIDTH * scale), 3)
    return Frame(record, np.zeros(size, dtype=np.uint8), scale)


def test_maps_are_what_the_file_holds_stretched_over_the_picture(tmp_path: Path) -> None:
    write(tmp_path / "a/0001.npz", **levels(0))
    write(tmp_path / "a/0002.npz", **levels(1))
    detector = PrecomputedMaps(tmp_path)
    assert detector.gives == {Need.CLASS_MAPS}
    maps = detector.class_maps([frame(), frame("a/0002.jpeg")])
    assert (maps.height, maps.width) == (HEIGHT, WIDTH)
    assert (maps.kind, maps.activation) == (MapKind.LOGITS, Activation.SIGMOID)
    assert maps.spans == ((40.0, 56.0), (40.0, 56.0))
    for index, level in enumerate(maps.levels):
        expected = [levels(seed)[f"level{index}"] for seed in (0, 1)]
        assert torch.equal(level, torch.from_numpy(np.stack(expected)))
    with pytest.raises(CapabilityError, match="class maps alone"):
        detector.detect([frame()])


def test_the_description_says_what_they_are_and_where_they_lie(tmp_path: Path) -> None:
    softmax = {name: np.abs(level).astype(np.float16) for name, level in levels().items()}
    softmax = {name: level / level.sum(axis=0) for name, level in softmax.items()}
    write(tmp_path / "a/0001.npz", **softmax)
    (tmp_path / "maps.toml").write_text(
        'kind = "probabilities"\nactivation = "softmax"\nstrides = [8, 16]\norigins = [0, -7.5]'
    )
    detector = PrecomputedMaps(tmp_path)
    maps = detector.class_maps([frame()])
    assert (maps.kind, maps.activation) == (MapKind.PROBABILITIES, Activation.SOFTMAX)
    assert maps.spans == ((40.0, 56.0), (48.0, 64.0))
    assert maps.origins == ((0.0, 0.0), (-7.5, -7.5))
    assert maps.levels[0].dtype == torch.float32
    # In pixels of the smaller picture that is scored.
    half = detector.class_maps([frame(scale=0.5)])
    assert half.spans == ((20.0, 28.0), (24.0, 32.0))
    assert half.origins == ((0.0, 0.0), (-3.75, -3.75))


def test_every_frame_finds_its_file(tmp_path: Path) -> None:
    named = {
        "one.npz": frame("one.png"),
        "one.jpg.npz": frame("one.jpg"),
        "b/clip/000007.npz": frame("b/clip.mp4", 7),
        "b/clip.avi/000007.npz": frame("b/clip.avi", 7),
        "b/clip/1234567.npz": frame("b/clip.mp4", 1234567),
        "v.1/x.y.npz": frame("v.1/x.y.png"),
    }
    for seed, name in enumerate(named):
        write(tmp_path / name, **levels(seed))
    detector = PrecomputedMaps(tmp_path)
    for seed, one in enumerate(named.values()):
        [level, _] = detector.class_maps([one]).levels
        assert torch.equal(level[0], torch.from_numpy(levels(seed)["level0"]))


@pytest.mark.parametrize(
    ("one", "message"),
    [
        (frame("a/0002.png"), r"^a/0002\.png: has no maps, there is no \S+a/0002\.npz; write them"),
        (frame("c.avi", 7), r"^c\.avi#7: has no maps, there is no \S+c/000007\.npz"),
        (frame("/a/0001.png"), r"^/a/0001\.png: lies outside of the pool"),
        (frame("b/../a/0001.png"), "lies outside of the pool"),
    ],
)
def test_a_frame_without_maps_is_named(tmp_path: Path, one: Frame, message: str) -> None:
    write(tmp_path / "a/0001.npz", **levels())
    with pytest.raises(DataError, match=message):
        PrecomputedMaps(tmp_path).class_maps([one])


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({}, "holds nothing but no 'level0'"),
        ({"boxes": np.zeros(4)}, "holds boxes but no 'level0'"),
        ({"level1": np.zeros((1, 2, 2))}, "no 'level0'"),
        (
            {"level0": np.zeros((2, 2))},
            r"'level0' is float64 of shape \(2, 2\); give floats of shape",
        ),
        ({"level0": np.zeros((0, 2, 2))}, r"shape \(0, 2, 2\)"),
        ({"level0": np.zeros((1, 2, 2), dtype=np.int64)}, "is int64"),
        (
            {"level0": np.full((1, 2, 2), np.nan)},
            "'level0' of a/0001.png holds values that are no finite logits",
        ),
        ({"level0": np.full((1, 2, 2), np.inf, dtype=np.float16)}, "no finite logits"),
        ({"level0": np.array([None])}, "cannot be read .*pickle"),
    ],
)
def test_unsound_maps_are_refused(tmp_path: Path, arrays: dict[str, Any], message: str) -> None:
    write(tmp_path / "0000.npz", **levels())
    path = write(tmp_path / "a/0001.npz", **arrays)
    with pytest.raises(DataError, match=message) as caught:
        PrecomputedMaps(tmp_path).class_maps([frame()])
    assert str(caught.value).startswith(str(path))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("content", [b"", b"no archive", b"PK\x03\x04"])
def test_damaged_files_are_refused(tmp_path: Path, content: bytes) -> None:
    write(tmp_path / "0000.npz", **levels())
    path = tmp_path / "a" / "0001.npz"
    path.parent.mkdir()
    path.write_bytes(content)
    with pytest.raises(DataError, match=r"0001\.npz: the maps of a/0001\.png cannot be read"):
        PrecomputedMaps(tmp_path).class_maps([frame()])
    assert identify(f"maps:{tmp_path}").startswith("maps:")


def test_maps_of_a_batch_must_be_alike(tmp_path: Path) -> None:
    write(tmp_path / "a/0001.npz", **levels())
    write(tmp_path / "a/0002.npz", **levels(classes=3))
    write(tmp_path / "a/0003.npz", level0=levels()["level0"])
    detector = PrecomputedMaps(tmp_path)
    for other in ("a/0002.png", "a/0003.png"):
        with pytest.raises(
            DataError, match=rf"^{other}: its maps have shapes .* a/0001.png .* or use --batch 1"
        ):
            detector.class_maps([frame(), frame(other)])
        assert len(detector.class_maps([frame(other)])) == 1


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("strides = [8]", r"maps\.toml: 'strides' has 1 entries but there are 2"),
        ("strides = [8, 16]\norigins = [0]", "'origins' has 1 entries but there are 2"),
        ("origins = [0]", "'origins' has 1 entries but there are 0"),
        (
            "strides = [7, 16]",
            r"'level0' ends at \(49, 35\) of a picture of 56x40 pixels; correct 'strides'",
        ),
        ("strides = [8, 16]\norigins = [-5, 0]", r"'level0' ends at \(51, 35\)"),
        ("strides = [0, 8]", r"maps\.toml: 'strides\.0'"),
        ("stride = [8, 8]", "'stride': Extra inputs"),
        ("kind = ", r"maps\.toml: cannot be read"),
        ('kind = "probabilities"', "no probabilities in .0, 1.; correct the maps, or 'kind'"),
    ],
)
def test_a_wrong_description_is_refused(tmp_path: Path, text: str, message: str) -> None:
    write(tmp_path / "a/0001.npz", **levels())
    (tmp_path / "maps.toml").write_text(text)
    with pytest.raises(DataError, match=message):
        PrecomputedMaps(tmp_path).class_maps([frame()])


def test_a_folder_without_maps_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="holds no maps"):
        PrecomputedMaps(tmp_path)
    for function in (open_detector, identify):
        with pytest.raises(DataError, match="no such folder of maps; check the path after 'maps:'"):
            function(f"maps:{tmp_path / 'x'}")


def test_boxes_are_given_surest_first(tmp_path: Path) -> None:
    found: dict[str, Any] = {
        "boxes": np.array([[0, 0, 5, 5], [1, 1, 9, 9]]),
        "scores": np.array([0.2, 0.9], dtype=np.float32),
        "classes": np.array([1, 0]),
        "probabilities": np.array([[0.1, 0.2], [0.9, 0.0]]),
    }
    write(tmp_path / "a/0001.npz", **levels(), **found)
    write(tmp_path / "a/0002.npz", **levels(), boxes=np.zeros((0, 4)), scores=np.zeros(0))
    write(tmp_path / "a/0003.npz", **levels())
    write(tmp_path / "a/0004.npz", **levels(), **(found | {"boxes": np.zeros((2, 3))}))
    write(tmp_path / "a/0005.npz", **levels(), **(found | {"scores": np.array([0.1, np.nan])}))
    detector = PrecomputedMaps(tmp_path)
    assert detector.gives == {Need.CLASS_MAPS, Need.BOXES}
    full, empty = detector.detect([frame(scale=0.5), frame("a/0002.png")])
    assert full.boxes.tolist() == [[1, 1, 9, 9], [0, 0, 5, 5]]
    assert full.classes.tolist() == [0, 1]
    assert full.probabilities is not None
    assert full.probabilities.tolist() == [[0.9, 0.0], [0.1, 0.2]]
    assert len(empty) == 0
    for name, message in (
        ("a/0003.png", "holds no 'boxes' for a/0003.png, others do"),
        (
            "a/0004.png",
            r"'boxes' is float64 of shape \(2, 3\); give finite numbers of shape \(2, 4\)",
        ),
        ("a/0005.png", "'scores' is float64"),
    ):
        with pytest.raises(DataError, match=message):
            detector.detect([frame(name)])


def test_a_folder_is_known_by_what_its_files_hold(tmp_path: Path) -> None:
    folder = tmp_path / "one"
    write(folder / "a.npz", **levels())
    first = identify(f"maps:{folder}")
    shutil.copytree(folder, tmp_path / "two")
    assert identify(f"maps:{tmp_path / 'two'}") == first
    write(folder / "a.npz", **levels(1))
    second = identify(f"maps:{folder}")
    (folder / "maps.toml").write_text("strides = [8, 16]")
    third = identify(f"maps:{folder}")
    write(folder / "b.npz", **levels())
    assert len({first, second, third, identify(f"maps:{folder}")}) == 4


def test_a_pool_is_scored_and_chosen_from_by_maps_alone(tmp_path: Path, tiny: TinyData) -> None:
    pool, folder, scores = tmp_path / "pool", tmp_path / "maps", tmp_path / "scores.parquet"
    (pool / "sub").mkdir(parents=True)
    shutil.copy(tiny.video, pool / "clip.avi")
    for name in ("one.png", "sub/two.png"):
        Pillow.new("RGB", (WIDTH, HEIGHT)).save(pool / name)
    frames = [one for one in Pool(pool).stream() if isinstance(one, Frame)]
    assert len(frames) == VIDEO_FRAMES + 2
    expected: dict[str, float] = {}
    for seed, one in enumerate(frames):
        source = Path(one.record.source).with_suffix("")
        path = (
            f"{source}.npz" if one.record.frame is None else f"{source}/{one.record.frame:06d}.npz"
        )
        arrays = levels(seed)
        write(folder / path, **arrays)
        maps = tuple(torch.from_numpy(level)[None] for level in arrays.values())
        height, width = one.image.shape[:2]
        expected[one.record.label] = float(score_frames(ClassMaps(maps, height, width))[0])
    done = thrifty("score", pool, "--detector", f"maps:{folder}", "--out", scores)
    assert done.returncode == 0, done.stderr
    table = pq.read_table(scores).to_pylist()
    assert len(table) == len(frames)
    for row in table:
        name = row["source"].rpartition("/")[2]
        label = name if row["frame"] is None else f"{name}#{row['frame']}"
        assert row["score"] == pytest.approx(expected[label], rel=1e-9)

    out = tmp_path / "chosen.json"
    done = thrifty("select", pool, "--detector", f"maps:{folder}", "-b", 1, "--out", out)
    assert done.returncode == 0, done.stderr
    assert len(json.loads(out.read_text())["images"]) == 1

    (folder / "sub" / "two.npz").unlink()
    done = thrifty(
        "score", pool, "--detector", f"maps:{folder}", "--out", tmp_path / "more.parquet"
    )
    assert done.returncode == 2
    assert done.stderr.startswith("thrifty: sub/two.png: has no maps, there is no ")
    assert done.stderr.count("\n") == 1
