"""One contract for all formats: what is written of a data set is read again, and what is lost is counted."""

from __future__ import annotations

import tempfile
from pathlib import Path

import pytest
from hypothesis import given

from tests.data.formats.datasets import assert_same, datasets, pictures
from thrifty.data.dataset import Dataset
from thrifty.data.formats.catalogue import FORMATS, read_dataset, recognised, write_dataset
from thrifty.data.formats.projection import project
from thrifty.data.formats.sizes import Sizes

every_format = pytest.mark.parametrize("name", FORMATS)


@every_format
@given(dataset=datasets())
def test_what_is_written_is_read_again(name: str, dataset: Dataset) -> None:
    entry = FORMATS[name]
    kept, losses = project(dataset, entry)
    if dataset.images and not kept.images:
        return
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder) / f"labels{entry.suffix}"
        lost = write_dataset(dataset, place, name)
        assert lost == {trait.value: count for trait, count in losses.items()}
        again = read_dataset(place, name, Sizes(size=(640, 480)), checked=False)
    if not kept.images:
        return
    if not any(image.width for image in kept.images):
        again = Dataset(
            again.categories,
            tuple(
                type(image)(
                    **{s: getattr(image, s) for s in image.__slots__}
                    | {"width": None, "height": None}
                )
                for image in again.images
            ),
        )
    assert again.unread == {}
    assert_same(again, kept)


@every_format
@given(dataset=datasets())
def test_what_is_projected_once_loses_nothing_more(name: str, dataset: Dataset) -> None:
    kept, _ = project(dataset, FORMATS[name])
    assert project(kept, FORMATS[name]) == (kept, {})


@every_format
@given(
    dataset=datasets().filter(
        lambda dataset: any(image.labels and image.video for image in dataset.images)
    )
)
def test_a_file_is_recognised_as_what_it_is(name: str, dataset: Dataset) -> None:
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder) / f"labels{FORMATS[name].suffix}"
        write_dataset(dataset, place, name)
        assert [entry.name for entry in recognised(place)][:1] == [name]
