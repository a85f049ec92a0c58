"""What every strategy costs a frame, as a multiple of one forward pass; and what all together cost where they share a pass."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from functools import partial

import torch

from benchmarks.timing import Row, side_by_side
from thrifty.config import DetectorSection, Recipe, StreetSource, parse_recipe
from thrifty.data.frames import CachedFrames
from thrifty.data.sources import open_source
from thrifty.detectors.paper import PaperDetector
from thrifty.detectors.viewing import look
from thrifty.strategies.catalogue import ROWS
from thrifty.strategies.strategy import Strategy, members_of
from thrifty.training import Example, Plan, fit
from thrifty.types import Frame
from thrifty.views import Maps, View

_FRAMES, _EPOCHS, _ROUNDS = 4, 3, 5
_RECIPE = """
name = "costs"
[start]
kind = "street"
look = "daylight"
drives = 40
[pool]
kind = "street"
look = "dusk"
drives = 4
[test]
kind = "street"
look = "dusk"
drives = 4
[detector]
width = 0.25
box_scale = 0.5
[training]
learning_rate = 0.003
batch = 2
[selection]
budget = 1
cycles = 1
"""


def rows() -> Iterator[Row]:
    """Each strategy beside one forward pass, the passes of a stochastic one as many as the paper's."""
    torch.set_num_threads(1)
    recipe = parse_recipe(_RECIPE, "the benchmark's recipe")
    detector = _trained(recipe)
    assert isinstance(recipe.pool, StreetSource)  # noqa: S101 - it says so above
    pool = open_source(recipe.pool, None).frames
    frames = [frame for frame in pool.stream(pool.records) if isinstance(frame, Frame)][:_FRAMES]
    strategies = [make(recipe) for make in ROWS.values()]
    members = [detector] * members_of(strategies)

    def see(views: Collection[View[object]], asked: Sequence[Strategy]) -> None:
        seen = look(detector, frames, views, members)
        for one in asked:
            one.observe(seen)

    def forward() -> None:
        look(detector, frames, [Maps()])

    apart = 0.0
    for one in strategies:
        if not one.views:
            yield Row(f"`{one.name}`", "", "0", None, "nothing is looked at")
            continue
        base, own = side_by_side(forward, partial(see, one.views, [one]), rounds=_ROUNDS)
        ratio = own.median / base.median
        apart += ratio
        yield Row(f"`{one.name}`", "", f"{ratio:.2f}", None, f"{own} beside {base}")
    views = frozenset(view for one in strategies for view in one.views)
    base, own = side_by_side(forward, lambda: see(views, strategies), rounds=_ROUNDS)
    together = own.median / base.median
    yield Row(
        f"all {len(strategies)} in one pass",
        f"less than {apart:.0f}, each by itself",
        f"{together:.0f}",
        together < apart,
        f"{own} beside {base}",
    )


def _trained(recipe: Recipe) -> PaperDetector:
    """A network that has learnt a little: of one that finds nothing, boxes would cost nothing."""
    start = open_source(recipe.start, None)
    settings: DetectorSection = recipe.detector
    plan = Plan(
        settings, recipe.training, epochs=_EPOCHS, augmented=False, seed=0, device="cpu", title=""
    )
    examples = [Example(record, start.labels[record.id]) for record in start.frames.records]
    return PaperDetector(settings, fit(plan, CachedFrames(start.frames), examples))
