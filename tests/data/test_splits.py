"""Splits: nothing that belongs together is torn apart, whatever the data set; and small ones by hand."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from thrifty.data.dataset import Dataset, LabelledImage
from thrifty.data.splits import (
    by_attribute,
    by_folder,
    by_video,
    split_by_group,
    split_by_time,
)
from thrifty.errors import DataError

TWO = {"train": 0.75, "test": 0.25}


def stills(*names: str) -> Dataset:
    return Dataset((), tuple(LabelledImage(name) for name in names))


def frames(count: int, video: str = "v.avi", step: int = 1) -> list[LabelledImage]:
    return [
        LabelledImage(f"{video}#{number}", video=video, frame=number)
        for number in range(0, count * step, step)
    ]


videos = st.lists(st.integers(1, 30), min_size=2, max_size=12)


@given(lengths=videos, singles=st.integers(0, 20), seed=st.integers(0, 99))
def test_no_video_is_in_two_parts_and_nothing_is_lost(
    lengths: list[int], singles: int, seed: int
) -> None:
    images = [image for n, count in enumerate(lengths) for image in frames(count, f"{n}.avi")]
    images += [LabelledImage(f"{n}.png") for n in range(singles)]
    split = split_by_group(Dataset((), tuple(images)), TWO, by_video, np.random.default_rng(seed))
    owners: dict[str, set[str]] = {}
    for part, names in split.parts.items():
        for name in names:
            owners.setdefault(name.split("#")[0], set()).add(part)
    assert all(len(parts) == 1 for parts in owners.values())
    assert sorted(name for names in split.parts.values() for name in names) == sorted(
        image.name for image in images
    )
    assert all(split.parts.values())


@given(seed=st.integers(0, 99), order=st.permutations(range(12)))
def test_the_order_of_the_images_decides_nothing(seed: int, order: list[int]) -> None:
    images = frames(4, "a.avi") + frames(4, "b.avi") + frames(4, "c.avi")
    one = Dataset((), tuple(images))
    other = Dataset((), tuple(images[place] for place in order))
    parts, again = (
        split_by_group(entry, TWO, by_video, np.random.default_rng(seed)).parts
        for entry in (one, other)
    )
    assert {part: set(names) for part, names in parts.items()} == {
        part: set(names) for part, names in again.items()
    }


def test_stills_come_near_their_shares_and_the_seed_decides() -> None:
    dataset = stills(*(f"{n}.png" for n in range(200)))
    first, again, other = (
        split_by_group(dataset, TWO, by_video, np.random.default_rng(seed)).parts
        for seed in (1, 1, 2)
    )
    assert [len(names) for names in first.values()] == [150, 50]
    assert first == again != other


def test_groups_by_folder_and_by_attribute() -> None:
    dataset = Dataset(
        (),
        tuple(
            LabelledImage(f"{city}/{n}.png", attributes={"hour": n % 2})
            for city in "abcd"
            for n in range(3)
        ),
    )
    rng = np.random.default_rng
    for group, count in ((by_folder, 3), (by_attribute("hour"), 4)):
        split = split_by_group(dataset, {"one": 1, "two": 1}, group, rng(0))
        images = {image.name: image for image in dataset.images}
        keys = [{group(images[name]) for name in names} for names in split.parts.values()]
        assert not keys[0] & keys[1]
        assert all(len(names) >= count for names in split.parts.values())


def test_a_video_is_cut_in_time_with_a_gap() -> None:
    dataset = Dataset((), tuple(frames(10)))
    split = split_by_time(dataset, {"train": 0.6, "test": 0.4}, gap=2)
    assert split.parts == {
        "train": tuple(f"v.avi#{n}" for n in range(6)),
        "test": ("v.avi#8", "v.avi#9"),
    }
    assert split.left_out == ("v.avi#6", "v.avi#7")
    assert [image.frame for image in split.dataset(dataset, "test").images] == [8, 9]


@given(
    lengths=st.lists(st.integers(20, 60), min_size=1, max_size=4),
    step=st.integers(1, 7),
    gap=st.integers(0, 4),
)
def test_parts_of_a_video_are_apart_and_in_order(lengths: list[int], step: int, gap: int) -> None:
    images = [image for n, c in enumerate(lengths) for image in frames(c, f"{n}.avi", step)]
    dataset = Dataset((), tuple(images))
    split = split_by_time(dataset, {"a": 0.5, "b": 0.25, "c": 0.25}, gap)
    places = {image.name: (image.video, image.frame or 0) for image in images}
    for earlier, later in (("a", "b"), ("b", "c"), ("a", "c")):
        for video in {image.video for image in images}:
            before = [places[n][1] for n in split.parts[earlier] if places[n][0] == video]
            after = [places[n][1] for n in split.parts[later] if places[n][0] == video]
            assert max(before) + gap < min(after)
    placed = [name for names in split.parts.values() for name in names]
    assert sorted([*placed, *split.left_out]) == sorted(places)


@pytest.mark.parametrize(
    ("dataset", "shares", "gap", "message"),
    [
        (stills("a.png"), TWO, 0, r"a\.png: is no frame of a video"),
        (Dataset((), tuple(frames(1))), TWO, 0, "too few for the parts"),
        (Dataset((), tuple(frames(8))), TWO, 9, "a gap of 9 frames leaves nothing for part 'test'"),
        (Dataset((), tuple(frames(2) + frames(2))), TWO, 0, "is listed twice"),
        (Dataset((), tuple(frames(8))), {"a": 0}, 0, "not all positive"),
        (Dataset((), tuple(frames(8))), {"a": float("nan")}, 0, "not all positive"),
    ],
)
def test_what_cannot_be_cut_is_refused(
    dataset: Dataset, shares: dict[str, float], gap: int, message: str
) -> None:
    with pytest.raises(DataError, match=message):
        split_by_time(dataset, shares, gap)


def test_one_video_cannot_be_split_by_video() -> None:
    with pytest.raises(DataError, match="1 groups cannot be split into 2 parts"):
        split_by_group(Dataset((), tuple(frames(9))), TWO, by_video, np.random.default_rng(0))
