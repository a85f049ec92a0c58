"""CVAT for images 1.1 (https://docs.cvat.ai/docs/manual/advanced/formats/format-cvat/): an XML file of images.

Boxes, and polygons with the box around them, are read; so are ellipses, as the boxes around them. Rotated boxes become
outlines. Frames of a video task are called after the video that the file names as its source. In a project's export CVAT
numbers the frames of its tasks one after the other, so a video is refused there unless its task comes first. CVAT marks
occlusion and groups; it has no place for ids of boxes, ignore regions or crowds. Who drew a shape (`source`) is not read.

Datumaro 1.13 gives the same boxes, but cannot read a file without its pictures, drops ellipses without a word, leaves labels
that the file does not list without a class, and rounds what it writes to 0.01 pixels.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from xml.etree.ElementTree import Element

from thrifty.data.dataset import Category, Dataset, Label, LabelledImage
from thrifty.data.formats import cvat
from thrifty.data.formats.cvat_task import is_video, sources_in
from thrifty.data.formats.file_names import check_names, read_name
from thrifty.data.formats.format import Format, Losses, Trait, Written
from thrifty.data.formats.guard import bad, elements, whole
from thrifty.data.formats.outlines import keep_single_polygons
from thrifty.data.formats.recognition import xml_tags
from thrifty.data.formats.sizes import Sizes, known_size

_HOLDS = frozenset(
    {
        Trait.NAMES,
        Trait.STILLS,
        Trait.EMPTY_IMAGES,
        Trait.SIZES,
        Trait.IMAGE_IDS,
        Trait.EMPTY_CATEGORIES,
        Trait.OCCLUSION,
        Trait.OUTLINES,
        Trait.GROUPS,
        Trait.ATTRIBUTES,
    }
)


def read(path: Path, sizes: Sizes) -> Dataset:
    """Read CVAT's images.

    Args:
        path: The XML file, or a folder that holds it as `annotations.xml`.
        sizes: Asked for images whose element has no size.

    Raises:
        DataError: It is missing or not of this kind.
    """
    path = cvat.located(path)
    names = cvat.Names()
    unread: Counter[str] = Counter()
    images: list[LabelledImage] = []
    sources: Mapping[str, str] = {}
    known = False
    for element in elements(path, frozenset({"meta", "image", "track"})):
        if element.tag == "track":
            cvat.refuse_other(path, "video")
        known = True
        if element.tag == "meta":
            names.add_listed(element)
            sources = sources_in(element, path)
        else:
            images.append(_image(element, sources, names, sizes, path, unread))
    if not known:
        bad(path, "holds neither <meta> nor <image>", "check that it is CVAT's")
    return Dataset(tuple(map(Category, names.numbers)), tuple(images), dict(unread))


def _image(
    element: Element,
    sources: Mapping[str, str],
    names: cvat.Names,
    sizes: Sizes,
    path: Path,
    unread: Counter[str],
) -> LabelledImage:
    given = element.get("name")
    if not given:
        bad(path, "an <image> has no name", "name its file")
    name = read_name(given, path)
    number = whole(element.get("id"), path, f"{name}: id") if element.get("id") else None
    source = sources.get(element.get("task_id", ""), sources.get("", ""))
    if is_video(source) and number is not None:
        name = f"{read_name(source, path)}#{number}"
    width, height = _size(element, name, sizes, path)
    return LabelledImage(
        name=name,
        width=width,
        height=height,
        labels=tuple(_labels(element, name, names, path, unread)),
        id=number,
        attributes={key: element.get(key) for key in ("subset", "task_id") if element.get(key)},
    )


def _size(
    element: Element, name: str, sizes: Sizes, path: Path
) -> tuple[int, int] | tuple[None, None]:
    if element.get("width") is None or element.get("height") is None:
        return sizes.of(name, path.parent, path.parent / "images") or (None, None)
    width = whole(element.get("width"), path, f"{name}: width")
    height = whole(element.get("height"), path, f"{name}: height")
    if width < 1 or height < 1:
        bad(path, f"{name}: size {width}x{height} has no pixels", "correct it")
    return width, height


def _labels(
    element: Element, name: str, names: cvat.Names, path: Path, unread: Counter[str]
) -> Iterator[Label]:
    for child, shape in cvat.shapes(element, path, name, unread):
        yield shape.label(names.of(child, path, name), cvat.group(child, path, name))


def write(dataset: Dataset) -> Written:
    """One XML file.

    Raises:
        DataError: The size of an image is not known, a name has control characters, or leads out of its folder.
    """
    check_names(image.name for image in dataset.images)
    yield "", cvat.document(_lines(dataset))


def _lines(dataset: Dataset) -> Iterator[str]:
    yield "  <meta>"
    yield "    <task>"
    yield f"      <size>{len(dataset.images)}</size>"
    yield "      <mode>annotation</mode>"
    yield from cvat.label_lines(dataset)
    yield "    </task>"
    yield "  </meta>"
    names = [category.name for category in dataset.categories]
    for image in dataset.images:
        width, height = known_size(image, "CVAT")
        entry = {"id": image.id, "name": image.name, "width": width, "height": height}
        yield "  " + cvat.opened("image", entry)
        for label in image.labels:
            group = {} if label.group is None else {"group_id": label.group}
            given = {"label": names[label.category], "source": "manual", **group}
            yield from cvat.shape_lines(label, given)
        yield "  </image>"


def _adapt(dataset: Dataset) -> tuple[Dataset, Losses]:
    """One polygon or a box a label, groups and images with numbers."""
    dataset, losses = keep_single_polygons(dataset)
    ids = [image.id for image in dataset.images]
    numbered = len(set(ids)) == len(ids) and all(map(cvat.keeps_number, ids))
    if not numbered:
        losses[Trait.IMAGE_IDS] += sum(key is not None for key in ids)
    images = [
        replace(
            image,
            id=image.id if numbered else place,
            labels=tuple(_grouped(label, losses) for label in image.labels),
        )
        for place, image in enumerate(dataset.images)
    ]
    return replace(dataset, images=tuple(images)), losses


def _grouped(label: Label, losses: Losses) -> Label:
    if label.group is None or cvat.keeps_group(label.group):
        return label
    losses[Trait.GROUPS] += 1
    return replace(label, group=None)


def _recognise(path: Path) -> bool:
    file = cvat.located(path)
    if file.suffix.lower() != ".xml" or not file.is_file():
        return False
    tags = xml_tags(file)
    if "annotations" not in tags or "track" in tags:
        return False
    return "image" in tags or ("meta" in tags and "original_size" not in tags)


FORMAT = Format(
    "cvat-images", "CVAT for images", ".xml", _HOLDS, _recognise, read, write, adapt=_adapt
)
