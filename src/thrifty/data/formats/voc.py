"""Pascal VOC (http://host.robots.ox.ac.uk/pascal/VOC/): a folder with one XML file an image below `Annotations`.

Boxes are 1-based and inclusive: `xmin` and `ymin` are one more than ours, `xmax` and `ymax` the same. `difficult` objects
are ignore regions. A number as the attribute `rotation` turns the box, as in CVAT's files. `labelmap.txt` lists the classes
as CVAT and Datumaro have it; there the black class `background` is the ground of masks and none of objects. A `filename`
without folders is taken to lie in the folder that its XML file lies in. Label files are called after pictures without their
suffix, and where that would give two the same name, with it. The list of images in `ImageSets` is written, since others ask
for it, and not read.

Datumaro 1.13 reads no set without the lists in `ImageSets`, takes `xmin` for 0-based unless told otherwise, refuses classes
that are none of VOC's twenty where no `labelmap.txt` lists them, and rounds coordinates to 0.01 pixels.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from xml.etree.ElementTree import Element

from thrifty.data.dataset import Category, Dataset, Label, LabelledImage
from thrifty.data.formats.cvat import text
from thrifty.data.formats.file_names import check_names, distinct_stems, read_name
from thrifty.data.formats.format import Format, Trait, Written
from thrifty.data.formats.guard import bad, elements, lines, number, require_file, whole
from thrifty.data.formats.outlines import turned_as_told
from thrifty.data.formats.recognition import below, xml_tags
from thrifty.data.formats.sizes import Sizes
from thrifty.data.formats.texts import class_lines, number_text
from thrifty.errors import DataError

LABELMAP = "labelmap.txt"
_FOLDER, _PICTURES, _SET = "Annotations", "JPEGImages", "ImageSets/Main/default.txt"
_LARGEST = 8 << 20
"""Bytes of a file that describes one image: an element in memory takes many times what it takes here."""

_HOLDS = frozenset(
    {
        Trait.NAMES,
        Trait.STILLS,
        Trait.EMPTY_IMAGES,
        Trait.SIZES,
        Trait.EMPTY_CATEGORIES,
        Trait.IGNORE,
        Trait.OCCLUSION,
        Trait.TRUNCATION,
        Trait.ATTRIBUTES,
    }
)
_CORNERS = ("xmin", "ymin", "xmax", "ymax")
_KNOWN = frozenset({"name", "pose", "truncated", "occluded", "difficult", "bndbox", "attributes"})
_UNREAD = {"part": "parts of objects", "actions": "actions of objects"}
_NO_POSE = "Unspecified"
_FLAGS = {"": 0.0, "no": 0.0, "false": 0.0, _NO_POSE.lower(): 0.0, "yes": 1.0, "true": 1.0}


def read(path: Path, sizes: Sizes) -> Dataset:
    """Read Pascal VOC.

    Args:
        path: A folder with `Annotations`, a folder of XML files, or one such file.
        sizes: Asked for images whose file gives no size.

    Raises:
        DataError: A file is missing or not of this kind.
    """
    folder = path if path.is_dir() else path.parent
    inner = path / _FOLDER
    root = inner if inner.is_dir() else folder
    files = sorted(filter(Path.is_file, root.rglob("*.xml"))) if path.is_dir() else [path]
    if not files:
        bad(path, "holds no XML files", "check the path")
    names: dict[str, int] = {}
    if path.is_dir() and (path / LABELMAP).is_file():
        names = {name: place for place, name in enumerate(_listed(path / LABELMAP))}
    unread: Counter[str] = Counter()
    images = tuple(_image(file, root, folder, names, sizes, unread) for file in files)
    return Dataset(tuple(map(Category, names)), images, dict(unread))


def _listed(path: Path) -> dict[str, None]:
    """The classes of `labelmap.txt`, each once."""
    names: dict[str, None] = {}
    for count, line in lines(path):
        if not line.strip() or line.startswith("#"):
            continue
        name, *rest = line.rsplit(":", 3)
        if not name or len(rest) != 3:
            bad(path, f"line {count} is no NAME:COLOUR:PARTS:ACTIONS", "correct it")
        if (name, rest[0]) != ("background", "0,0,0"):
            names[name] = None
    return names


def _image(
    path: Path,
    root: Path,
    folder: Path,
    names: dict[str, int],
    sizes: Sizes,
    unread: Counter[str],
) -> LabelledImage:
    require_file(path)
    if path.stat().st_size > _LARGEST:
        bad(path, f"is larger than {_LARGEST >> 20} MiB, which no such file is", "check what it is")
    image = None
    for element in elements(path, frozenset({"annotation"})):
        if image is not None:
            bad(path, "holds several <annotation>", "make each a file of its own")
        labels = tuple(
            _label(entry, path, f"object {count}", names, unread)
            for count, entry in enumerate(element.iterfind("object"))
        )
        width, height = _size(element, path) or (None, None)
        name = _name(element, path, path.relative_to(root))
        image = LabelledImage(name, width, height, labels)
    if image is None:
        bad(path, "holds no <annotation>", "check that it is Pascal VOC")
    if image.width is None:
        width, height = sizes.of(image.name, folder / _PICTURES, folder) or (None, None)
        image = replace(image, width=width, height=height)
    return image


def _name(element: Element, path: Path, place: Path) -> str:
    given = element.findtext("filename") or f"{place.stem}.jpg"
    return read_name(given if "/" in given else (place.parent / given).as_posix(), path)


def _size(element: Element, path: Path) -> tuple[int, int] | None:
    """Width and height; tools write 0 where they know none."""
    texts = element.findtext("size/width"), element.findtext("size/height")
    width, height = (whole(text or "0", path, "size") for text in texts)
    if width < 0 or height < 0:
        bad(path, f"size {width}x{height} has no pixels", "correct it")
    return (width, height) if width and height else None


def _label(
    element: Element, path: Path, where: str, names: dict[str, int], unread: Counter[str]
) -> Label:
    name, box = element.findtext("name"), element.find("bndbox")
    if not name:
        bad(path, f"{where} has no name", "name its class")
    if box is None:
        bad(path, f"{where} ({name[:80]!r}) has no bndbox", "draw it, or remove the object")
    for child in element:
        if child.tag not in _KNOWN:
            unread[_UNREAD.get(child.tag, f"objects' element <{child.tag}>")] += 1
    left, top, right, bottom = (
        number(box.findtext(key), path, f"{where}: {key}") for key in _CORNERS
    )
    flags = {
        key: _flag(element.findtext(key), path, f"{where}: {key}")
        for key in ("difficult", "occluded", "truncated")
    }
    label = Label(
        box=(left - 1, top - 1, right, bottom),
        category=names.setdefault(name, len(names)),
        ignore=flags["difficult"] > 0,
        occlusion=math.ceil(min(3.0, flags["occluded"])),
        truncation=min(1.0, flags["truncated"]),
        attributes=_attributes(element),
    )
    return turned_as_told(label)


def _flag(given: str | None, path: Path, where: str) -> float:
    """Of a mark 0 or 1; degrees are left as they are."""
    plain = (given or "").strip().lower()
    value = _FLAGS[plain] if plain in _FLAGS else number(plain, path, where)
    if not value >= 0:
        bad(path, f"{where}: {plain} is no mark", "write 0 or 1")
    return value


def _attributes(element: Element) -> dict[str, str]:
    pose = element.findtext("pose")
    attributes = {"pose": pose} if pose and pose != _NO_POSE else {}
    for entry in element.iterfind("attributes/attribute"):
        attributes[entry.findtext("name") or ""] = entry.findtext("value") or ""
    return attributes


def write(dataset: Dataset) -> Written:
    """One XML file an image, `labelmap.txt`, and the list of images that others ask for.

    Raises:
        DataError: A name has characters that have no place in it, or leads out of the folder.
    """
    names = [image.name for image in dataset.images]
    check_names(names)
    classes = [category.name for category in dataset.categories]
    yield LABELMAP, _labelmap(classes)
    stems = distinct_stems(names)
    yield _SET, "".join(f"{stem}\n" for stem in stems).encode()
    for image, stem in zip(dataset.images, stems, strict=True):
        content = "\n".join(["<annotation>", *_lines(image, classes), "</annotation>", ""])
        yield f"{_FOLDER}/{stem}.xml", content.encode()


def _labelmap(classes: Sequence[str]) -> bytes:
    commented = next((name for name in classes if name.startswith("#")), None)
    if commented is not None:
        raise DataError(
            f"{LABELMAP} has no place for a class called {commented!r}, which would be a comment; rename it"
        )
    rows = class_lines(classes, LABELMAP).decode().replace("\n", ":::\n")
    return f"# label:color_rgb:parts:actions\n{rows}".encode()


def _lines(image: LabelledImage, classes: Sequence[str]) -> Iterator[str]:
    yield f"  {_element('folder', image.name.rpartition('/')[0])}"
    yield f"  {_element('filename', image.name)}"
    if image.width is not None and image.height is not None:
        size = {"width": image.width, "height": image.height, "depth": 3}
        yield f"  <size>{''.join(_element(key, value) for key, value in size.items())}</size>"
    yield f"  {_element('segmented', 0)}"
    for label in image.labels:
        yield "  <object>"
        yield from _object_lines(label, classes[label.category])
        yield "  </object>"


def _object_lines(label: Label, name: str) -> Iterator[str]:
    attributes = dict(label.attributes)
    posed = attributes.get("pose") not in {None, "", _NO_POSE}
    left, top, right, bottom = label.box
    values = {
        "name": name,
        "pose": attributes.pop("pose") if posed else _NO_POSE,
        "truncated": int(label.truncation > 0),
        "occluded": int(label.occlusion > 0),
        "difficult": int(label.ignore),
    }
    for key, value in values.items():
        yield f"    {_element(key, value)}"
    yield "    <bndbox>"
    for key, corner in zip(_CORNERS, (left + 1, top + 1, right, bottom), strict=True):
        yield f"      {_element(key, number_text(corner))}"
    yield "    </bndbox>"
    if attributes:
        yield "    <attributes>"
        for key, value in attributes.items():
            yield f"      <attribute>{_element('name', key)}{_element('value', value)}</attribute>"
        yield "    </attributes>"


def _element(tag: str, value: object) -> str:
    return f"<{tag}>{text(str(value))}</{tag}>"


def _recognise(path: Path) -> bool:
    file: Path | None = path
    if path.is_dir():
        file = below(path, f"{_FOLDER}/**/*.xml") or below(path, "*.xml")
    if file is None or file.suffix.lower() != ".xml":
        return False
    tags = xml_tags(file)
    return "annotation" in tags and bool({"bndbox", "size", "segmented"} & tags)


FORMAT = Format("voc", "Pascal VOC", "", _HOLDS, _recognise, read, write, pictures=_PICTURES)
