"""One contract for all formats: what is written of a data set is read again, and what is lost is counted."""

from __future__ import annotations

import tempfile
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from tests.data.formats.datasets import (
    assert_same,
    datasets,
    of_distinct_stems,
    of_objects,
    of_one_video,
)
from thrifty.data.dataset import Dataset
from thrifty.data.formats import citypersons
from thrifty.data.formats.catalogue import FORMATS, read_dataset, recognised, write_dataset
from thrifty.data.formats.format import Trait
from thrifty.data.formats.projection import project
from thrifty.data.formats.sizes import Sizes

every_format = pytest.mark.parametrize("name", FORMATS)

CLASSES = {"citypersons": citypersons.CLASSES}
"""Of formats that have no others."""

ONE_VIDEO = {"cvat-video"}
"""Formats whose files hold one video."""

DISTINCT_STEMS = {"yolo"}
"""Formats that cannot tell pictures apart which are called the same but for the suffix."""


def drawn(name: str, data: st.DataObject) -> Dataset:
    """A data set for a format."""
    dataset = data.draw(datasets(CLASSES.get(name)))
    if name in DISTINCT_STEMS:
        return of_distinct_stems(dataset)
    return of_one_video(dataset) if name in ONE_VIDEO else dataset


@every_format
@given(data=st.data())
def test_what_is_written_is_read_again(name: str, data: st.DataObject) -> None:
    dataset = drawn(name, data)
    entry = FORMATS[name]
    kept, losses = project(dataset, entry)
    assume(kept.images)
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder) / f"labels{entry.suffix}"
        lost = write_dataset(dataset, place, name)
        assert lost == {trait.value: count for trait, count in losses.items()}
        sizes = Sizes(size=entry.size or (640, 480))
        again = read_dataset(place, name, sizes, checked=False)
    unsized = Trait.SIZES not in entry.holds and entry.size is None
    assert again.unread == {}
    assert_same(without_sizes(again) if unsized else again, kept)


def without_sizes(dataset: Dataset) -> Dataset:
    images = (replace(image, width=None, height=None) for image in dataset.images)
    return replace(dataset, images=tuple(images))


@every_format
@given(data=st.data())
def test_what_is_projected_once_loses_nothing_more(name: str, data: st.DataObject) -> None:
    dataset = drawn(name, data)
    kept, _ = project(dataset, FORMATS[name])
    assert project(kept, FORMATS[name]) == (kept, {})


@every_format
@given(data=st.data())
def test_a_file_is_recognised_as_what_it_is(name: str, data: st.DataObject) -> None:
    dataset = of_objects(drawn(name, data))
    assume(any(image.labels and image.video for image in dataset.images))
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder) / f"labels{FORMATS[name].suffix}"
        write_dataset(dataset, place, name)
        assert [entry.name for entry in recognised(place)][:1] == [name]
