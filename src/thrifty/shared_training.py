"""Training by several processes, on one machine or many, through Ray Train: each learns from its part of every batch.

What one step learns is what `thrifty.training.fit` would learn from the whole batch: every process makes all batches from the same
chance, takes its pictures of them, and gradients are averaged (torch's DistributedDataParallel; gloo on processors, NCCL on GPUs).
From time to time weights, optimiser and chance are sent to where the training was asked for, and where a process dies all go on from
there; so the machines need no folder in common.
"""

from __future__ import annotations

import io
import tempfile
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor, nn

from thrifty.data.frames import CachedFrames, FrameLoader
from thrifty.detectors.dropout import part_of_batch
from thrifty.detectors.paper import Weights
from thrifty.detectors.trainable import Staged, Trainable
from thrifty.engine.ray_cluster import (
    ROOM,
    Cluster,
    beside_driver,
    first_line,
    need_ray,
    no_room,
)
from thrifty.errors import CapabilityError, RunError, ThriftyError, TrainingError
from thrifty.progress import Progress, silent
from thrifty.training import (
    Batch,
    Example,
    Learner,
    Plan,
    lessons,
    make_learner,
    steps_of,
    train,
    weights_of,
)

_FAILURES = 5
"""Times that a training is taken up again after somebody died."""
_STARTS = round(ROOM / 60)
"""Times in all that Ray Train tries, for a minute each, to find room for all workers."""
_ASKED = 0.5
"""Seconds between two questions how far it is."""
EVERY = 50
"""Steps between two checkpoints."""
_KEPT = 2
"""Checkpoints that are held: while the last is written, whoever takes up a training may be reading the one before."""


@dataclass(frozen=True, slots=True, eq=False)
class Task:
    """What every process is told.

    Attributes:
        plan: How to train.
        frames: Where pictures come from, on every machine.
        examples: As of `fit`.
        earlier: As of `fit`.
        start: As of `fit`.
        every: Steps between two checkpoints.
        watch: An actor that is told about every step.
    """

    plan: Plan
    frames: FrameLoader
    examples: Sequence[Example]
    earlier: Sequence[Example]
    start: Weights | None
    every: int
    watch: Any


def fit_together(
    cluster: Cluster,
    plan: Plan,
    frames: FrameLoader,
    examples: Sequence[Example],
    start: Weights | None = None,
    progress: Progress = silent,
    earlier: Sequence[Example] = (),
    every: int = EVERY,
) -> tuple[dict[str, Tensor], list[float]]:
    """As `thrifty.training.fit`, by the workers of a cluster.

    Kinds of detectors that draw by torch's own chance in their loss (torchvision's, say) draw for each part apart; those that train
    here are otherwise trained as by one process, within what the order of sums does.

    Args:
        cluster: Who trains; a batch must have a picture for each of its workers.
        plan: How; its device is the cluster's.
        frames: Where the pictures come from, on every machine of the cluster; pickled.
        examples: What to learn from, at least one.
        start: Weights to begin from; fresh ones if left out.
        progress: Told about every step.
        earlier: What it has learned from before.
        every: Steps between two checkpoints, which are held where this process runs.

    Returns:
        The weights after the last step, on the CPU, and the loss of every step.

    Raises:
        TrainingError: As `fit`; or a batch is smaller than the cluster.
        FrameError: As `fit`.
        RunError: Workers die again and again, or the cluster has no room for all of them.
        CapabilityError: Ray Train is not installed.
    """
    if not examples:
        raise TrainingError("there are no labelled frames to train on; label some first")
    if plan.settings.batch < cluster.workers:
        raise TrainingError(
            f"a batch of {plan.settings.batch} pictures is too small for {cluster.workers} workers; raise 'batch' of "
            "[training] or lower --workers"
        )
    ray, train_api = need_ray(), _need_train()
    steps = steps_of(plan, examples, earlier)
    device = "cuda" if cluster.gpus else "cpu"
    watch = ray.remote(num_cpus=0, scheduling_strategy=beside_driver())(_Watch).remote()
    task = Task(replace(plan, device=device), frames, examples, earlier, start, every, watch)
    with tempfile.TemporaryDirectory(prefix="thrifty-") as temporary:
        trainer = train_api.torch.TorchTrainer(
            _learn,
            train_loop_config={"task": task},
            scaling_config=train_api.ScalingConfig(
                num_workers=cluster.workers, use_gpu=cluster.gpus
            ),
            run_config=train_api.RunConfig(
                name="training",
                storage_path=temporary,
                failure_config=train_api.FailureConfig(
                    max_failures=_FAILURES, controller_failure_limit=_STARTS - 1
                ),
            ),
        )
        state: dict[str, Any] = {}
        with progress(plan.title, steps, "steps") as step:
            try:
                _watched(trainer.fit, watch, step, ray)
                fatal = ray.get(watch.fatal.remote())
                if fatal is None:
                    state = _unpacked(ray.get(watch.state.remote(steps)))
            except Exception as error:
                fatal = _last_words(watch, ray)
                if fatal is None:
                    raise _given_up(error, cluster.workers) from error
    if fatal is not None:
        raise fatal
    return state["network"], state["losses"]


