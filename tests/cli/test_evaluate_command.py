"""`thrifty evaluate` as people use it: a file of labels, a file of detections, figures and curves out of them."""

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from tests.command import thrifty


def evaluate(*arguments: object) -> subprocess.CompletedProcess[str]:
    return thrifty("evaluate", *arguments)


def figures(*arguments: object) -> dict[str, Any]:
    done = evaluate(*arguments, "--json")
    assert done.returncode == 0, done.stderr
    loaded: dict[str, Any] = json.loads(done.stdout)
    return loaded


def fails(*arguments: object) -> str:
    done = evaluate(*arguments)
    assert done.returncode == 2, done.stdout
    assert done.stderr.startswith("thrifty: ")
    assert done.stderr.count("\n") == 1
    return done.stderr


@pytest.fixture
def truth(tmp_path: Path) -> Path:
    """Two pictures; in the first two people, in the second one that does not count."""
    path = tmp_path / "truth.json"
    path.write_text(
        json.dumps(
            {
                "images": [
                    {"id": 7, "file_name": "a.png", "width": 640, "height": 480},
                    {"id": 8, "file_name": "b.png", "width": 640, "height": 480},
                ],
                "categories": [{"id": 1, "name": "person"}, {"id": 3, "name": "dog"}],
                "annotations": [
                    _label(1, 7, 1, [100, 100, 41, 100]),
                    _label(2, 7, 1, [300, 100, 41, 100]),
                    _label(3, 8, 1, [100, 100, 41, 100], ignore=1),
                    _label(4, 8, 3, [300, 300, 50, 30]),
                ],
            }
        )
    )
    return path


def _label(key: int, image: int, category: int, box: list[float], **more: int) -> dict[str, Any]:
    area = box[2] * box[3]
    return {"id": key, "image_id": image, "category_id": category, "bbox": box, "area": area} | more


@pytest.fixture
def found(tmp_path: Path) -> Path:
    """One of the two people, the one that does not count, and a dog where there is none."""
    path = tmp_path / "found.json"
    path.write_text(
        json.dumps(
            [
                _detection(7, 1, [100, 100, 41, 100], 0.9),
                _detection(8, 1, [100, 100, 41, 100], 0.8),
                _detection(8, 1, [400, 100, 41, 100], 0.7),
                _detection(7, 3, [10, 10, 50, 30], 0.6),
            ]
        )
    )
    return path


def _detection(image: int, category: int, box: list[float], score: float) -> dict[str, Any]:
    return {"image_id": image, "category_id": category, "bbox": box, "score": score}


def test_caltech(truth: Path, found: Path) -> None:
    result = figures("--truth", truth, "--detections", found, "--protocol", "caltech")
    assert result["setup"] == "reasonable"
    assert (result["images"], result["objects"], result["detections"]) == (2, 2, 3)
    # One of two is found before anything false.
    assert result["log_average_miss_rate"] == pytest.approx(0.5)
    assert result["miss_rate"] == {"0.01": 0.5, "0.1": 0.5, "1": 0.5}
    assert result["setups"]["far"] == {
        "objects": 0,
        "log_average_miss_rate": None,
        "miss_rate": {"0.01": None, "0.1": None, "1": None},
    }


def test_another_class_by_name(truth: Path, found: Path) -> None:
    paths = ("--truth", truth, "--detections", found, "--protocol", "paper")
    assert figures(*paths, "--category", "dog")["miss_rate"]["1"] == 1.0
    everything = figures(*paths)
    assert (everything["objects"], everything["detections"]) == (3, 4)
    # Recall 1/2 in the first picture, 0 in the second.
    assert everything["log_average_miss_rate"] == pytest.approx(0.75)


def test_coco(truth: Path, found: Path) -> None:
    result = figures("--truth", truth, "--detections", found, "--protocol", "coco")
    assert result["classes"]["dog"]["ap"] == 0.0
    assert result["classes"]["person"]["ap50"] == pytest.approx(67 / 101)
    assert result["ap50"] == pytest.approx(67 / 202)
    assert "ignore" in result["notes"][0]
    one = figures(
        "--truth", truth, "--detections", found, "--protocol", "coco", "--category", "person"
    )
    assert one["ap50"] == pytest.approx(67 / 101)


