"""Data sets made up by Hypothesis, and what it means that two are the same."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from hypothesis import strategies as st
from PIL import Image

from thrifty.data.dataset import Category, Dataset, Label, LabelledImage

names = st.text("abcxyzäß漢_ -", min_size=1, max_size=8).map(str.strip).filter(bool)
files = st.tuples(names, st.sampled_from([".jpg", ".png"])).map("".join)
coordinates = st.floats(-50, 700, width=32) | st.integers(-50, 700).map(float)
sides = st.floats(0.5, 600, width=32) | st.integers(1, 600).map(float)
attributes = st.dictionaries(
    names, names | st.integers(-1000, 1000) | st.booleans() | st.floats(-1, 1), max_size=2
)


@st.composite
def corners(draw: st.DrawFn) -> tuple[float, float, float, float]:
    left, top = draw(coordinates), draw(coordinates)
    return left, top, left + draw(sides), top + draw(sides)


@st.composite
def labels(draw: st.DrawFn, categories: int) -> Label:
    outlined = draw(st.integers(0, 3)) == 0
    box = draw(corners())
    outline = None
    if outlined:
        left, top, right, bottom = box
        outline = ((left, top, right, top, right, bottom),)
    return Label(
        box=box,
        category=draw(st.integers(0, categories - 1)),
        ignore=draw(st.booleans()),
        crowd=draw(st.booleans()),
        occlusion=draw(st.integers(0, 3)),
        truncation=draw(st.sampled_from([0.0, 0.25, 1.0])),
        visible=draw(st.none() | corners()),
        visibility=draw(st.none() | st.sampled_from([0.0, 0.5, 1.0])),
        outline=outline,
        area=draw(st.none() | st.just(0.1)),
        group=draw(st.none() | st.integers(1, 9)),
        track=draw(st.none() | st.integers(1, 99)),
        score=draw(st.none() | st.sampled_from([0.0, 0.125, 1.0])),
        attributes=draw(attributes),
    )


@st.composite
def images(draw: st.DrawFn, number: int, name: str, categories: int) -> LabelledImage:
    video, frame = draw(
        st.just((None, None)) | st.tuples(st.sampled_from(["one", "two"]), st.just(number))
    )
    if video is not None and draw(st.booleans()):
        video = f"{video}.avi"
        name = f"{video}#{frame}"
    return LabelledImage(
        name=name,
        width=640,
        height=480,
        labels=tuple(draw(st.lists(labels(categories), max_size=4))),
        id=number + 7,
        video=video,
        frame=frame,
        attributes=draw(attributes),
    )


@st.composite
def datasets(draw: st.DrawFn, classes: Sequence[str] | None = None) -> Dataset:
    """Any data set; with the given classes and no others, if some are given."""
    titles = classes or draw(st.lists(names, min_size=1, max_size=4, unique_by=str.lower))
    pictures = draw(st.lists(files, max_size=4, unique_by=str.lower))
    drawn = tuple(draw(images(number, name, len(titles))) for number, name in enumerate(pictures))
    number = 0
    numbered = []
    for image in drawn:
        marked = []
        for label in image.labels:
            number += 1
            marked.append(
                Label(**{**{s: getattr(label, s) for s in Label.__slots__}, "id": number})
            )
        numbered.append(
            LabelledImage(
                **{
                    **{s: getattr(image, s) for s in LabelledImage.__slots__},
                    "labels": tuple(marked),
                }
            )
        )
    return Dataset(
        tuple(Category(title, 3 * place + 2, "thing") for place, title in enumerate(titles)),
        tuple(numbered),
    )


def of_one_video(dataset: Dataset) -> Dataset:
    """Without the frames of all videos but the first."""
    video = next((image.video for image in dataset.images if image.video), None)
    kept = (image for image in dataset.images if image.video in {None, video})
    return replace(dataset, images=tuple(kept))


def of_objects(dataset: Dataset) -> Dataset:
    """With regions to ignore and crowds as objects, which every format has a place for."""
    images = (
        replace(
            image,
            labels=tuple(replace(label, ignore=False, crowd=False) for label in image.labels),
        )
        for image in dataset.images
    )
    return replace(dataset, images=tuple(images))


def of_distinct_stems(dataset: Dataset) -> Dataset:
    """Without pictures that are called as an earlier one but for the suffix."""
    stems = {
        image.name.removesuffix(".jpg").removesuffix(".png"): image
        for image in dataset.images[::-1]
    }
    return replace(
        dataset, images=tuple(image for image in dataset.images if image in stems.values())
    )


def pictures(dataset: Dataset, folder: Path) -> None:
    """Black pictures for all images that are no frames of video files."""
    for image in dataset.images:
        if "#" not in image.name and image.width and image.height:
            (folder / image.name).parent.mkdir(parents=True, exist_ok=True)
            Image.new("L", (image.width, image.height)).save(folder / image.name)


def assert_same(found: Dataset, expected: Dataset, tolerance: float = 1e-6) -> None:
    """Equal up to the order of images and of the labels of one image; coordinates within the tolerance, pixels."""
    assert sorted(entry.name for entry in found.categories) == sorted(
        entry.name for entry in expected.categories
    )
    if any(entry.id for entry in expected.categories):
        assert sorted(map(repr, found.categories)) == sorted(map(repr, expected.categories))
    ours = {image.name: image for image in found.images}
    theirs = {image.name: image for image in expected.images}
    assert len(ours) == len(found.images)
    assert ours.keys() == theirs.keys()
    for name, image in theirs.items():
        _assert_same_image(ours[name], image, found, expected, tolerance)


def _assert_same_image(
    found: LabelledImage,
    expected: LabelledImage,
    ours: Dataset,
    theirs: Dataset,
    tolerance: float,
) -> None:
    for field in ("width", "height", "id", "video", "frame", "attributes"):
        assert getattr(found, field) == getattr(expected, field), (expected.name, field)
    assert len(found.labels) == len(expected.labels), expected.name
    left = list(found.labels)
    for label in expected.labels:
        match = next(
            (other for other in left if _same(other, label, ours, theirs, tolerance)), None
        )
        assert match is not None, f"{expected.name}: {label} is not among {left}"
        left.remove(match)


def _same(found: Label, expected: Label, ours: Dataset, theirs: Dataset, tolerance: float) -> bool:
    if ours.categories[found.category].name != theirs.categories[expected.category].name:
        return False
    exact = set(Label.__slots__) - {
        "box", "category", "visible", "outline", "score", "visibility", "truncation",
    }  # fmt: skip
    return all(getattr(found, field) == getattr(expected, field) for field in exact) and all(
        _close(getattr(found, field), getattr(expected, field), tolerance)
        for field in ("box", "visible", "outline", "score", "visibility", "truncation")
    )


def _close(found: object, expected: object, tolerance: float) -> bool:
    if isinstance(expected, tuple) and isinstance(found, tuple):
        return len(found) == len(expected) and all(
            _close(a, b, tolerance) for a, b in zip(found, expected, strict=True)
        )
    if isinstance(expected, int | float) and isinstance(found, int | float):
        return abs(found - expected) <= tolerance
    return found == expected


def attribute_names(dataset: Dataset) -> Mapping[str, int]:
    counts: dict[str, int] = {}
    for image in dataset.images:
        for label in image.labels:
            for name in label.attributes:
                counts[name] = counts.get(name, 0) + 1
    return counts
