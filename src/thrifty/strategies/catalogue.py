"""From a recipe's words to strategies: those of the house, and those that other packages register.

A package adds its own by an entry point of the group `thrifty.strategies`, whose name is the strategy's and whose object is a
function from a recipe to a `Strategy`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from importlib.metadata import entry_points

import numpy as np

from thrifty.config import Preset, Recipe, Statistic, Window
from thrifty.errors import CapabilityError, RecipeError
from thrifty.scoring import box_scores
from thrifty.scoring.box_scores import Aggregate
from thrifty.scoring.forms import DivergenceSettings
from thrifty.scoring.regions import RegionSettings
from thrifty.scoring.smoothing import gaussian_weights, triangular_weights, uniform_weights
from thrifty.scoring.uncertainty import Measure
from thrifty.selection.closeness import Rules
from thrifty.selection.k_centre import k_centre
from thrifty.selection.robust_k_centre import robust_k_centre
from thrifty.selection.streaming import streaming_k_centre
from thrifty.strategies.box_doubt import BoxDoubt, Margin, Stability, Tightness
from thrifty.strategies.consistency import Consistency
from thrifty.strategies.convex import Convex
from thrifty.strategies.div_proto import DivProto
from thrifty.strategies.divergence import Divergence
from thrifty.strategies.diverse import Diverse
from thrifty.strategies.doubt import PixelDoubt
from thrifty.strategies.names import WHOLE_POOL
from thrifty.strategies.ppal import Ppal
from thrifty.strategies.random import Random
from thrifty.strategies.scored import Pipeline
from thrifty.strategies.strategy import Strategy, needs_of
from thrifty.strategies.surroundings import Surroundings
from thrifty.strategies.whole_pool import WholePool
from thrifty.types import FloatArray, Need
from thrifty.views import Maps, Members, Passes

GROUP = "thrifty.strategies"
"""Group of the entry points."""
_PLAIN = np.ones(1)
_FREE = Rules(0, 0)

Factory = Callable[[Recipe], Strategy]

_MEMBERS = ("name", "views", "looks_back", "cycles", "observe", "score_map", "decide")


def rules_of(recipe: Recipe) -> Rules:
    """What holds frames back, by the recipe."""
    settings = recipe.selection
    return Rules(
        settings.exclude_current,
        settings.exclude_later,
        settings.same_motion,
        settings.same_picture,
    )


def _weights(recipe: Recipe) -> FloatArray:
    settings = recipe.score
    if settings.window is Window.TRIANGULAR:
        return triangular_weights(settings.smoothing)
    if settings.window is Window.UNIFORM:
        return uniform_weights(settings.smoothing)
    return gaussian_weights(settings.smoothing, settings.sigma)


def _pipeline(recipe: Recipe, *, smooth: bool = True, rules: bool = True) -> Pipeline:
    settings = recipe.selection
    return Pipeline(
        _weights(recipe) if smooth else _PLAIN,
        rules_of(recipe) if rules else _FREE,
        settings.balance,
        settings.diversity,
    )


def _divergence_settings(recipe: Recipe) -> DivergenceSettings:
    settings = recipe.score
    preset = (
        DivergenceSettings.released()
        if settings.preset is Preset.RELEASED
        else DivergenceSettings.paper()
    )
    regions = RegionSettings(
        size=settings.region,
        tiling=preset.regions.tiling,
        statistic=settings.statistic,
        top=settings.top,
        quantile=settings.quantile,
    )
    return DivergenceSettings(
        preset.radius if settings.radius is None else settings.radius, regions
    )


def _divergence(
    recipe: Recipe, name: str, *, mean: bool = False, smooth: bool = True, rules: bool = True
) -> Strategy:
    """The paper's strategy, or what is left of it without one of its parts."""
    settings = _divergence_settings(recipe)
    if mean:
        settings = replace(settings, regions=replace(settings.regions, statistic=Statistic.MEAN))
    return Divergence(settings, _pipeline(recipe, smooth=smooth, rules=rules), name)


def _doubt(
    recipe: Recipe,
    name: str,
    measure: Measure,
    view: Callable[[Recipe], Maps | Passes | Members],
    *,
    mean: bool = False,
) -> Strategy:
    regions = _divergence_settings(recipe).regions
    if mean:
        regions = replace(regions, statistic=Statistic.MEAN)
    return PixelDoubt(name, measure, view(recipe), regions, _pipeline(recipe))


def _passes(recipe: Recipe, drop: float) -> Passes:
    return Passes(recipe.selection.passes, drop)


def _margin(recipe: Recipe, name: str, how: Aggregate) -> Strategy:
    return Margin(name, how, _pipeline(recipe))