def trainer_on(
    cluster: Cluster,
) -> Callable[..., Mapping[str, Tensor]]:
    """What trains on a cluster, called as `thrifty.training.fit` is."""

    def trainer(*course: Any) -> Mapping[str, Tensor]:  # noqa: ANN401 - as `fit_together`
        return fit_together(cluster, *course)[0]

    return trainer


def _watched(fit: Callable[[], Any], watch: Any, step: Callable[[int], None], ray: Any) -> None:  # noqa: ANN401 - Ray states no types
    """Train, and tell meanwhile how far it is."""
    errors: list[BaseException] = []

    def work() -> None:
        try:
            fit()
        except BaseException as error:  # noqa: BLE001 - raised again by who waits
            errors.append(error)

    # Whoever is interrupted meanwhile does not wait for it.
    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    told = 0
    while True:
        over = not thread.is_alive()
        done = ray.get(watch.done.remote())
        if done > told:
            step(done - told)
            told = done
        if over:
            break
        thread.join(_ASKED)
    if errors:
        raise errors[0]


class _Watch:
    """Knows how far the training is, what to go on from, and whether it makes sense to go on."""

    def __init__(self) -> None:
        self._done = 0
        self._states: dict[int, bytes] = {}
        self._fatal: ThriftyError | None = None

    def tell(self, done: int) -> None:
        """So many steps are done."""
        self._done = max(self._done, done)

    def done(self) -> int:
        """How many steps are."""
        return self._done

    def put_aside(self, begun: int, state: bytes) -> None:
        """All that is needed to go on after so many steps."""
        self._states[begun] = state
        for old in sorted(self._states)[:-_KEPT]:
            del self._states[old]

    def last(self) -> int:
        """After how many steps something was put aside; 0 if nothing was."""
        return max(self._states, default=0)

    def state(self, begun: int) -> bytes:
        """What was put aside then."""
        return self._states[begun]

    def give_up(self, error: ThriftyError) -> None:
        """What would come out the same however often it is tried."""
        self._fatal = self._fatal or error

    def fatal(self) -> ThriftyError | None:
        """It, if there is any."""
        return self._fatal


def _given_up(error: Exception, workers: int) -> RunError:
    # What kept Ray Train from starting workers it tells as the cause of an error of its own.
    cause = getattr(error, "controller_failure", error)
    if type(cause).__name__ == "WorkerGroupStartupTimeoutError":
        return no_room(f"{workers} workers at once")
    return RunError(
        f"training on the Ray cluster: failed, as often as it was taken up again ({first_line(cause)}); see whether memory "
        "suffices, and run the same command again"
    )


def _last_words(watch: Any, ray: Any) -> ThriftyError | None:  # noqa: ANN401 - Ray states no types
    try:
        words: ThriftyError | None = ray.get(watch.fatal.remote())
    except ray.exceptions.RayError:
        return None
    return words


def _learn(given: Mapping[str, Task]) -> None:
    """What each process does."""
    task, ray = given["task"], need_ray()
    fatal = ray.get(task.watch.fatal.remote())
    if fatal is not None:
        raise fatal
    try:
        _learn_from(task)
    except TrainingError as error:
        # All have seen the same loss, so all end here, and nobody need try again.
        ray.get(task.watch.give_up.remote(error))
    except ThriftyError as error:
        ray.get(task.watch.give_up.remote(error))
        raise


def _learn_from(task: Task) -> None:
    ray, train_api, plan = need_ray(), _need_train(), task.plan
    context = train_api.get_context()
    rank, workers = context.get_world_rank(), context.get_world_size()
    if plan.device == "cuda":
        plan = replace(plan, device=str(train_api.torch.get_device()))
    torch.manual_seed(plan.seed)
    steps = steps_of(plan, task.examples, task.earlier)
    learner = make_learner(plan, steps, task.start, recorded=False)
    shared = SharedLearner.of(learner, rank, workers)
    begun = _agreed(ray.get(task.watch.last.remote()), plan.device)
    if begun:
        shared.load(_unpacked(ray.get(task.watch.state.remote(begun))))
    batches = lessons(plan, CachedFrames(task.frames), task.examples, task.earlier, begun)

    def step(units: int = 1) -> None:
        nonlocal begun
        begun += units
        if rank == 0:
            task.watch.tell.remote(begun)
        if rank == 0 and (begun % task.every == 0 or begun == steps):
            ray.get(task.watch.put_aside.remote(begun, _packed(shared.state())))

    train(shared, batches, step)


