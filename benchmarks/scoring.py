"""The score against its plain form, the network, the radius; BALD against baal's."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from benchmarks.timing import Row, side_by_side
from thrifty.detectors.network import PaperNetwork
from thrifty.maps import ClassMaps
from thrifty.scoring.forms import DivergenceSettings, Form, score_frames, score_passes
from thrifty.scoring.uncertainty import Measure

HEIGHT, WIDTH = 480, 640
HEADS = ((60, 80),) * 4 + ((120, 160),)
PASSES = 30
_TINY = 1e-12


def heads(seed: int) -> ClassMaps:
    """Logits of the paper's five heads at 480 x 640."""
    generator = torch.Generator().manual_seed(seed)
    levels = tuple(3 * torch.randn(1, 1, *head, generator=generator) - 2 for head in HEADS)
    return ClassMaps(levels, HEIGHT, WIDTH)


def plain_score(maps: ClassMaps, radius: int = 9) -> Tensor:
    """The score as one would first write it: full-size maps, two average poolings on each."""
    dense = torch.cat(
        [
            F.interpolate(level, (HEIGHT, WIDTH), mode="bilinear", align_corners=False)
            for level in maps.levels
        ],
        dim=1,
    ).sigmoid()

    def entropy(p: Tensor) -> Tensor:
        return -(p * torch.log(p + _TINY) + (1 - p) * torch.log(1 - p + _TINY))

    def mean(values: Tensor) -> Tensor:
        return F.avg_pool2d(values, 2 * radius + 1, 1, radius, count_include_pad=False)

    scores = (entropy(mean(dense)) - mean(entropy(dense))).sum(dim=1)
    return F.max_pool2d(scores[:, None], 30, ceil_mode=True).mean(dim=(1, 2, 3))


def rows() -> Iterator[Row]:
    """One row for each promise."""
    maps = heads(0)
    error = abs(
        float(score_frames(maps, form=Form.NUMBA)) / float(score_frames(maps, form=Form.REFERENCE))
        - 1
    )
    plain, ours = side_by_side(lambda: plain_score(maps), lambda: score_frames(maps), rounds=9)
    ratio = plain.median / ours.median
    yield Row(
        "score, 480 x 640, 5 maps, r = 9, CPU: plain `avg_pool2d` over ours",
        "at least 100x",
        f"{ratio:.0f}x",
        ratio >= 100,
        f"{plain} over {ours}; off the reference by {error:.0e}",
    )
    yield _against_the_network(maps)
    radii = (3, 9, 30, 60)
    works = [lambda r=radius: score_frames(maps, DivergenceSettings(r)) for radius in radii]
    # One thread: cost is work, and two threads would do the rows on either side of their border twice.
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    times = side_by_side(*works, rounds=31)
    torch.set_num_threads(threads)
    spread = max(t.median for t in times) / min(t.median for t in times) - 1
    yield Row(
        "cost against the radius, r = 3 to 60, one thread",
        "flat within 10 %",
        f"{spread:.1%}",
        spread <= 0.1,
        ", ".join(
            f"r = {radius}: {1e3 * t.median:.2f} ms" for radius, t in zip(radii, times, strict=True)
        ),
    )
    yield _bald()


def _against_the_network(maps: ClassMaps) -> Row:
    network = PaperNetwork().eval()
    image = torch.zeros(1, 3, HEIGHT, WIDTH, dtype=torch.uint8)

    @torch.inference_mode()
    def forward() -> object:
        return network(image)

    passed, ours = side_by_side(forward, lambda: score_frames(maps), rounds=9)
    share = ours.median / passed.median
    return Row(
        "score over one forward pass, full width, 480 x 640, CPU",
        "at most 1 %",
        f"{share:.2%}",
        share <= 0.01,
        f"{ours} over {passed}",
    )


def _bald() -> Row:
    work, wanted = f"BALD of baal over {PASSES} passes, over ours, 5 maps", "at least 20x"
    try:
        from baal.active.heuristics import BALD  # noqa: PLC0415 - not needed for anything else
    except ImportError as error:
        return Row(work, wanted, "–", None, f"baal is not installed ({error})")
    passes = [heads(seed) for seed in range(PASSES)]
    dense = np.stack([one.probabilities()[0].numpy() for one in passes], axis=-1)
    # baal wants B x C x ... x P with classes that add up to one: the object and its absence, a map at a time.
    predictions = [np.stack([1 - dense[k], dense[k]])[None] for k in range(len(HEADS))]

    def theirs() -> object:
        return sum(BALD().compute_score(one) for one in predictions)

    def ours() -> object:
        return score_passes(passes, Measure.BALD)

    slow, fast = side_by_side(theirs, ours, rounds=5)
    ratio = slow.median / fast.median
    return Row(work, wanted, f"{ratio:.0f}x", ratio >= 20, f"{slow} over {fast}")
