"""Training a detector: plain functions, readable in one go.

A loss, of the paper's network that of equation 7, is minimised by RMSProp (or momentum, the released code's default) for T
passes over the labelled frames, with a learning rate that falls exponentially from the first step to the last.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from itertools import islice
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from thrifty.config import DetectorSection, TrainingSection
from thrifty.data.augmentation import augment, crop, perhaps_flip
from thrifty.data.frames import FrameLoader
from thrifty.detectors.captured import CapturedLoss
from thrifty.detectors.paper import Weights
from thrifty.detectors.paper_training import Prepared
from thrifty.detectors.trainable import Staged, Trainable, trainable
from thrifty.errors import TrainingError
from thrifty.progress import Progress, Step, silent
from thrifty.types import Annotations, Image, Record

_THREADS = 4
"""That make batches while a GPU learns from the last one."""
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
        detector: Which detector.
        settings: Optimiser, schedule, batch, crop, N2P.
        epochs: Passes over the examples.
        augmented: Change training pictures at random.
        seed: Decides initial weights, order, crops, changes, negatives, dropout, and what is replayed.
        device: Where to train.
        title: What the progress bar says.
        steps: How many, whatever the number of examples, in place of `epochs`.
    """

    detector: DetectorSection
    settings: TrainingSection
    epochs: int
    augmented: bool
    seed: int
    device: str = "cpu"
    title: str = "training"
    steps: int | None = None


def fit(
    plan: Plan,
    frames: FrameLoader,
    examples: Sequence[Example],
    start: Weights | None = None,
    progress: Progress = silent,
    earlier: Sequence[Example] = (),
) -> dict[str, Tensor]:
    """Train a network.

    Args:
        plan: How.
        frames: Where the pictures come from; each is asked for again and again.
        examples: What to learn from, at least one.
        start: Weights to begin from; fresh ones if left out.
        progress: Told about every step.
        earlier: What it has learned from before, of which the share `replay` of the pictures is drawn; `frames` gives them too.

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
    # Chance inside torch (initial weights, dropout) must not leak into or out of this call.
    with torch.random.fork_rng():
        torch.manual_seed(plan.seed)
        steps = steps_of(plan, examples, earlier)
        learner = make_learner(plan, steps, start)
        with progress(plan.title, steps, "steps") as step:
            train(learner, lessons(plan, frames, examples, earlier), step)
    return weights_of(learner)


def steps_of(plan: Plan, examples: Sequence[Example], earlier: Sequence[Example]) -> int:
    """How many steps a training takes."""
    return plan.steps or _an_epoch(plan, examples, earlier) * plan.epochs


def _an_epoch(plan: Plan, examples: Sequence[Example], earlier: Sequence[Example]) -> int:
    drawn = len(examples) + _replays(plan.settings.replay, examples, earlier)
    return math.ceil(drawn / plan.settings.batch)


def make_learner(
    plan: Plan, steps: int, start: Weights | None = None, *, recorded: bool = True
) -> Learner:
    """A network with its optimiser; torch's own chance decides what is fresh in it.

    Args:
        plan: How it will be trained.
        steps: How long.
        start: Weights to begin from; fresh ones if left out.
        recorded: Whether a GPU may repeat steps from a record.
    """
    kind = trainable(plan.detector, plan.settings)
    network = kind.network()
    if start is not None:
        try:
            network.load_state_dict(start)
        except RuntimeError as error:
            raise TrainingError(
                "the weights to begin from are of another network than [detector] describes; put its settings back, or train the "
                "start weights anew"
            ) from error
    on_gpu = plan.device.startswith("cuda")
    # The layout in which a GPU multiplies matrices of half precision without turning them around first.
    network.to(plan.device, memory_format=torch.channels_last if on_gpu else None)  # type: ignore[call-overload]
    optimiser = make_optimiser(network, plan.settings)
    factor = annealing(plan.settings, steps)
    schedule = torch.optim.lr_scheduler.ExponentialLR(optimiser, factor)
    halved = plan.settings.precision == "bfloat16"
    captured = None
    if on_gpu and recorded and isinstance(kind, Staged):
        captured = CapturedLoss(kind, network, halved=halved)
    return Learner(
        kind,
        network,
        optimiser,
        schedule,
        halved=halved,
        clip=plan.settings.clip,
        captured=captured,
    )


def lessons(
    plan: Plan,
    frames: FrameLoader,
    examples: Sequence[Example],
    earlier: Sequence[Example] = (),
    begun: int = 0,
) -> Iterator[Batch]:
    """All batches of a training, whose chance comes from the plan's seed alone; or those after the first `begun`."""
    rng = np.random.default_rng(plan.seed)
    steps = steps_of(plan, examples, earlier)
    share = plan.settings.replay
    an_epoch = _an_epoch(plan, examples, earlier)
    epochs = (replayed(share, examples, earlier, rng) for _ in range(0, steps, an_epoch))
    threads = _THREADS if plan.device.startswith("cuda") else 0
    return batches(plan, frames, epochs, rng, steps, threads, begun)


