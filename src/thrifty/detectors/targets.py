"""What each head should say at each pixel, and which pixels are asked.

Each object belongs to the head whose default box, centred on the object, overlaps it most. Around its centre that
head is asked for a one. What the other heads are asked there differs: equation 7 gives every sample a vector over all
heads with a one for the fitting head alone, so in `paper` the others are asked for a zero; in `released` they are left
alone, and several heads come to answer for one person. In a wider patch around that, all heads are left alone, so a
pixel that is neither clearly object nor clearly background teaches nothing. Ignore regions are left alone too. Of all
other pixels a few are drawn as negatives, 15 per positive (N2P), with no hard mining.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from thrifty import boxes as geometry
from thrifty.config import DetectorSection, Preset
from thrifty.types import Annotations, BoolArray, FloatArray, IntArray

# Height x width in pixels, deepest head first. The paper's text for `paper`; for `released` the receptive fields of
# the five source nodes, which the authors' code hands out in the opposite order.
_DEFAULT_BOXES: dict[Preset, tuple[tuple[int, int], ...]] = {
    Preset.PAPER: ((270, 160), (225, 130), (145, 80), (80, 50), (55, 31)),
    Preset.RELEASED: ((55, 31), (79, 47), (143, 79), (223, 127), (271, 159)),
}
_FEWEST_POSITIVES = 100


def rivals_of(settings: DetectorSection) -> float:
    """Which other heads are asked for a zero at an object: see `make_targets`."""
    if settings.rivals is not None:
        return settings.rivals
    return math.inf if settings.preset is Preset.PAPER else 0.0


def default_boxes(settings: DetectorSection) -> FloatArray:
    """Width and height of each head's box: `5 x 2` float64, pixels, deepest head first."""
    own = np.array(_DEFAULT_BOXES[settings.preset], dtype=np.float64)[:, ::-1]
    given = own if settings.boxes is None else np.array(settings.boxes, dtype=np.float64)
    return given * settings.box_scale


def fits(boxes: FloatArray, sizes: FloatArray) -> FloatArray:
    """How well each head's default box fits each object: IoU on the same centre, `N x K`.

    Args:
        boxes: `N x 4` xyxy.
        sizes: `K x 2` widths and heights.
    """
    origin = np.zeros((len(boxes), 2))
    objects = geometry.centred(origin, boxes[:, 2:] - boxes[:, :2])
    defaults = geometry.centred(np.zeros((len(sizes), 2)), sizes)
    return geometry.iou(objects, defaults)


def assign(boxes: FloatArray, sizes: FloatArray) -> IntArray:
    """The head for each object: the one that fits best.

    Args:
        boxes: `N x 4` xyxy.
        sizes: `K x 2` widths and heights.

    Returns:
        `N` int64 in 0..K-1; the first head wins a tie.
    """
    return np.asarray(fits(boxes, sizes).argmax(axis=1), dtype=np.int64)


@dataclass(frozen=True, slots=True, eq=False)
class Targets:
    """What one image asks, by index into its flattened `K x C x H x W`, a head's classes side by side.

    Attributes:
        shape: K, C, H, W.
        positive: Asked for a one: ascending int64.
        negative: Asked for a zero in any case: likewise, none of them positive.
        cleared: First row, row past the last, first column, column past the last of each patch in which nothing else is
            asked of any head: `M x 4` int64. Every index above lies in one.
    """

    shape: tuple[int, int, int, int]
    positive: IntArray
    negative: IntArray
    cleared: IntArray

    def askable(self, places: IntArray) -> BoolArray:
        """Which pixels may be drawn as negatives: `N` of `N` indices."""
        free = np.ones(self.shape[2:], dtype=np.bool_)
        for top, bottom, left, right in self.cleared:
            free[top:bottom, left:right] = False
        return np.asarray(free.reshape(-1)[places % free.size])


def make_targets(
    rivals: float,
    drawn: Annotations,
    sizes: FloatArray,
    image: tuple[int, int],
    classes: int = 1,
) -> Targets:
    """Lay the patches of one image.

    With sides d, an object's cleared patch reaches `5 + floor(sqrt(2 d))` pixels to each side of its centre in all
    heads, and its positive patch `5 + floor(sqrt(0.2 d))` in its own. What one object asks no other's cleared patch takes back, so
    the order of the objects does not matter. The fitting head is asked for zeros of the other classes.

    Args:
        rivals: Other heads are asked for a zero at an object that they fit less well than this (IoU); those that fit it as well are
            left alone there. Above 1 all are asked (`paper`), at 0 none is (`released`).
        drawn: Objects and ignore regions in pixels of the network's input.
        sizes: `K x 2` default widths and heights.
        image: Rows and columns of the input.
        classes: C; with one, what the objects are called does not matter.
    """
    heads, boxes = len(sizes), drawn.objects
    shape = (heads, classes, *image)
    nothing = np.zeros(0, np.int64)
    cleared = [_inside(box, image) for box in drawn.boxes[drawn.ignore]]
    cleared += [_patch(box, 2.0, image) for box in boxes]
    kinds = drawn.classes[~drawn.ignore] if classes > 1 else np.zeros(len(boxes), dtype=np.int64)
    positive, negative = [nothing], [nothing]
    for box, fit, kind in zip(boxes, fits(boxes, sizes), kinds, strict=True):
        head = int(fit.argmax())
        top, bottom, left, right = _patch(box, 0.2, image)
        pixels = np.add.outer(np.arange(top, bottom) * image[1], np.arange(left, right)).ravel()
        planes = np.unique([head, *np.flatnonzero(fit < rivals)])[:, None] * classes
        asked = (planes + np.arange(classes)).ravel() * (image[0] * image[1])
        positive.append((head * classes + kind) * (image[0] * image[1]) + pixels)
        negative.append(np.add.outer(asked, pixels).ravel())
    ones = np.unique(np.concatenate(positive))
    zeros = np.setdiff1d(np.concatenate(negative), ones)
    return Targets(shape, ones, zeros, np.array(cleared, np.int64).reshape(-1, 4))