def _agreed(number: int, device: str) -> int:
    """What the first process says: the last words of one that died may reach some later than others."""
    said = torch.tensor(number, device=device)
    torch.distributed.broadcast(said, 0)
    return int(said)


def _packed(state: Mapping[str, Any]) -> bytes:
    buffer = io.BytesIO()
    torch.save(state, buffer)
    return buffer.getvalue()


def _unpacked(state: bytes) -> dict[str, Any]:
    # Whoever asked for the training may have no GPU; those that go on from it put it where it belongs.
    return dict(torch.load(io.BytesIO(state), map_location="cpu", weights_only=True))


@dataclass(frozen=True, slots=True, eq=False)
class SharedLearner(Learner):
    """A learner that sees its part of each batch, and learns what all have seen.

    Attributes:
        together: The loss of a part of a batch, in a form that averages gradients over processes.
        rank: Which process this is.
        workers: How many there are.
        losses: Of all steps so far.
    """

    together: nn.Module = None  # type: ignore[assignment]
    rank: int = 0
    workers: int = 1
    losses: list[float] = None  # type: ignore[assignment]

    @classmethod
    def of(cls, learner: Learner, rank: int, workers: int) -> SharedLearner:
        """From one that learns alone."""
        own = _LossOfPart(learner.kind, learner.network)
        together = torch.nn.parallel.DistributedDataParallel(own)
        return cls(
            learner.kind,
            learner.network,
            learner.optimiser,
            learner.schedule,
            halved=learner.halved,
            clip=learner.clip,
            together=together,
            rank=rank,
            workers=workers,
            losses=[],
        )

    @property
    def device(self) -> torch.device:
        """Where the weights are, and where dropout is drawn."""
        return next(self.network.parameters()).device

    def gradients(self, batch: Batch) -> Tensor:
        """The loss of the whole batch, whose gradients are left with the weights."""
        device = self.device
        whole = len(batch.drawn)
        first, last = (whole * number // self.workers for number in (self.rank, self.rank + 1))
        # A last batch may have fewer pictures than there are processes; who has none learns nothing from the first.
        own = slice(first, last) if last > first else slice(0, 1)
        with (
            torch.autocast(device.type, torch.bfloat16, enabled=self.halved),
            part_of_batch(own.start, whole),
        ):
            loss = self.together(batch, own.start, own.stop)
        # Means of parts, weighed by their sizes, are the mean of the whole; gradients are divided by the number of processes.
        loss = (last - first) * self.workers / whole * loss
        self.optimiser.zero_grad()
        loss.backward()
        mean: Tensor = loss.detach().clone()
        torch.distributed.all_reduce(mean)
        mean /= self.workers
        self.losses.append(float(mean))
        return mean

    def state(self) -> dict[str, Any]:
        """All that is needed to go on."""
        device = self.device
        return {
            "network": weights_of(self),
            "optimiser": self.optimiser.state_dict(),
            "schedule": self.schedule.state_dict(),
            "chance": torch.get_rng_state(),
            "chance of the GPU": torch.cuda.get_rng_state(device)
            if device.type == "cuda"
            else None,
            "losses": self.losses,
        }

    def load(self, state: Mapping[str, Any]) -> None:
        """Go on from there."""
        self.network.load_state_dict(state["network"])
        self.optimiser.load_state_dict(state["optimiser"])
        self.schedule.load_state_dict(state["schedule"])
        torch.set_rng_state(state["chance"])
        if self.device.type == "cuda":
            torch.cuda.set_rng_state(state["chance of the GPU"], self.device)
        self.losses[:] = state["losses"]


class _LossOfPart(nn.Module):
    """The loss of some pictures of a batch, as something that is called and whose gradients can be listened to."""

    def __init__(self, kind: Trainable, network: nn.Module) -> None:
        super().__init__()
        self._kind = kind
        self.network = network

    def forward(self, batch: Batch, first: int, last: int) -> Tensor:
        """Of the pictures from one up to before another."""
        device = next(self.network.parameters()).device
        kind = self._kind
        if isinstance(kind, Staged):
            prepared = batch.prepared or kind.prepare(batch.images, batch.drawn, batch.rng)
            return kind.loss_of(self.network, prepared.on(device).of(first, last))
        own = batch.on(device)[first:last]
        return kind.loss(self.network, own, batch.drawn[first:last], batch.rng)


def _need_train() -> Any:  # noqa: ANN401 - an extra, which states no types
    try:
        import ray.train  # noqa: PLC0415 - an extra
        import ray.train.torch  # noqa: PLC0415 - an extra
    except ImportError as error:
        raise CapabilityError(
            "training on a cluster needs Ray Train; install it with: pip install 'thrifty[ray]'"
        ) from error
    return ray.train
