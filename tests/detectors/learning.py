"""What every detector that the loop trains is held to."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from tests.tiny import RECIPE, TinyData
from thrifty.config import DetectorSection, StreetSource, TrainingSection, load_recipe
from thrifty.data.frames import CachedFrames
from thrifty.data.rendered import open_street
from thrifty.detectors.paper import save_weights
from thrifty.detectors.trainable import Trainable, trainable
from thrifty.progress import silent
from thrifty.report.gather import gather
from thrifty.study.point import Point
from thrifty.study.run import execute, open_run
from thrifty.training import Example, Plan, fit
from thrifty.types import Annotations

CHANCE = np.random.default_rng(0)
STEPS = 40
FEW_STEPS = 16
"""In half of the precision, which takes a processor several times as long."""


def kind_of(settings: DetectorSection) -> Trainable:
    return trainable(settings)


def losses_of(
    settings: DetectorSection, monkeypatch: pytest.MonkeyPatch, steps: int = STEPS, **training: Any
) -> tuple[list[float], dict[str, torch.Tensor]]:
    """Losses, step by step, of a training on four pictures, and the weights after it."""
    frames, labels = open_street(
        StreetSource(kind="street", look="daylight", drives=4, width=128, height=96)
    )
    examples = [Example(record, labels[record.id]) for record in frames.records]
    seen: list[float] = []
    kind = type(kind_of(settings))
    original = kind.loss

    def watch(*arguments: Any) -> torch.Tensor:
        loss = original(*arguments)
        seen.append(float(loss.detach()))
        return loss

    monkeypatch.setattr(kind, "loss", watch)
    how = TrainingSection(batch=4, optimiser="adamw", clip=1.0, **training)
    weights = fit(Plan(settings, how, steps, False, 0), CachedFrames(frames), examples)
    monkeypatch.undo()
    return seen, weights


def learns(losses: list[float], steps: int = STEPS) -> bool:
    """What objects are held against changes from step to step, and the loss jumps with it; in the end it is well below its peak."""
    assert len(losses) == steps
    return float(np.mean(sorted(losses[steps // 2 :])[: steps // 8])) < 0.75 * max(losses)


def drawn(*kinds: int) -> Annotations:
    boxes = np.array([[10.0, 10, 60, 90], [70, 20, 120, 80], [5, 5, 5, 50]])[: len(kinds)]
    return Annotations(boxes, np.array(kinds, dtype=np.int64))


def saved(weights: dict[str, torch.Tensor], settings: DetectorSection, folder: Path) -> Path:
    path = folder / "weights.safetensors"
    path.write_bytes(save_weights(weights, settings))
    return path


def run_loop(
    tiny: TinyData,
    folder: Path,
    detector: str,
    strategies: tuple[str, ...] = ("divergence", "margin-sum"),
) -> Sequence[Point]:
    """Two cycles on a handful of frames, and what the page shows of them."""
    *_, listed = RECIPE.partition("strategies = ")
    before = listed.splitlines()[0]
    text = (
        RECIPE.replace("[0, 29]", "[0, 11]")
        .replace("[32, 39]", "[32, 35]")
        .replace("width = 0.1\nbox_scale = 0.5", detector)
        .replace("epochs = 2", "epochs = 1")
        .replace("budget = 3", "budget = 2\npasses = 2")
        .replace(before, f"[{', '.join(map(repr, strategies))}]")
    )
    recipe, written = load_recipe(tiny.recipe(folder, text))
    with open_run(recipe, written, folder / "out", tiny.root, "cpu", silent) as run:
        execute(run, 1)
        return gather(run).points
