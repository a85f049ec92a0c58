"""Splits of a data set into parts that do not leak: what belongs together stays together."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from thrifty.data.dataset import Dataset, LabelledImage
from thrifty.errors import DataError


@dataclass(frozen=True, slots=True)
class Split:
    """Who goes where.

    Attributes:
        parts: Names of images, by part, in the data set's order.
        left_out: Names of images between the parts of one video.
    """

    parts: Mapping[str, tuple[str, ...]]
    left_out: tuple[str, ...] = ()

    def dataset(self, whole: Dataset, part: str) -> Dataset:
        """One part of the data set that was split."""
        names = set(self.parts[part])
        images = tuple(image for image in whole.images if image.name in names)
        return Dataset(whole.categories, images, whole.unread)


def split_by_group(
    dataset: Dataset,
    shares: Mapping[str, float],
    group: Callable[[LabelledImage], Hashable],
    rng: np.random.Generator,
) -> Split:
    """Split so that no group is in two parts.

    Groups are drawn in random order; each goes to the part that is furthest below its share of the images.

    Args:
        dataset: Its image names are distinct.
        shares: Share of each part, > 0; they need not add up to 1.
        group: What an image belongs to: a video, a city, a camera. `None`: it stands alone.
        rng: Decides the order of the groups. The order of the images decides nothing.

    Raises:
        DataError: There are fewer groups than parts, two images have one name, or a share is not positive.
    """
    wanted = _normalised(shares)
    _require_distinct(dataset)
    members: dict[Hashable, list[str]] = defaultdict(list)
    for image in sorted(dataset.images, key=lambda image: image.name):
        key = group(image)
        members[("alone", image.name) if key is None else ("group", key)].append(image.name)
    if len(members) < len(wanted):
        raise DataError(
            f"{len(members)} groups cannot be split into {len(wanted)} parts; choose another way to split"
        )
    keys = list(members)
    placed: dict[str, list[str]] = {part: [] for part in wanted}
    for place in rng.permutation(len(keys)):
        part = max(wanted, key=lambda part: _lack(wanted[part], placed[part], len(dataset.images)))
        placed[part] += members[keys[place]]
    return Split(_in_order(dataset, placed))


def _lack(share: float, placed: Sequence[str], total: int) -> float:
    """How far a part is below its share, as a share of it, so that small parts get a group too."""
    return (share * total - len(placed)) / (share * total)


def by_video(image: LabelledImage) -> str | None:
    """Group of `split_by_group`: the video; stills stand alone."""
    return image.video


def by_folder(image: LabelledImage) -> str:
    """Group of `split_by_group`: the folder in the image's name."""
    return image.name.rpartition("/")[0]


def by_attribute(name: str) -> Callable[[LabelledImage], str]:
    """Group of `split_by_group`: the value of an image's attribute. Images without it are one group."""
    return lambda image: repr(image.attributes.get(name))


def split_by_time(dataset: Dataset, shares: Mapping[str, float], gap: int) -> Split:
    """Cut every video in time: its first part to the first, and so on, with frames between them left out.

    Args:
        dataset: All images are frames of videos; their names are distinct.
        shares: Share of each part, > 0; they need not add up to 1.
        gap: Frames, by their number in the video, that lie between any two parts at least.

    Raises:
        DataError: An image is no frame of a video, two have one name, a share is not positive, or a video is too short
            for its parts and gaps.
    """
    wanted = _normalised(shares)
    _require_distinct(dataset)
    videos: dict[str, list[tuple[int, str]]] = defaultdict(list)
    for image in dataset.images:
        if image.video is None or image.frame is None:
            raise DataError(
                f"{image.name}: is no frame of a video, so it has no place in time; split by folder or attribute instead"
            )
        videos[image.video].append((image.frame, image.name))
    placed: dict[str, list[str]] = {part: [] for part in wanted}
    left_out: list[str] = []
    for video, frames in sorted(videos.items()):
        for part, names in _cut(video, sorted(frames), wanted, gap).items():
            (left_out if part is None else placed[part]).extend(names)
    return Split(_in_order(dataset, placed), tuple(sorted(left_out)))


def _cut(
    video: str, frames: Sequence[tuple[int, str]], shares: Mapping[str, float], gap: int
) -> Mapping[str | None, Sequence[str]]:
    """Names by part, those in the gaps under `None`."""
    bounds = np.cumsum([0.0, *shares.values()]) * len(frames)
    cut: dict[str | None, list[str]] = {None: []}
    for part, start, end in zip(shares, bounds, bounds[1:], strict=False):
        first, last = math.floor(start + 1e-9), math.floor(end + 1e-9)
        if first >= last:
            raise DataError(
                f"{video}: its {len(frames)} frames are too few for the parts; split by video"
            )
        # The gap is taken from the later part, so it opens at the frame where the earlier one ended.
        opens = frames[first - 1][0] + gap + 1 if first else frames[0][0]
        kept = [name for number, name in frames[first:last] if number >= opens]
        if not kept:
            raise DataError(
                f"{video}: a gap of {gap} frames leaves nothing for part {part!r}; make the gap smaller"
            )
        cut[part] = kept
        cut[None] += [name for number, name in frames[first:last] if number < opens]
    return cut


def _normalised(shares: Mapping[str, float]) -> dict[str, float]:
    if not shares or not all(math.isfinite(share) and share > 0 for share in shares.values()):
        raise DataError(
            f"shares {dict(shares)} are not all positive numbers; give each part a share"
        )
    total = sum(shares.values())
    return {part: share / total for part, share in shares.items()}


def _require_distinct(dataset: Dataset) -> None:
    seen: set[str] = set()
    for image in dataset.images:
        if image.name in seen:
            raise DataError(f"{image.name}: is listed twice; remove one")
        seen.add(image.name)


def _in_order(dataset: Dataset, placed: Mapping[str, Sequence[str]]) -> dict[str, tuple[str, ...]]:
    members = {part: set(names) for part, names in placed.items()}
    return {
        part: tuple(image.name for image in dataset.images if image.name in names)
        for part, names in members.items()
    }
