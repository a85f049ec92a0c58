"""Training the paper's network: plain functions, readable in one go.

Equation 7 is minimised by RMSProp (or momentum, the released code's default) for T passes over the labelled frames,
with a learning rate that falls exponentially from the first step to the last.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from thrifty.config import DetectorSection, TrainingSection
from thrifty.data.augmentation import augment, crop
from thrifty.data.frames import CachedFrames
from thrifty.detectors.loss import detection_loss
from thrifty.detectors.network import PaperNetwork, normalise
from thrifty.detectors.paper import Weights, make_network, stack
from thrifty.detectors.targets import default_boxes, make_targets, sample
from thrifty.errors import TrainingError
from thrifty.progress import Progress, Step, silent
from thrifty.types import Annotations, FloatArray, Image, Record

_RMSPROP_DECAY = 0.9
_MOMENTUM = 0.9


@dataclass(frozen=True, slots=True, eq=False)
class Example:
    """A labelled frame.

    Attributes:
        record: Which frame.
        drawn: Its labels, in pixels of the stored frame.
    """

    record: Record
    drawn: Annotations


@dataclass(frozen=True, slots=True)
class Plan:
    """How to train.

    Attributes:
        detector: The network.
        settings: Optimiser, schedule, batch, crop, N2P.
        epochs: Passes over the examples.
        augmented: Change training pictures at random.
        seed: Decides initial weights, order, crops, changes, negatives, dropout.
        device: Where to train.
        title: What the progress bar says.
    """

    detector: DetectorSection
    settings: TrainingSection
    epochs: int
    augmented: bool
    seed: int
    device: str = "cpu"
    title: str = "training"


def fit(
    plan: Plan,
    frames: CachedFrames,
    examples: Sequence[Example],
    start: Weights | None = None,
    progress: Progress = silent,
) -> dict[str, Tensor]:
    """Train a network.

    Args:
        plan: How.
        frames: Where the pictures come from.
        examples: What to learn from, at least one.
        start: Weights to begin from; fresh ones if left out.
        progress: Told about every step.

    Returns:
        The weights after the last step, on the CPU.

    Raises:
        TrainingError: There are no examples, or the loss stops being finite.
        FrameError: A frame cannot be decoded.
    """
    if not examples:
        raise TrainingError(
            "there are no labelled frames to train on; check the recipe's start set"
        )
    rng = np.random.default_rng(plan.seed)
    # Chance inside torch (initial weights, dropout) must not leak into or out of this call.
    with torch.random.fork_rng():
        torch.manual_seed(plan.seed)
        network = make_network(plan.detector)
        if start is not None:
            network.load_state_dict(start)
        network.to(plan.device)
        steps = math.ceil(len(examples) / plan.settings.batch) * plan.epochs
        optimiser = make_optimiser(network, plan.settings)
        schedule = torch.optim.lr_scheduler.ExponentialLR(
            optimiser, annealing(plan.settings, steps)
        )
        with progress(plan.title, steps, "steps") as step:
            for _ in range(plan.epochs):
                train_one_epoch(
                    network, optimiser, schedule, batches(plan, frames, examples, rng), step
                )
    return {name: tensor.detach().cpu() for name, tensor in network.state_dict().items()}


def train_one_epoch(
    network: PaperNetwork,
    optimiser: torch.optim.Optimizer,
    schedule: torch.optim.lr_scheduler.LRScheduler,
    epoch: Iterator[Batch],
    step: Step,
) -> None:
    """One pass over the examples.

    Raises:
        TrainingError: The loss is NaN or infinite.
    """
    network.train()
    device = next(network.parameters()).device
    for batch in epoch:
        logits = network(normalise(batch.images.to(device).contiguous()))
        loss = detection_loss(logits, batch.wanted.to(device), batch.weights.to(device))
        if not bool(torch.isfinite(loss)):
            raise TrainingError(
                f"the training loss became {loss.item()}; lower 'learning_rate' in the recipe"
            )
        optimiser.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimiser.step()
        schedule.step()
        step()


def make_optimiser(network: PaperNetwork, settings: TrainingSection) -> torch.optim.Optimizer:
    """RMSProp or momentum; weight decay acts on convolution weights alone, as equation 7 has it."""
    weights = [parameter for parameter in network.parameters() if parameter.dim() > 1]
    biases = [parameter for parameter in network.parameters() if parameter.dim() <= 1]
    groups: list[dict[str, Any]] = [
        {"params": weights, "weight_decay": settings.weight_decay},
        {"params": biases},
    ]
    if settings.optimiser == "rmsprop":
        return torch.optim.RMSprop(groups, settings.learning_rate, alpha=_RMSPROP_DECAY)
    return torch.optim.SGD(groups, settings.learning_rate, momentum=_MOMENTUM)


def annealing(settings: TrainingSection, steps: int) -> float:
    """Factor per step that brings the learning rate from its first to its final value in `steps` steps."""
    return float(
        (settings.final_learning_rate / settings.learning_rate) ** (1.0 / max(1, steps - 1))
    )


@dataclass(frozen=True, slots=True, eq=False)
class Batch:
    """What one step reads.

    Attributes:
        images: `B x 3 x H x W` uint8.
        wanted: `B x KC x H x W` float32, 0 or 1.
        weights: `B x KC x H x W` float32.
    """

    images: Tensor
    wanted: Tensor
    weights: Tensor


def batches(
    plan: Plan, frames: CachedFrames, examples: Sequence[Example], rng: np.random.Generator
) -> Iterator[Batch]:
    """All examples once, in random order."""
    sizes = default_boxes(plan.detector)
    order = rng.permutation(len(examples))
    for first in range(0, len(order), plan.settings.batch):
        members = [examples[index] for index in order[first : first + plan.settings.batch]]
        yield _make_batch(plan, frames, members, sizes, rng)


def _make_batch(
    plan: Plan,
    frames: CachedFrames,
    members: Sequence[Example],
    sizes: FloatArray,
    rng: np.random.Generator,
) -> Batch:
    pictures = [_picture(frames, example) for example in members]
    if plan.augmented:
        pictures = [augment(image, drawn, rng) for image, drawn in pictures]
    size = _window([image.shape for image, _ in pictures], plan.settings.crop)
    pictures = [crop(image, drawn, size, rng) for image, drawn in pictures]
    detector = plan.detector
    targets = [
        make_targets(detector.preset, drawn, sizes, size, detector.class_count)
        for _, drawn in pictures
    ]
    wanted, weights = sample(targets, plan.settings.negatives, rng)
    return Batch(stack([image for image, _ in pictures]), wanted, weights)


def _window(shapes: Sequence[tuple[int, ...]], wanted: tuple[int, int] | None) -> tuple[int, int]:
    """Height and width that every picture of a batch is cut to: as wanted, but never larger than the smallest.

    Nothing is ever padded. Every channel is normalised over the whole picture, so the network would come to lean on
    the padding, and see nothing where there is none.
    """
    height, width = min(shape[0] for shape in shapes), min(shape[1] for shape in shapes)
    return (min(wanted[0], height), min(wanted[1], width)) if wanted else (height, width)


def _picture(frames: CachedFrames, example: Example) -> tuple[Image, Annotations]:
    frame = frames.load(example.record)
    drawn = example.drawn
    return frame.image, Annotations(drawn.boxes * frame.scale, drawn.classes, drawn.ignore)