def _rows() -> Mapping[str, Factory]:
    one, half, tenth = (
        lambda _recipe: Maps(),
        partial(_passes, drop=0.5),
        partial(_passes, drop=0.1),
    )
    doubts: Mapping[str, Factory] = {
        name: partial(_doubt, name=name, measure=measure, view=view, mean=mean)
        for name, measure, view, mean in (
            ("entropy", Measure.ENTROPY, one, False),
            ("mc-dropout-0.5", Measure.BALD, half, False),
            ("mc-dropout-0.1", Measure.BALD, tenth, False),
            ("bald", Measure.BALD, half, True),
            ("variation-ratio", Measure.VARIATION_RATIO, half, False),
            ("mean-deviation", Measure.MEAN_DEVIATION, half, False),
            ("ensemble", Measure.BALD, lambda recipe: Members(recipe.selection.members), False),
            ("white-box", Measure.DISAGREEMENT, one, False),
        )
    }
    divergences: Mapping[str, Factory] = {
        "divergence": partial(_divergence, name="divergence"),
        "divergence-mean": partial(_divergence, name="divergence-mean", mean=True),
        "divergence-unsmoothed": partial(_divergence, name="divergence-unsmoothed", smooth=False),
        "divergence-unruled": partial(_divergence, name="divergence-unruled", rules=False),
    }
    boxes: Mapping[str, Factory] = {
        "margin-sum": partial(_margin, name="margin-sum", how="sum"),
        "margin-mean": partial(_margin, name="margin-mean", how="mean"),
        "margin-max": partial(_margin, name="margin-max", how="max"),
        "tightness": lambda recipe: Tightness("tightness", _pipeline(recipe)),
        "stability": lambda recipe: Stability("stability", _pipeline(recipe)),
        "black-box": lambda recipe: BoxDoubt(
            "black-box", box_scores.least_confident_class, _pipeline(recipe)
        ),
        "black-box-sum": lambda recipe: BoxDoubt(
            "black-box-sum", partial(box_scores.entropies, how="sum"), _pipeline(recipe)
        ),
        "black-box-max": lambda recipe: BoxDoubt(
            "black-box-max", partial(box_scores.entropies, how="max"), _pipeline(recipe)
        ),
        "consistency": lambda recipe: Consistency("consistency", _pipeline(recipe)),
    }
    diverse: Mapping[str, Factory] = {
        "core-set": lambda _recipe: Diverse("core-set", "deep", k_centre),
        "core-set-robust": lambda _recipe: Diverse("core-set-robust", "deep", robust_k_centre),
        "farthest-first": lambda _recipe: Diverse("farthest-first", "last", k_centre),
        "streaming-core-set": lambda _recipe: Diverse(
            "streaming-core-set", "deep", streaming_k_centre
        ),
        "convex": lambda recipe: Convex(_divergence_settings(recipe).regions),
        "ppal": lambda _recipe: Ppal(),
        "div-proto": lambda _recipe: DivProto(),
    }
    chance: Mapping[str, Factory] = {
        "guided-random": lambda recipe: Random(_pipeline(recipe), "guided-random"),
        "random": lambda _recipe: Random(Pipeline(rules=_FREE), "random"),
    }
    return {**divergences, **chance, **doubts, **boxes, **diverse}


ROWS = _rows()
"""The strategies of the house, by name."""


def known() -> dict[str, Factory]:
    """All strategies by name: those of the house, and what other packages registered.

    Raises:
        RecipeError: A package registers a name of the house, or cannot be loaded.
    """
    found = dict(ROWS) | {WHOLE_POOL: lambda _recipe: WholePool()}
    for entry in entry_points(group=GROUP):
        if entry.name in ROWS or entry.name == WHOLE_POOL:
            raise RecipeError(
                f"{entry.value}: registers the strategy '{entry.name}', which thrifty has itself; rename it"
            )
        found[entry.name] = partial(_registered, entry.name, entry.value, entry.load)
    return found


def _registered(name: str, place: str, load: Callable[[], Factory], recipe: Recipe) -> Strategy:
    try:
        strategy = load()(recipe)
    except Exception as error:
        raise RecipeError(
            f"strategy '{name}': {place} cannot be made ({type(error).__name__}: {error}); correct or uninstall it"
        ) from error
    lacking = [member for member in _MEMBERS if not hasattr(strategy, member)]
    if lacking:
        raise RecipeError(
            f"strategy '{name}': {place} makes a {type(strategy).__name__} without {', '.join(lacking)}; see "
            "thrifty.strategies.strategy.Strategy, and hold it to thrifty.testing.check_strategy"
        )
    if strategy.name != name:
        raise RecipeError(
            f"strategy '{name}': {place} makes one that calls itself '{strategy.name}'; give both the same name"
        )
    return strategy


def make_strategies(recipe: Recipe, gives: frozenset[Need]) -> list[Strategy]:
    """The strategies that a recipe compares, in its order.

    Args:
        recipe: Names and settings.
        gives: What the detector can give.

    Raises:
        RecipeError: A name is unknown.
        CapabilityError: A strategy, or a rule, needs what the detector cannot give; the message names what fits.
    """
    factories = known()
    unknown = [name for name in recipe.selection.strategies if name not in factories]
    if unknown:
        raise RecipeError(
            f"recipe '{recipe.name}': unknown strategy '{unknown[0]}'; choose from {', '.join(factories)}"
        )
    strategies = [factories[name](recipe) for name in recipe.selection.strategies]
    _check_needs(strategies, recipe, gives)
    wanted = {need for view in surroundings(recipe).views for need in view.needs}
    if wanted - gives:
        raise CapabilityError(
            f"recipe '{recipe.name}': unit, balance and diversity of 'selection' need {', '.join(sorted(wanted - gives))}, "
            "which this detector cannot give; leave them out"
        )
    return strategies


def surroundings(recipe: Recipe) -> Surroundings:
    """What the recipe's selection wants to know of every frame, whatever the strategy."""
    settings = recipe.selection
    return Surroundings(
        recipe.detector.class_count,
        objects=settings.unit != "frames" or settings.balance > 0,
        features=settings.diversity > 1,
    )


def _check_needs(strategies: Sequence[Strategy], recipe: Recipe, gives: frozenset[Need]) -> None:
    for strategy in strategies:
        lacking = sorted(needs_of(strategy) - gives)
        if lacking:
            fitting = [name for name, make in ROWS.items() if needs_of(make(recipe)) <= gives]
            raise CapabilityError(
                f"strategy '{strategy.name}' needs {', '.join(lacking)}, which this detector cannot give; "
                f"strategies that fit: {', '.join(fitting)}"
            )
