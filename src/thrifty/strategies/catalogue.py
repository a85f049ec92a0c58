"""From a recipe's words to strategies."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from thrifty.config import Preset, Recipe
from thrifty.errors import CapabilityError, RecipeError
from thrifty.scoring.forms import DivergenceSettings
from thrifty.scoring.regions import RegionSettings
from thrifty.scoring.smoothing import gaussian_weights
from thrifty.selection.temporal import Rules
from thrifty.strategies.divergence import Divergence
from thrifty.strategies.random import Random
from thrifty.strategies.strategy import Strategy
from thrifty.types import Need


def _rules(recipe: Recipe) -> Rules:
    return Rules(recipe.selection.exclude_current, recipe.selection.exclude_later)


def _divergence(recipe: Recipe) -> Strategy:
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
    radius = preset.radius if settings.radius is None else settings.radius
    return Divergence(
        settings=DivergenceSettings(radius, regions),
        weights=gaussian_weights(settings.smoothing, settings.sigma),
        rules=_rules(recipe),
    )


_KNOWN: dict[str, Callable[[Recipe], Strategy]] = {
    "divergence": _divergence,
    "guided-random": lambda recipe: Random(_rules(recipe), "guided-random"),
    "random": lambda _recipe: Random(Rules(0, 0), "random"),
}


def make_strategies(recipe: Recipe, gives: frozenset[Need]) -> list[Strategy]:
    """The strategies that a recipe compares, in its order.

    Args:
        recipe: Names and settings.
        gives: What the detector can give.

    Raises:
        RecipeError: A name is unknown.
        CapabilityError: A strategy needs what the detector cannot give; the message names those that fit.
    """
    unknown = [name for name in recipe.selection.strategies if name not in _KNOWN]
    if unknown:
        raise RecipeError(
            f"recipe '{recipe.name}': unknown strategy '{unknown[0]}'; choose from {', '.join(_KNOWN)}"
        )
    strategies = [_KNOWN[name](recipe) for name in recipe.selection.strategies]
    _check_needs(strategies, recipe, gives)
    return strategies


def _check_needs(strategies: Sequence[Strategy], recipe: Recipe, gives: frozenset[Need]) -> None:
    for strategy in strategies:
        lacking = sorted(strategy.needs - gives)
        if lacking:
            fitting = [name for name, make in _KNOWN.items() if make(recipe).needs <= gives]
            raise CapabilityError(
                f"strategy '{strategy.name}' needs {', '.join(lacking)}, which this detector cannot give; "
                f"strategies that fit: {', '.join(fitting)}"
            )
