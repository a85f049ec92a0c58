from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn

from thrifty.config import DetectorSection, StreetSource, TrainingSection
from thrifty.data.frames import CachedFrames, FrameSet
from thrifty.data.rendered import open_street
from thrifty.detectors.loss import detection_loss
from thrifty.detectors.network import PaperNetwork
from thrifty.errors import FrameError, TrainingError
from thrifty.progress import Step
from thrifty.training import (
    Batch,
    Example,
    Plan,
    annealing,
    batches,
    fit,
    make_optimiser,
    replayed,
)
from thrifty.types import Annotations, Image, Record

SOURCE = StreetSource(kind="street", look="daylight", drives=4, width=96, height=64)


def plan(**changes: object) -> Plan:
    settings = TrainingSection(batch=2).model_copy(update=changes)
    return Plan(
        DetectorSection(width=0.1, box_scale=0.3), settings, epochs=2, augmented=True, seed=3
    )


@pytest.fixture
def street() -> tuple[FrameSet, list[Example]]:
    frames, labels = open_street(SOURCE)
    return frames, [Example(record, labels[record.id]) for record in frames.records]


def test_one_seed_gives_one_result_and_leaves_torch_s_chance_alone(
    street: tuple[FrameSet, list[Example]],
) -> None:
    frames, examples = street
    torch.manual_seed(7)
    expected = torch.rand(3)
    torch.manual_seed(7)
    first = fit(plan(), CachedFrames(frames), examples)
    assert torch.equal(torch.rand(3), expected)
    second = fit(plan(), CachedFrames(frames), examples)
    assert all(torch.equal(first[name], second[name]) for name in first)
    other = fit(replace(plan(), seed=4), CachedFrames(frames), examples)
    assert any(not torch.equal(first[name], other[name]) for name in first)


def test_training_lowers_the_loss(
    street: tuple[FrameSet, list[Example]], monkeypatch: pytest.MonkeyPatch
) -> None:
    losses: list[float] = []
    original = detection_loss

    def watch(*arguments: torch.Tensor) -> torch.Tensor:
        loss = original(*arguments)  # type: ignore[arg-type]
        losses.append(float(loss.detach()))
        return loss

    monkeypatch.setattr("thrifty.detectors.paper_training.detection_loss", watch)
    frames, examples = street
    whole = plan()
    fit(Plan(whole.detector, whole.settings, 40, False, 0), CachedFrames(frames), examples)
    assert np.mean(losses[-5:]) < 0.7 * np.mean(losses[:5])


@pytest.mark.parametrize(("examples", "steps"), [(4, 7), (3, 2)])
def test_as_many_steps_however_many_examples(
    street: tuple[FrameSet, list[Example]], examples: int, steps: int
) -> None:
    frames, all_of_them = street
    done: list[int] = []

    @contextmanager
    def count(what: str, total: int, unit: str) -> Iterator[Step]:
        done.append(total)
        yield lambda number=1: done.append(number)

    fit(
        replace(plan(), steps=steps),
        CachedFrames(frames),
        all_of_them[:examples],
        progress=count,
    )
    assert done == [steps, *[1] * steps]


def test_it_does_not_matter_how_many_threads_make_batches(
    street: tuple[FrameSet, list[Example]],
) -> None:
    frames, examples = street

    def made(threads: int) -> list[Batch]:
        rng, epochs = np.random.default_rng(0), [examples] * 5
        return list(batches(plan(), CachedFrames(frames), epochs, rng, 9, threads))

    alone, together = made(0), made(3)
    assert len(alone) == len(together) == 9
    for one, other in zip(alone, together, strict=True):
        assert isinstance(one.images, torch.Tensor)
        assert isinstance(other.images, torch.Tensor)
        assert torch.equal(one.images, other.images)
        assert one.rng.random() == other.rng.random()


def test_what_goes_wrong_in_a_thread_comes_out(street: tuple[FrameSet, list[Example]]) -> None:
    frames, examples = street
    missing = Example(replace(examples[0].record, id="x", source="drive 99"), examples[0].drawn)
    made = batches(
        plan(), CachedFrames(frames), [[*examples, missing]], np.random.default_rng(0), threads=2
    )
    with pytest.raises(Exception, match="drive 99|99"):
        list(made)


