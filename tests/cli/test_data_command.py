"""`thrifty data` as somebody at a terminal meets it."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image as Pillow

from tests.command import thrifty
from tests.tiny import TinyData
from thrifty.data.formats.catalogue import FORMATS, read_dataset
from thrifty.data.video import index_video


def data(*words: object, folder: Path | None = None) -> subprocess.CompletedProcess[str]:
    return thrifty("data", *words, folder=folder)


def test_data_commands_load_no_deep_learning_framework() -> None:
    code = (
        "import sys, thrifty.cli.main; sys.exit('torch' in sys.modules or 'scipy' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_converting_says_what_was_lost(tiny: TinyData, tmp_path: Path) -> None:
    result = data("convert", tiny.root / "video.json", tmp_path / "out", "--to", "caltech")
    assert result.returncode == 0, result.stderr
    boxes = read_dataset(tiny.root / "video.json").label_count
    assert result.stdout == f"40 images, {boxes} boxes: {tmp_path / 'out'}\n"
    assert "lost: 40 ids of images\n" in result.stderr
    again = read_dataset(tmp_path / "out")
    assert [image.name for image in again.images] == [f"clip.avi#{n}" for n in range(40)]


def test_frames_keep_their_identity_through_a_format_and_back(
    tiny: TinyData, tmp_path: Path
) -> None:
    data("convert", tiny.root / "video.json", tmp_path / "out", "--to", "caltech")
    data("convert", tmp_path / "out", tmp_path / "back.json", "--to", "coco")
    before, after = (
        read_dataset(path) for path in (tiny.root / "video.json", tmp_path / "back.json")
    )
    index = index_video(tiny.video)
    assert [index.frame_id(image.frame or 0) for image in after.images] == [
        index.frame_id(image.frame or 0) for image in before.images
    ]


def test_classes_are_filtered_and_renamed(specimens: Path, tmp_path: Path) -> None:
    source = specimens / "citypersons" / "anno_train.mat"
    options = ("--to", "coco", "--filter", "citypersons-released", "--rename", "rider=pedestrian")
    result = data("convert", source, tmp_path / "a.json", *options)
    assert result.returncode == 0, result.stderr
    dataset = read_dataset(tmp_path / "a.json")
    assert "rider" not in [category.name for category in dataset.categories]
    assert sum(label.counts for image in dataset.images for label in image.labels) == 7740


def test_checking_prints_a_table_or_json_and_ends_with_1(tiny: TinyData, tmp_path: Path) -> None:
    content = json.loads((tiny.root / "stills.json").read_text())
    content["annotations"][0]["bbox"] = [500, 0, 4, 4]
    content["images"][1]["file_name"] = "gone.png"
    path = tmp_path / "bad.json"
    path.write_text(json.dumps(content))
    result = data("check", path, "--images", tiny.root / "stills")
    assert result.returncode == 1
    assert "missing file" in result.stdout
    assert "2 errors, 0 that may be meant" in result.stdout
    as_json = json.loads(data("check", path, "--images", tiny.root / "stills", "--json").stdout)
    assert [entry["kind"] for entry in as_json["findings"]] == ["missing file", "impossible box"]
    assert as_json["findings"][0]["where"].endswith("bad.json: gone.png")
    assert as_json["sets"][0]["images"] == 8
    sound = data("check", tiny.root / "stills.json", "--images", tiny.root / "stills")
    assert sound.returncode == 0
    assert "nothing found" in sound.stdout


def test_a_recipe_is_checked_for_leaks_between_its_sets(tiny: TinyData, tmp_path: Path) -> None:
    recipe = tiny.recipe(tmp_path)
    result = data("check", recipe, "--data", tiny.root, "--json")
    assert result.returncode == 1
    [finding] = json.loads(result.stdout)["findings"]
    assert (finding["kind"], finding["where"]) == ("leak", "clip.avi")
    assert finding["what"] == "has frames in several sets: 30 in pool, 8 in test"


def test_a_contact_sheet_shows_stills_and_frames_with_their_boxes(
    tiny: TinyData, tmp_path: Path
) -> None:
    for name, images in (("stills", tiny.root / "stills"), ("video", tiny.root)):
        out = tmp_path / f"{name}.png"
        result = data(
            "show",
            tiny.root / f"{name}.json",
            "--images",
            images,
            "--out",
            out,
            "--labelled",
            "--count",
            6,
        )
        assert result.returncode == 0, result.stderr
        with Pillow.open(out) as sheet:
            assert sheet.size[0] == 4 * 328 + 8
            greens = sum(
                count
                for count, colour in sheet.convert("RGB").getcolors(1 << 24) or []
                if colour == (26, 235, 26)
            )
        assert greens > 6 * 2 * (50 + 90)


def test_a_folder_of_pictures_is_shown_and_checked_without_annotations(
    tiny: TinyData, tmp_path: Path
) -> None:
    result = data("show", tiny.root / "stills", "--out", tmp_path / "a.jpg")
    assert result.stdout == f"8 of 8 images: {tmp_path / 'a.jpg'}\n"
    assert data("check", tiny.root / "stills").returncode == 0


def test_splitting_writes_the_parts_the_lists_and_the_seed(tiny: TinyData, tmp_path: Path) -> None:
    out = tmp_path / "split"
    options = ("--by", "time", "--shares", "train=0.5,test=0.5", "--gap", 5)
    result = data("split", tiny.root / "video.json", out, *options)
    assert result.returncode == 0, result.stderr
    written = json.loads((out / "split.json").read_text())
    assert (written["seed"], written["by"], written["gap"]) == (0, "time", 5)
    assert written["parts"]["train"] == [f"clip.avi#{n}" for n in range(20)]
    assert written["left_out"] == [f"clip.avi#{n}" for n in range(20, 25)]
    test = read_dataset(out / "test.json")
    assert [image.name for image in test.images] == written["parts"]["test"]


def test_the_formats_are_listed(tmp_path: Path) -> None:
    listed = data("formats").stdout.splitlines()
    assert [line.split(":")[0] for line in listed] == list(FORMATS)
    assert "track ids" in data("formats", "caltech").stdout


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("convert", "none.json", "out", "--to", "coco"), "none.json: no such file or folder"),
        (("convert", "stills.json", "out", "--to", "cocoa"), "cocoa: no known annotation format"),
        (("convert", "stills.json", "out", "--to", "coco", "--size", "0x4"), "is no WIDTHxHEIGHT"),
        (("convert", "stills.json", "out", "--to", "coco", "--filter", "x"), "--filter x: there is none"),
        (("convert", "stills.json", "out", "--to", "coco", "--rename", "x"), "is no OLD=NEW"),
        (("convert", "stills.json", "out", "--to", "coco", "--rename", "x=y"), "no class 'x' to rename"),
        (("convert", "stills.json", "out", "--to", "caltech"), "no place for images outside videos"),
        (("convert", "stills.json", "out", "--to", "coco", "--pictures", "copy", "--images", "stills"), "keeps no pictures"),
        (("convert", "stills", "out", "--to", "coco"), "annotations of no known format"),
        (("show", "stills.json", "--out", "a.gif"), "is no .png or .jpg"),
        (("show", "stills.json", "--out", "a.png", "--images", "none"), "no such folder"),
        (("check", "none"), "no such file or folder"),
        (("split", "video.json", "out", "--by", "video"), "cannot be split into 2 parts"),
        (("split", "video.json", "out", "--by", "attribute"), "which one is not said"),
        (("split", "video.json", "out", "--by", "time", "--shares", "a=1,a=2"), "is no NAME=SHARE"),
        (("split", "stills.json", "out", "--by", "time"), "is no frame of a video"),
    ],
)  # fmt: skip
def test_bad_input_is_one_line_and_leaves_nothing(
    tiny: TinyData, tmp_path: Path, words: tuple[str, ...], message: str
) -> None:
    for name in ("stills.json", "video.json", "stills", "clip.avi"):
        (tmp_path / name).symlink_to(tiny.root / name)
    before = sorted(tmp_path.iterdir())
    result = data(*words, folder=tmp_path)
    assert result.returncode == 2, result.stdout + result.stderr
    assert message in result.stderr
    assert result.stderr.count("\n") == 1
    assert sorted(tmp_path.iterdir()) == before
