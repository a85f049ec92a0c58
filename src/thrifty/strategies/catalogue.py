"""From a recipe's words to strategies: those of the house, and those that other packages register.

A package adds its own by an entry point of the group `thrifty.strategies`, whose name is the strategy's and whose object is a
function from a recipe to a `Strategy`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from importlib.metadata import entry_points
from typing import Protocol

import numpy as np

from thrifty.config import (
    ChoosingSection,
    DetectorSection,
    Preset,
    Recipe,
    ScoreSection,
    SelectionSection,
    Statistic,
    Window,
)
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
from thrifty.strategies.larger_batches import LargerBatches
from thrifty.strategies.names import WHOLE_POOL
from thrifty.strategies.ppal import Ppal
from thrifty.strategies.random import Random
from thrifty.strategies.scored import Pipeline
from thrifty.strategies.strategy import Strategy, members_of, needs_of
from thrifty.strategies.surroundings import Surroundings
from thrifty.strategies.whole_pool import WholePool
from thrifty.types import FloatArray, Need
from thrifty.views import Maps, Members, Passes

GROUP = "thrifty.strategies"
"""Group of the entry points."""
_PLAIN = np.ones(1)
_FREE = Rules(0, 0)
_MANY = 3
"""Budgets at once, as in the paper's Figure 8."""


class Settings(Protocol):
    """What strategies are made from: a recipe, or what else has these tables."""

    @property
    def score(self) -> ScoreSection:
        """Equations 1 to 6."""
        ...

    @property
    def selection(self) -> ChoosingSection:
        """What holds frames back, and how often a detector is asked."""
        ...

    @property
    def detector(self) -> DetectorSection:
        """Which classes are told apart."""
        ...


Factory = Callable[[Settings], Strategy]

_MEMBERS = ("name", "views", "looks_back", "cycles", "observe", "score_map", "decide")


def rules_of(settings: Settings) -> Rules:
    """What holds frames back, by the recipe."""
    chosen = settings.selection
    return Rules(
        chosen.exclude_current, chosen.exclude_later, chosen.same_motion, chosen.same_picture
    )


def _weights(settings: Settings) -> FloatArray:
    score = settings.score
    if score.window is Window.TRIANGULAR:
        return triangular_weights(score.smoothing)
    if score.window is Window.UNIFORM:
        return uniform_weights(score.smoothing)
    return gaussian_weights(score.smoothing, score.sigma)


def _pipeline(settings: Settings, *, smooth: bool = True, rules: bool = True) -> Pipeline:
    return Pipeline(
        _weights(settings) if smooth else _PLAIN,
        rules_of(settings) if rules else _FREE,
        settings.selection.balance,
        settings.selection.diversity,
    )


def divergence_settings(settings: Settings) -> DivergenceSettings:
    """How class maps become a score (equations 1 to 5), by the recipe."""
    score = settings.score
    preset = (
        DivergenceSettings.released()
        if score.preset is Preset.RELEASED
        else DivergenceSettings.paper()
    )
    regions = RegionSettings(
        size=score.region,
        tiling=preset.regions.tiling,
        statistic=score.statistic,
        top=score.top,
        quantile=score.quantile,
    )
    return DivergenceSettings(preset.radius if score.radius is None else score.radius, regions)


def _divergence(
    settings: Settings,
    name: str,
    *,
    mean: bool = False,
    smooth: bool = True,
    rules: bool = True,
    warm: bool = False,
) -> Strategy:
    """The paper's strategy, what is left of it without one of its parts, or with a detector that goes on learning."""
    score = divergence_settings(settings)
    if mean:
        score = replace(score, regions=replace(score.regions, statistic=Statistic.MEAN))
    return Divergence(score, _pipeline(settings, smooth=smooth, rules=rules), name, warm=warm)


def _doubt(
    settings: Settings,
    name: str,
    measure: Measure,
    view: Callable[[Settings], Maps | Passes | Members],
    *,
    mean: bool = False,
) -> Strategy:
    regions = divergence_settings(settings).regions
    if mean:
        regions = replace(regions, statistic=Statistic.MEAN)
    return PixelDoubt(name, measure, view(settings), regions, _pipeline(settings))


def _passes(settings: Settings, drop: float) -> Passes:
    return Passes(settings.selection.passes, drop)


def _margin(settings: Settings, name: str, how: Aggregate) -> Strategy:
    return Margin(name, how, _pipeline(settings))


