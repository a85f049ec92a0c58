"""Training shared by processes of a real Ray cluster, some of which are killed."""

import os
import signal
from collections.abc import Mapping
from contextlib import nullcontext
from dataclasses import dataclass, replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from tests.tiny import TinyData
from thrifty import shared_training
from thrifty.config import DetectorSection, FilesSource, TrainingSection
from thrifty.data.frames import CachedFrames, FrameLoader
from thrifty.data.sources import open_source
from thrifty.detectors.dropout import drop_channels, part_of_batch
from thrifty.detectors.targets import Asked
from thrifty.engine.ray_cluster import joined
from thrifty.errors import RunError, TrainingError
from thrifty.progress import ignore
from thrifty.shared_training import SharedLearner, fit_together
from thrifty.training import Example, Plan, lessons, make_learner, steps_of, train
from thrifty.types import Frame, Record

STEPS = 6


@dataclass(frozen=True, eq=False)
class Course:
    """What is learned."""

    frames: FrameLoader
    examples: list[Example]
    plan: Plan


@pytest.fixture(scope="module")
def course(tiny: TinyData) -> Course:
    source = FilesSource(annotations="stills.json", images="stills")
    opened = open_source(source, tiny.root, ())
    examples = [Example(record, opened.labels[record.id]) for record in opened.frames.records]
    settings = TrainingSection(batch=3, learning_rate=0.001)
    plan = Plan(
        DetectorSection(width=0.1, box_scale=0.5),
        settings,
        epochs=1,
        augmented=True,
        seed=5,
        steps=STEPS,
    )
    return Course(opened.frames, examples, plan)


def alone(course: Course) -> tuple[Mapping[str, Tensor], list[float]]:
    """One process, with the loss of each step."""
    torch.manual_seed(course.plan.seed)
    learner = make_learner(course.plan, steps_of(course.plan, course.examples, ()))
    losses: list[float] = []

    class Noting(type(learner)):  # type: ignore[misc]
        def gradients(self, batch: Any) -> Tensor:
            loss: Tensor = super().gradients(batch)
            losses.append(float(loss))
            return loss

    noting = Noting(learner.kind, learner.network, learner.optimiser, learner.schedule)
    train(noting, lessons(course.plan, CachedFrames(course.frames), course.examples), ignore)
    return learner.network.state_dict(), losses


@dataclass(frozen=True)
class Dying:
    """Pictures; who loads one for the n-th time in all dies, once."""

    frames: FrameLoader
    note: Path

    def load(self, record: Record) -> Frame:
        """As `FrameLoader`."""
        with self.note.open("a") as file:
            file.write("x")
        if self.note.stat().st_size == 14:
            os.kill(os.getpid(), signal.SIGKILL)
        return self.frames.load(record)


class Progress:
    """Counts the steps that are told."""

    def __init__(self) -> None:
        self.units: list[int] = []

    def __call__(self, what: str, total: int, unit: str) -> Any:
        assert (total, unit) == (STEPS, "steps")
        return nullcontext(lambda count=1: self.units.append(count))


def test_two_processes_one_of_which_is_killed_learn_what_one_does(
    nodes: Any, course: Course, tmp_path: Path
) -> None:
    """Eight pictures in batches of three: parts of one and two, and last batches of two."""
    expected, losses = alone(course)
    assert len(losses) == STEPS
    progress = Progress()
    with joined(nodes.address, 2) as cluster:
        weights, shared = fit_together(
            cluster,
            course.plan,
            Dying(course.frames, tmp_path / "note"),
            course.examples,
            progress=progress,
            every=1,
        )
    # Undisturbed, each process would have loaded each picture once.
    assert (tmp_path / "note").stat().st_size > 2 * len(course.examples)
    assert shared == pytest.approx(losses, rel=1e-4)
    for name, tensor in expected.items():
        torch.testing.assert_close(weights[name], tensor, rtol=1e-3, atol=1e-4)
    assert sum(progress.units) == STEPS


