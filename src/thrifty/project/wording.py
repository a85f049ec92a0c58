"""What a project's figures say, in words."""

from __future__ import annotations

import math

from thrifty.evaluation.forecast import FEWEST as FEWEST_MODELS
from thrifty.evaluation.forecast import Forecast
from thrifty.evaluation.saving import Saving

_TAUGHT = {"objects": "objects", "mistakes": "mistakes of the detector"}


def saving_in_words(what: str, told: Saving) -> str:
    """What a choice saves against chance.

    Args:
        what: `objects` or `mistakes`.
        told: How many each kind of frame taught.
    """
    taught = _TAUGHT[what]
    if math.isnan(told.ratio):
        return f"neither chosen nor random frames have shown {taught} yet"
    sure = f"95 %: {told.low:.2f} to {told.high:.2f}, {told.chosen} chosen and {told.random} random frames"
    if not told.is_told:
        return f"chosen frames show {told.ratio:.2f} times the {taught} of random ones, which may be chance ({sure})"
    if told.ratio < 1:
        return (
            f"chosen frames show only {told.ratio:.2f} times the {taught} of random ones ({sure}): chance does better here; "
            "a diverse or random batch would teach the detector more"
        )
    return (
        f"chosen frames show {told.ratio:.2f} times the {taught} of random ones ({sure}): that saved labelling "
        f"{told.frames:.0f} frames"
    )


def outlook_in_words(told: Forecast | None) -> str:
    """What the next batch is likely to buy, and whether that is worth it."""
    if told is None:
        return f"what the next batch buys can be told from {FEWEST_MODELS} judged models on"
    said = (
        f"after {told.frames} frames the miss rate is likely to be {told.then:.3f} (80 %: {told.low:.3f} to {told.high:.3f}), "
        f"{told.gain:.3f} less than now"
    )
    if told.high > told.now:
        return f"{said}; the models so far do not show that another batch helps: consider to stop"
    return said