def weights_of(learner: Learner) -> dict[str, Tensor]:
    """The weights as they are now, on the CPU."""
    return {name: tensor.detach().cpu() for name, tensor in learner.network.state_dict().items()}


@dataclass(frozen=True, slots=True, eq=False)
class Learner:
    """What changes from step to step.

    Attributes:
        kind: Knows the loss.
        network: The network.
        optimiser: Over its weights.
        schedule: Of the learning rate.
        halved: Compute in bfloat16 what stands that; weights stay float32.
        clip: Longest gradient; `None` for any.
        captured: Computes loss and gradients on a GPU, where there is one and the kind allows it.
    """

    kind: Trainable
    network: nn.Module
    optimiser: torch.optim.Optimizer
    schedule: torch.optim.lr_scheduler.LRScheduler
    halved: bool = False
    clip: float | None = None
    captured: CapturedLoss | None = None

    def gradients(self, batch: Batch) -> Tensor:
        """The loss of a batch, whose gradients are left with the weights."""
        device = next(self.network.parameters()).device
        if self.captured is not None and batch.prepared is not None:
            return self.captured(batch.prepared.on(device)).clone()
        with torch.autocast(device.type, torch.bfloat16, enabled=self.halved):
            loss = self.kind.loss(self.network, batch.on(device), batch.drawn, batch.rng)
        self.optimiser.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        return loss.detach()


def train(learner: Learner, lessons: Iterable[Batch], step: Step) -> None:
    """A step for each batch.

    Raises:
        TrainingError: The loss is NaN or infinite.
    """
    learner.kind.train(learner.network)
    before: Tensor | None = None
    for batch in lessons:
        loss = learner.gradients(batch)
        # To ask a GPU for a number is to wait for it: of its records it is asked for the last one while it works on this.
        ready = loss if learner.captured is None else before
        if ready is not None:
            _check(ready)
        if learner.clip is not None:
            nn.utils.clip_grad_norm_(learner.network.parameters(), learner.clip)
        learner.optimiser.step()
        learner.schedule.step()
        before = loss
        step()
    if before is not None:
        _check(before)


def _check(loss: Tensor) -> None:
    if not bool(torch.isfinite(loss)):
        raise TrainingError(
            f"the training loss became {loss.item()}; lower 'learning_rate' in the recipe"
        )


