"""BDD100K's labels: Scalabel's format (https://doc.scalabel.ai/format.html), and the two that came before it.

- `bdd100k`, the releases of 2020 (`det_20`, `box_track_20`): a list of frames, or an object with the keys `frames` and
  `config`. We write the object, because it alone lists the classes, in groups.
- `bdd100k-2018`, `bdd100k_labels_images_*.json`: the same list; labels have `manualShape` and `manualAttributes`.
- `bdd100k-frames`, before 28 August 2018: a folder with a file an image, which names the image without `.jpg` and holds
  one of `frames`, with `objects`.

Boxes include the pixels at `x2` and `y2`, says Scalabel, and so do both of BDD100K's evaluations, of 2018 and 2020: width is
`x2 - x1 + 1`. Ours end one later. Images are 1280 x 720 where no size is stated.

A label's id is the object's own in a picture, and its track in a frame of a video (a frame with a `videoName`). The
attributes `occluded`, `truncated`, `crowd` and `ignored` are marks, in capitals or not. `other person`, `other vehicle` and
`trailer` are ignore regions unless the attribute says otherwise. Closed `poly2d` is an outline, with the box around it where
no `box2d` is given; its Bézier curves become lines. Lanes, which are open, are not read. `timestamp` and `url` are
attributes of the image. Datumaro 1.13 does not know the format.
"""

from __future__ import annotations

from pathlib import Path

from thrifty.data.formats.bdd100k_reader import read, read_frames
from thrifty.data.formats.bdd100k_writer import (
    IGNORED,
    SIZE,
    adapt,
    adapt_frames,
    write,
    write_2018,
    write_frames,
)
from thrifty.data.formats.format import Format, Trait
from thrifty.data.formats.recognition import below, json_keys

_HOLDS_FRAMES = frozenset(
    {
        Trait.NAMES,
        Trait.STILLS,
        Trait.EMPTY_IMAGES,
        Trait.IMAGE_ATTRIBUTES,
        Trait.LABEL_IDS,
        Trait.REPEATED_LABEL_IDS,
        Trait.OCCLUSION,
        Trait.TRUNCATION,
        Trait.OUTLINES,
        Trait.ATTRIBUTES,
        Trait.TYPED_ATTRIBUTES,
    }
)
_HOLDS_2018 = _HOLDS_FRAMES | {Trait.VIDEOS, Trait.TRACKS}
_HOLDS = _HOLDS_2018 | {
    Trait.SIZES,
    Trait.EMPTY_CATEGORIES,
    Trait.SUPERCATEGORIES,
    Trait.IGNORE,
    Trait.CROWD,
    Trait.SCORES,
}


def _recognise(path: Path) -> bool:
    if path.suffix.lower() != ".json" or not path.is_file():
        return False
    listed = {"name", "labels"} <= json_keys(path, "[")
    keys = json_keys(path, "{")
    packed = "frames" in keys and bool({"config", "labels"} & keys) and "objects" not in keys
    return (listed and not _recognise_2018(path)) or packed


def _recognise_2018(path: Path) -> bool:
    if path.suffix.lower() != ".json" or not path.is_file():
        return False
    return {"name", "labels", "manualShape", "manualAttributes"} <= json_keys(path, "[")


def _recognise_frames(path: Path) -> bool:
    file = below(path, "**/*.json") if path.is_dir() else path
    if file is None or file.suffix.lower() != ".json" or not file.is_file():
        return False
    return {"name", "frames", "objects"} <= json_keys(file, "{")


FORMAT = Format("bdd100k", "BDD100K", ".json", _HOLDS, _recognise, read, write, adapt=adapt)
FORMAT_2018 = Format(
    "bdd100k-2018",
    "BDD100K of 2018",
    ".json",
    _HOLDS_2018,
    _recognise_2018,
    read,
    write_2018,
    size=SIZE,
    ignored=IGNORED,
    adapt=adapt,
)
FRAMES_FORMAT = Format(
    "bdd100k-frames",
    "BDD100K before August 2018",
    "",
    _HOLDS_FRAMES,
    _recognise_frames,
    read_frames,
    write_frames,
    size=SIZE,
    ignored=IGNORED,
    adapt=adapt_frames,
)
