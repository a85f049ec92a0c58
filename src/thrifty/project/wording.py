"""What was done in a project and what its figures say, in words."""

from __future__ import annotations

import math
from collections.abc import Iterator

from thrifty.evaluation.forecast import FEWEST as FEWEST_MODELS
from thrifty.evaluation.forecast import Forecast
from thrifty.evaluation.saving import Saving
from thrifty.project.labelling import Dispatch, Harvest
from thrifty.store.project.rows import Batch, Evaluation, Model

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
    if math.isinf(told.ratio):
        surely = f"none of {told.random} random frames shows {taught}, and some of {told.chosen} chosen ones do"
        if not told.is_told:
            return f"{surely}, which may be chance"
        return f"{surely}: they show at least {told.low:.2f} times as many (95 %)"
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
        f"{abs(told.gain):.3f} {'more' if told.gain < 0 else 'less'} than now"
    )
    if told.high > told.now:
        return f"{said}; the models so far do not show that another batch helps: consider to stop"
    return said


def chosen_in_words(batch: Batch, frames: int, *, new: bool) -> str:
    """What `select` did."""
    if new:
        return f"{batch.name}: {frames} frames chosen by {batch.strategy}"
    return (
        f"{batch.name} with {frames} frames waits for people: send it with `thrifty send`, label it in `thrifty ui`, or choose "
        "another with --more"
    )


def sent_in_words(sent: Dispatch | None) -> str:
    """What `send` did."""
    if sent is None:
        return "no batch waits to be sent; choose one with `thrifty select`"
    return f"{sent.batch.name}: {sent.frames} frames sent: {', '.join(sent.places)}"


def collected_in_words(harvest: Harvest) -> Iterator[str]:
    """What `collect` brought, line by line."""
    for name, (labelled, frames) in harvest.labelled.items():
        yield f"{name}: {labelled} of {frames} frames labelled"
    yield f"{harvest.new} labels are new or changed"


def left_out_in_words(harvest: Harvest) -> Iterator[str]:
    """What `collect` could not take, line by line."""
    for what, count in sorted(harvest.left_out.items()):
        yield f"left out: {count} {what}"


def trained_in_words(model: Model | None) -> str:
    """What `train` did."""
    if model is None:
        return "nothing was labelled or changed since the last training"
    return f"{model.name}: trained in {model.seconds:.0f} s"


def judged_in_words(one: Evaluation) -> str:
    """What `evaluate` found."""
    return (
        f"model-{one.model:03d} on the {one.data} set, {one.frames} frames with {one.objects} objects: miss rate at "
        f"1 FPPI {one.miss_rate:.3f}, log-average {one.log_average:.3f}, AP {one.ap:.3f}, AP50 {one.ap50:.3f}"
    )


def passed_over_in_words(rule: str, distance: float) -> str:
    """Why a frame was passed over in favour of a chosen one."""
    places = f"{distance:.0f} {'place' if distance == 1 else 'places'} away"
    said = {
        "current": f"{places} in the same batch",
        "later": f"{places}, and this frame was chosen before",
    }
    return said.get(rule, f"{rule}: {distance:g}")


def share_in_words(share: float) -> str:
    """How many frames of a pool have a lower score; never all of them, since the frame itself is one."""
    return f"{min(share, 0.9999):.2%}" if share > 0.99 else f"{share:.0%}"