Span = tuple[int, int, int, int]


def _patch(box: FloatArray, factor: float, image: tuple[int, int]) -> Span:
    """Rows and columns around a box's centre, cut off where the image ends."""
    x, y = (box[0] + box[2]) / 2, (box[1] + box[3]) / 2
    reach_x = 5 + math.floor(math.sqrt(factor * (box[2] - box[0])))
    reach_y = 5 + math.floor(math.sqrt(factor * (box[3] - box[1])))
    row, column = math.floor(y), math.floor(x)
    rows = _cut(row - reach_y, row + reach_y + 1, image[0])
    return (*rows, *_cut(column - reach_x, column + reach_x + 1, image[1]))


def _inside(box: FloatArray, image: tuple[int, int]) -> Span:
    rows = _cut(math.floor(box[1]), math.ceil(box[3]), image[0])
    return (*rows, *_cut(math.floor(box[0]), math.ceil(box[2]), image[1]))


def _cut(first: int, end: int, length: int) -> tuple[int, int]:
    first = min(max(first, 0), length)
    return first, min(max(end, first), length)


@dataclass(frozen=True, slots=True, eq=False)
class Asked:
    """The pixels of a batch that teach something; all others of its `B x KC x H x W` weigh nothing.

    Attributes:
        shape: B, KC, H, W.
        heads: K.
        places: Index of each pixel into the flattened batch: `N` int64, ascending but for padding at the end.
        wanted: What it should say: `N` float32, 0 or 1.
        weights: What it weighs: `N` float32, >= 0, summing to one in every head of every image.
    """

    shape: tuple[int, int, int, int]
    heads: int
    places: Tensor
    wanted: Tensor
    weights: Tensor

    def to(self, device: torch.device) -> Asked:
        """The same on another device."""
        return replace(
            self,
            places=self.places.to(device),
            wanted=self.wanted.to(device),
            weights=self.weights.to(device),
        )

    def of(self, first: int, last: int) -> Asked:
        """Those of some images of the batch, from one up to before another."""
        image = math.prod(self.shape[1:])
        own = (self.places >= first * image) & (self.places < last * image)
        return Asked(
            (last - first, *self.shape[1:]),
            self.heads,
            self.places[own] - first * image,
            self.wanted[own],
            self.weights[own],
        )

    def padded(self, count: int) -> Asked:
        """As many pixels as wanted, at least those there are; what is added weighs nothing."""
        missing = (0, count - len(self.places))
        parts = (self.places, self.wanted, self.weights)
        return Asked(self.shape, self.heads, *(F.pad(part, missing) for part in parts))

    def dense(self, values: Tensor) -> Tensor:
        """Values of the pixels laid out as maps, zero elsewhere: `B x KC x H x W`."""
        flat = values.new_zeros(math.prod(self.shape))
        return flat.index_put((self.places,), values).view(self.shape)


def sample(targets: Sequence[Targets], negatives: float, rng: np.random.Generator) -> Asked:
    """Draw negatives and lay out the weights of equation 7.

    A pixel is drawn with probability `max(100, positives) * N2P / (K C H W)`, so an image without objects gives about
    1,500 negatives in all. In each head of each image the asked pixels share a weight of one.

    Args:
        targets: One per image, all of one size and for as many heads.
        negatives: N2P, negatives per positive.
        rng: The only source of chance.
    """
    places, wanted, weights = [], [], []
    for index, target in enumerate(targets):
        size, heads = math.prod(target.shape), target.shape[0]
        share = max(_FEWEST_POSITIVES, len(target.positive)) * negatives / size
        drawn = bernoulli(size, share, rng)
        drawn = drawn[target.askable(drawn)]
        asked = np.concatenate([target.positive, target.negative, drawn])
        order = np.argsort(asked)
        head = asked[order] // (size // heads)
        each = 1 / np.maximum(np.bincount(head, minlength=heads), 1)
        places.append(asked[order] + index * size)
        wanted.append((order < len(target.positive)).astype(np.float32))
        weights.append(each[head].astype(np.float32))
    heads, classes, height, width = targets[0].shape
    return Asked(
        (len(targets), heads * classes, height, width),
        heads,
        *(torch.from_numpy(np.concatenate(parts)) for parts in (places, wanted, weights)),
    )


def bernoulli(count: int, share: float, rng: np.random.Generator) -> IntArray:
    """Which of `count` independent trials succeed, each with probability `share`: ascending int64.

    Gaps between successes are geometric, so rare successes cost what they are, not what is tried.

    >>> bernoulli(5, 1.0, np.random.default_rng(0))
    array([0, 1, 2, 3, 4])
    """
    found, last = [], -1
    while last < count:
        expected = max(0, count - last) * min(share, 1.0)
        gaps = rng.geometric(min(share, 1.0), int(expected + 5 * math.sqrt(expected) + 10))
        found.append(last + np.cumsum(gaps))
        last = int(found[-1][-1])
    successes = np.concatenate(found)
    return successes[successes < count]