def test_a_share_of_what_was_learned_before_is_replayed(
    street: tuple[FrameSet, list[Example]],
) -> None:
    _, examples = street
    new, old = examples[:1] * 6, examples[1:]
    rng = np.random.default_rng(0)
    mixed = replayed(0.25, new, old, rng)
    assert list(mixed[:6]) == list(new)
    assert len(mixed) == 8
    assert all(any(one is other for other in old) for one in mixed[6:])
    drawn = {id(one) for _ in range(50) for one in replayed(0.5, new, old, rng)[6:]}
    assert drawn == {id(one) for one in old}
    assert replayed(0.0, new, old, rng) is new
    assert replayed(0.5, new, (), rng) is new


def test_training_starts_from_the_weights_given(street: tuple[FrameSet, list[Example]]) -> None:
    frames, examples = street
    start = PaperNetwork(width=0.1).state_dict()
    still = fit(
        plan(learning_rate=1e-12, final_learning_rate=1e-12), CachedFrames(frames), examples, start
    )
    assert all(torch.allclose(start[name], still[name], atol=1e-6) for name in start)


def test_the_rate_falls_exponentially_to_its_last_value() -> None:
    settings = TrainingSection()
    optimiser = make_optimiser(PaperNetwork(width=0.1), settings)
    schedule = torch.optim.lr_scheduler.ExponentialLR(optimiser, annealing(settings, 50))
    rates = []
    for _ in range(50):
        rates.append(optimiser.param_groups[0]["lr"])
        optimiser.step()
        schedule.step()
    assert rates[0] == pytest.approx(0.001)
    assert rates[-1] == pytest.approx(0.0001)
    assert np.allclose(np.diff(np.log(rates)), np.log(rates[1] / rates[0]))


def test_decay_acts_on_weights_and_not_on_biases() -> None:
    network = PaperNetwork(width=0.1)
    optimiser = make_optimiser(network, TrainingSection(weight_decay=0.5))
    decayed = {
        id(p) for group in optimiser.param_groups if group["weight_decay"] for p in group["params"]
    }
    convolutions = {id(m.weight) for m in network.modules() if isinstance(m, nn.Conv2d)}
    assert decayed == convolutions


def test_pictures_of_different_sizes_are_cut_to_the_smallest(
    street: tuple[FrameSet, list[Example]],
) -> None:
    frames, examples = street
    bigger, labels = open_street(SOURCE.model_copy(update={"width": 128, "height": 80, "seed": 5}))
    both = FrameSet(frames.records + bigger.records, _Either(frames, bigger))
    mixed = [*examples, *(Example(record, labels[record.id]) for record in bigger.records)]
    sizes = {
        tuple(batch.images[0].shape[-2:])
        for batch in batches(plan(), CachedFrames(both), [mixed], np.random.default_rng(0))
    }
    assert sizes <= {(64, 96), (80, 128)}
    cut = list(
        batches(plan(crop=(48, 1000)), CachedFrames(both), [mixed], np.random.default_rng(0))
    )
    assert {batch.images[0].shape[-2] for batch in cut} == {48}
    assert sum(len(batch.images) for batch in cut) == 8


class _Either:
    """Reads from whichever set a record belongs to."""

    def __init__(self, *sets: FrameSet) -> None:
        self._readers = {record.id: frames.reader for frames in sets for record in frames.records}

    def read(self, record: Record) -> Image:
        return self._readers[record.id].read(record)

    def stream(self, records: Iterable[Record]) -> Iterator[tuple[Record, Image | FrameError]]:
        for record in records:
            yield record, self.read(record)


def test_nothing_to_learn_from_and_diverging_are_errors(
    street: tuple[FrameSet, list[Example]],
) -> None:
    frames, examples = street
    with pytest.raises(TrainingError, match="no labelled frames"):
        fit(plan(), CachedFrames(frames), [])
    broken = {
        name: torch.full_like(value, float("nan"))
        for name, value in PaperNetwork(width=0.1).state_dict().items()
    }
    with pytest.raises(TrainingError, match="lower 'learning_rate'"):
        fit(plan(), CachedFrames(frames), examples, broken)


def test_frames_without_objects_can_be_learnt_from(street: tuple[FrameSet, list[Example]]) -> None:
    frames, examples = street
    empty = [Example(example.record, Annotations(np.zeros((0, 4)))) for example in examples]
    weights = fit(plan(), CachedFrames(frames), empty)
    assert all(bool(torch.isfinite(value).all()) for value in weights.values())