def _rows() -> Mapping[str, Factory]:
    one, half, tenth = (
        lambda _settings: Maps(),
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
            ("ensemble", Measure.BALD, lambda settings: Members(settings.selection.members), False),
            ("white-box", Measure.DISAGREEMENT, one, False),
        )
    }
    divergences: Mapping[str, Factory] = {
        "divergence": partial(_divergence, name="divergence"),
        "divergence-mean": partial(_divergence, name="divergence-mean", mean=True),
        "divergence-unsmoothed": partial(_divergence, name="divergence-unsmoothed", smooth=False),
        "divergence-unruled": partial(_divergence, name="divergence-unruled", rules=False),
        # The strategy of the house: what has been learned from few labels is not thrown away.
        "thrifty": partial(_divergence, name="thrifty", warm=True),
    }
    boxes: Mapping[str, Factory] = {
        "margin-sum": partial(_margin, name="margin-sum", how="sum"),
        "margin-mean": partial(_margin, name="margin-mean", how="mean"),
        "margin-max": partial(_margin, name="margin-max", how="max"),
        "tightness": lambda settings: Tightness("tightness", _pipeline(settings)),
        "stability": lambda settings: Stability("stability", _pipeline(settings)),
        "black-box": lambda settings: BoxDoubt(
            "black-box", box_scores.least_confident_class, _pipeline(settings)
        ),
        "black-box-sum": lambda settings: BoxDoubt(
            "black-box-sum", partial(box_scores.entropies, how="sum"), _pipeline(settings)
        ),
        "black-box-max": lambda settings: BoxDoubt(
            "black-box-max", partial(box_scores.entropies, how="max"), _pipeline(settings)
        ),
        "consistency": lambda settings: Consistency("consistency", _pipeline(settings)),
    }
    diverse: Mapping[str, Factory] = {
        "core-set": lambda _settings: Diverse("core-set", "deep", k_centre),
        "core-set-robust": lambda _settings: Diverse("core-set-robust", "deep", robust_k_centre),
        "farthest-first": lambda _settings: Diverse("farthest-first", "last", k_centre),
        "streaming-core-set": lambda _settings: Diverse(
            "streaming-core-set", "deep", streaming_k_centre
        ),
        "convex": lambda settings: Convex(divergence_settings(settings).regions),
        "ppal": lambda _settings: Ppal(),
        "div-proto": lambda _settings: DivProto(),
    }
    chance: Mapping[str, Factory] = {
        "guided-random": lambda settings: Random(_pipeline(settings), "guided-random"),
        "guided-random-warm": lambda settings: Random(
            _pipeline(settings), "guided-random-warm", warm=True
        ),
        "random": lambda _settings: Random(Pipeline(rules=_FREE), "random"),
    }
    return {**divergences, **chance, **doubts, **boxes, **diverse}


ROWS = _rows()
"""The strategies of the house, by name."""


def known() -> dict[str, Factory]:
    """All strategies by name: those of the house, and what other packages registered.

    Raises:
        RecipeError: A package registers a name of the house, or cannot be loaded.
    """
    found: dict[str, Factory] = {
        **ROWS,
        WHOLE_POOL: lambda _settings: WholePool(),
        f"divergence-{_MANY}b": _larger_batches,
    }
    for entry in entry_points(group=GROUP):
        if entry.name in found:
            raise RecipeError(
                f"{entry.value}: registers the strategy '{entry.name}', which thrifty has itself; rename it"
            )
        found[entry.name] = partial(_registered, entry.name, entry.value, entry.load)
    return found


def _larger_batches(settings: Settings) -> Strategy:
    chosen = settings.selection
    if isinstance(chosen, SelectionSection) and chosen.unit != "frames":
        raise RecipeError(
            f"strategy 'divergence-{_MANY}b' counts frames and the budget {chosen.unit}; set unit = \"frames\" or leave it out"
        )
    cycles = chosen.cycles if isinstance(chosen, SelectionSection) else None
    return LargerBatches(ROWS["divergence"](settings), _MANY, cycles)


def _registered(name: str, place: str, load: Callable[[], Factory], settings: Settings) -> Strategy:
    try:
        strategy = load()(settings)
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
    where = f"recipe '{recipe.name}'"
    strategies = [make_strategy(name, recipe, where) for name in recipe.selection.strategies]
    for strategy in strategies:
        check_needs(strategy, recipe, gives)
    return strategies


def make_strategy(name: str, settings: Settings, where: str) -> Strategy:
    """A strategy by name.

    Args:
        name: As in `docs/strategies.md`.
        settings: Of a recipe, a project or a command.
        where: Who named it, for errors.

    Raises:
        RecipeError: The name is unknown.
    """
    factories = known()
    if name not in factories:
        raise RecipeError(f"{where}: unknown strategy '{name}'; choose from {', '.join(factories)}")
    return factories[name](settings)


def check_alone(strategy: Strategy, where: str) -> None:
    """Refuse a strategy that means something among the arms of a recipe alone.

    Args:
        strategy: Which.
        where: Who named it, for errors.

    Raises:
        RecipeError: It wants networks that nobody trains, or is there to be compared with.
    """
    if members_of([strategy]):
        why = "asks several networks, which recipes alone train"
    elif isinstance(strategy, WholePool | LargerBatches):
        why = "is there for comparisons in recipes"
    else:
        return
    raise RecipeError(f"{where}: strategy '{strategy.name}' {why}; choose another")


def check_needs(strategy: Strategy, settings: Settings, gives: frozenset[Need]) -> None:
    """Refuse a strategy, and steps after it, that a detector cannot serve.

    Args:
        strategy: Which.
        settings: What it was made from.
        gives: What the detector can give.

    Raises:
        CapabilityError: It needs more; the message names strategies that fit.
    """
    lacking = sorted(needs_of(strategy) - gives)
    if lacking:
        fitting = [name for name, make in ROWS.items() if needs_of(make(settings)) <= gives]
        raise CapabilityError(
            f"strategy '{strategy.name}' needs {', '.join(lacking)}, which this detector cannot give; "
            f"strategies that fit: {', '.join(fitting)}"
        )
    wanted = {need for view in surroundings(settings).views for need in view.needs}
    if wanted - gives:
        raise CapabilityError(
            f"unit, balance and diversity of 'selection' need {', '.join(sorted(wanted - gives))}, which this detector "
            "cannot give; leave them out"
        )


def surroundings(settings: Settings) -> Surroundings:
    """What the selection wants to know of every frame, whatever the strategy."""
    chosen = settings.selection
    counted = isinstance(chosen, SelectionSection) and chosen.unit != "frames"
    return Surroundings(
        settings.detector.class_count,
        objects=counted or chosen.balance > 0,
        features=chosen.diversity > 1,
    )