def make_optimiser(network: nn.Module, settings: TrainingSection) -> torch.optim.Optimizer:
    """RMSProp, momentum or AdamW; weight decay acts on convolution weights alone, as equation 7 has it."""
    weights = [parameter for parameter in network.parameters() if parameter.dim() > 1]
    biases = [parameter for parameter in network.parameters() if parameter.dim() <= 1]
    groups: list[dict[str, Any]] = [
        {"params": weights, "weight_decay": settings.weight_decay},
        {"params": biases},
    ]
    if settings.optimiser == "adamw":
        return torch.optim.AdamW(groups, settings.learning_rate, weight_decay=0.0, fused=True)
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
        images: `B x 3 x H x W` uint8, channels last in memory; for a kind that takes whole pictures, B of `3 x H x W`.
        drawn: Labels in pixels of the images.
        rng: The chance that its loss may ask for.
        prepared: What a loss on a GPU is computed from, where its kind makes that beforehand.
    """

    images: Tensor | Sequence[Tensor]
    drawn: Sequence[Annotations]
    rng: np.random.Generator
    prepared: Prepared | None = None

    def on(self, device: torch.device) -> Tensor | Sequence[Tensor]:
        """The images on a device."""
        if isinstance(self.images, Tensor):
            return self.images.to(device)
        return [image.to(device) for image in self.images]


def replayed(
    share: float,
    examples: Sequence[Example],
    earlier: Sequence[Example],
    rng: np.random.Generator,
) -> Sequence[Example]:
    """All examples, and as many of the earlier ones that these make up a share of the whole; drawn with replacement."""
    count = _replays(share, examples, earlier)
    if not count:
        return examples
    return [*examples, *(earlier[index] for index in rng.integers(len(earlier), size=count))]


def _replays(share: float, examples: Sequence[Example], earlier: Sequence[Example]) -> int:
    return round(len(examples) * share / (1 - share)) if earlier else 0


def batches(
    plan: Plan,
    frames: FrameLoader,
    epochs: Iterable[Sequence[Example]],
    rng: np.random.Generator,
    limit: int | None = None,
    threads: int = 0,
    begun: int = 0,
) -> Iterator[Batch]:
    """All examples of each epoch once, in random order.

    Args:
        plan: How.
        frames: Where the pictures come from.
        epochs: The examples of each.
        rng: The only source of chance.
        limit: Most batches.
        threads: That make batches ahead; 0 makes each when it is wanted. The outcome is the same.
        begun: Leave out so many from the beginning.
    """

    def makers() -> Iterator[Callable[[], Batch]]:
        for examples in epochs:
            order = rng.permutation(len(examples))
            for first in range(0, len(order), plan.settings.batch):
                members = [examples[index] for index in order[first : first + plan.settings.batch]]
                # Chance of its own, so that it does not matter which batch is made first.
                yield partial(_make_batch, plan, frames, members, rng.spawn(1)[0])

    return _made(islice(makers(), begun, limit), threads)


def _made(makers: Iterator[Callable[[], Batch]], threads: int) -> Iterator[Batch]:
    if not threads:
        yield from (make() for make in makers)
        return
    with ThreadPoolExecutor(threads, thread_name_prefix="batches") as pool:
        waiting = deque(pool.submit(make) for make in islice(makers, 2 * threads))
        try:
            while waiting:
                yield waiting.popleft().result()
                waiting.extend(pool.submit(make) for make in islice(makers, 1))
        finally:
            pool.shutdown(wait=True, cancel_futures=True)


def _make_batch(
    plan: Plan, frames: FrameLoader, members: Sequence[Example], rng: np.random.Generator
) -> Batch:
    kind = trainable(plan.detector, plan.settings)
    pictures = [_picture(frames, example) for example in members]
    if plan.augmented:
        change = perhaps_flip if plan.settings.augment == "flip" else augment
        pictures = [change(image, drawn, rng) for image, drawn in pictures]
    images: Tensor | Sequence[Tensor]
    if kind.takes_whole:
        images = [torch.from_numpy(image.copy()).permute(2, 0, 1) for image, _ in pictures]
    else:
        size = _window([image.shape for image, _ in pictures], plan.settings.crop)
        around = plan.settings.crop_around_objects
        pictures = [crop(image, drawn, size, rng, around) for image, drawn in pictures]
        images = torch.from_numpy(np.stack([image for image, _ in pictures])).permute(0, 3, 1, 2)
    labels = [drawn for _, drawn in pictures]
    if not plan.device.startswith("cuda") or not isinstance(kind, Staged):
        return Batch(images, labels, rng)
    return Batch(images, labels, rng, kind.prepare(images, labels, rng))


def _window(shapes: Sequence[tuple[int, ...]], wanted: tuple[int, int] | None) -> tuple[int, int]:
    """Height and width that every picture of a batch is cut to: as wanted, but never larger than the smallest.

    Nothing is ever padded. Every channel is normalised over the whole picture, so the network would come to lean on
    the padding, and see nothing where there is none.
    """
    height, width = min(shape[0] for shape in shapes), min(shape[1] for shape in shapes)
    return (min(wanted[0], height), min(wanted[1], width)) if wanted else (height, width)


def _picture(frames: FrameLoader, example: Example) -> tuple[Image, Annotations]:
    frame = frames.load(example.record)
    drawn = example.drawn
    return frame.image, Annotations(drawn.boxes * frame.scale, drawn.classes, drawn.ignore)