def test_what_cannot_be_learned_is_told_at_once(nodes: Any, course: Course) -> None:
    wild = replace(course.plan, settings=TrainingSection(batch=3, learning_rate=1e30))
    with (
        joined(nodes.address, 2) as cluster,
        pytest.raises(TrainingError, match="the training loss became"),
    ):
        fit_together(cluster, wild, course.frames, course.examples)
    small = replace(course.plan, settings=TrainingSection(batch=1))
    with pytest.raises(TrainingError, match="a batch of 1 pictures is too small for 2 workers"):
        fit_together(cluster, small, course.frames, course.examples)
    with pytest.raises(TrainingError, match="there are no labelled frames"):
        fit_together(cluster, course.plan, course.frames, [])


def test_a_cluster_without_room_for_all_is_given_up(
    nodes: Any, course: Course, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Three workers on two cores; Ray Train by itself would ask for room for ever."""
    monkeypatch.setattr(shared_training, "_STARTS", 2)
    monkeypatch.setenv("RAY_TRAIN_WORKER_GROUP_START_TIMEOUT_S", "1")
    with (
        joined(nodes.address, 3) as cluster,
        pytest.raises(RunError, match="^the Ray cluster: has had no room for 3 workers at once"),
    ):
        fit_together(cluster, course.plan, course.frames, course.examples)


class OnGpu(torch.nn.Module):
    """Says that its weights are on a GPU."""

    def parameters(self, recurse: bool = True) -> Any:
        return iter([SimpleNamespace(device=torch.device("cuda", 1))])


def test_dropout_on_a_gpu_goes_on_where_it_was(monkeypatch: pytest.MonkeyPatch) -> None:
    """It draws from the GPU's own generator, which stands elsewhere in a process that takes up a training."""
    place = torch.device("cuda", 1)
    there = {place: torch.arange(16, dtype=torch.uint8)}
    monkeypatch.setattr(torch.cuda, "get_rng_state", there.get)
    monkeypatch.setattr(
        torch.cuda, "set_rng_state", lambda state, device: there.update({device: state})
    )
    nothing = SimpleNamespace(state_dict=dict, load_state_dict=lambda _state: None)
    learner = SharedLearner(None, OnGpu(), nothing, nothing, losses=[])  # type: ignore[arg-type]
    torch.manual_seed(4)
    state = shared_training._unpacked(shared_training._packed(learner.state()))
    expected = torch.rand(3)
    there.clear()
    learner.load(state)
    assert torch.equal(torch.rand(3), expected)
    assert torch.equal(there[place], torch.arange(16, dtype=torch.uint8))


def test_dropout_of_parts_is_that_of_the_whole() -> None:
    values = torch.rand(5, 7, 2, 3)
    torch.manual_seed(1)
    whole = F.dropout2d(values, 0.3, training=True)
    parts = []
    for first, last in ((0, 2), (2, 5)):
        torch.manual_seed(1)
        with part_of_batch(first, 5):
            parts.append(drop_channels(values[first:last], 0.3, True))
    assert torch.equal(torch.cat(parts), whole)
    with part_of_batch(0, 5):
        assert drop_channels(values, 0.3, False) is values or torch.equal(
            drop_channels(values, 0.3, False), values
        )


def test_what_is_asked_of_a_batch_falls_into_what_is_asked_of_its_parts() -> None:
    rng = np.random.default_rng(0)
    places = torch.from_numpy(np.sort(rng.choice(4 * 2 * 3 * 5, 40, replace=False)))
    asked = Asked((4, 2, 3, 5), 2, places, torch.rand(40), torch.rand(40))
    dense = asked.dense(asked.weights)
    for first, last in ((0, 1), (1, 4), (2, 2)):
        part = asked.of(first, last)
        assert part.shape == (last - first, 2, 3, 5)
        assert torch.equal(part.dense(part.weights), dense[first:last])