def test_the_published_detections(specimens: Path) -> None:
    files = specimens.parent / "caltech-eval"
    result = figures(
        "--truth", files / "gt-Reasonable.mat",
        "--detections", files / "dt-ACF-Caltech.mat",
        "--protocol", "caltech",
    )  # fmt: skip
    assert result["log_average_miss_rate"] == pytest.approx(0.442191, abs=1e-6)
    assert result["miss_rate"]["1"] == pytest.approx(0.2387, abs=5e-5)


def test_table_and_curves(truth: Path, found: Path, tmp_path: Path) -> None:
    png, svg = tmp_path / "curve.png", tmp_path / "curve.svg"
    for protocol in ("citypersons", "coco"):
        done = evaluate(
            "--truth", truth, "--detections", found, "--protocol", protocol,
            "--category", "person", "--curve", png, "--curve", svg,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        assert "2 images" in done.stdout
        assert f"curves: {svg}" in done.stdout
        with Image.open(png) as picture:
            assert picture.size == (960, 720)
        assert "found.json" in svg.read_text()
        first = svg.read_bytes()
        evaluate(
            "--truth", truth, "--detections", found, "--protocol", protocol,
            "--category", "person", "--curve", svg,
        )  # fmt: skip
        assert svg.read_bytes() == first


def test_nothing_detected_nothing_there_no_images(truth: Path, tmp_path: Path) -> None:
    nothing = tmp_path / "nothing.json"
    nothing.write_text("[]")
    empty = tmp_path / "empty.json"
    loaded = json.loads(truth.read_text())
    listed: list[list[dict[str, Any]]] = [loaded["images"], []]
    for images in listed:
        empty.write_text(json.dumps(loaded | {"images": images, "annotations": []}))
        for protocol in ("caltech", "paper", "coco"):
            result = figures("--truth", empty, "--detections", nothing, "--protocol", protocol)
            key = "ap" if protocol == "coco" else "log_average_miss_rate"
            assert result[key] is None
            assert result["images"] == len(images)
    assert (
        figures("--truth", truth, "--detections", nothing, "--protocol", "caltech")[
            "log_average_miss_rate"
        ]
        == 1.0
    )
    assert figures("--truth", truth, "--detections", nothing, "--protocol", "coco")["ap"] == 0.0


def test_what_is_wrong_is_said_in_one_line(truth: Path, found: Path, tmp_path: Path) -> None:
    paths = ("--truth", truth, "--detections", found)
    assert "no class 'pedestrian', only person, dog" in fails(*paths, "--protocol", "citypersons")
    alone = tmp_path / "alone.json"
    content = json.loads(truth.read_text())
    content["categories"] = [one for one in content["categories"] if one["name"] == "person"]
    kept = [one for one in content["annotations"] if one["category_id"] == 1]
    alone.write_text(json.dumps(content | {"annotations": kept}))
    told = ("--truth", alone, "--detections", found, "--protocol", "coco", "--category", "persn")
    assert "no class 'persn', only person" in fails(*told)
    assert "--device: is for projects" in fails(*paths, "--protocol", "coco", "--device", "cpu")
    assert "--json: is for --truth and --detections" in fails("--json")
    assert "only reasonable, all" in fails(*paths, "--protocol", "caltech", "--setup", "tiny")
    assert "coco has none of that name" in fails(*paths, "--protocol", "coco", "--setup", "near")
    picture = tmp_path / "curve.pdf"
    assert "in .png or .svg" in fails(*paths, "--protocol", "coco", "--curve", picture)
    unknown = tmp_path / "unknown.json"
    unknown.write_text(json.dumps([_detection(99, 1, [0, 0, 1, 1], 0.5)]))
    message = fails("--truth", truth, "--detections", unknown, "--protocol", "coco")
    assert "unknown.json" in message
    assert "99" in message
    unsure = tmp_path / "unsure.json"
    unsure.write_text(json.dumps([_detection(7, 1, [0, 0, 1, 1], 17.5)]))
    assert "scores from 0 to 1" in fails(
        "--truth", truth, "--detections", unsure, "--protocol", "paper"
    )
    missing = tmp_path / "missing.json"
    assert "missing.json" in fails("--truth", truth, "--detections", missing, "--protocol", "coco")
    named = tmp_path / "gt-mine.mat"
    named.write_bytes(
        (Path(__file__).parents[3] / "shared" / "caltech-eval" / "gt-Reasonable.mat").read_bytes()
    )
    assert "leave out format and categories" in fails(
        "--truth", named, "--detections", found, "--protocol", "caltech", "--category", "person"
    )
    assert "which subset" in fails("--truth", named, "--detections", found, "--protocol", "caltech")
