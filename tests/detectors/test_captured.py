"""A step as one CUDA graph, on a GPU alone."""

from collections.abc import Mapping

import numpy as np
import pytest
import torch

from thrifty.config import DetectorSection, StreetSource, TrainingSection
from thrifty.data.frames import CachedFrames
from thrifty.data.rendered import open_street
from thrifty.detectors.captured import CapturedLoss
from thrifty.detectors.trainable import Staged, trainable
from thrifty.training import Example, Plan, fit
from thrifty.types import Annotations

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="needs an NVIDIA GPU")
CUDA = torch.device("cuda")


@pytest.mark.parametrize("backbone", [None, "efficientnet-lite0"])
def test_a_graph_gives_the_loss_and_gradients_of_its_operations(backbone: str | None) -> None:
    """Of batches that ask more and fewer pixels, in turn."""
    settings = DetectorSection.model_validate({"width": 0.1, "backbone": backbone})
    kind = trainable(settings, TrainingSection())
    assert isinstance(kind, Staged)
    torch.manual_seed(0)
    # Dropout would draw other channels each time.
    network = kind.network().to(CUDA).eval()
    captured = CapturedLoss(kind, network, halved=False)
    held = [weight.grad for weight in network.parameters()]
    rng = np.random.default_rng(0)
    one = Annotations(np.array([[20.0, 10, 60, 90]]))
    many = Annotations(np.array([[x, y, x + 40.0, y + 70] for x in (5.0, 60) for y in (2.0, 20)]))
    for drawn in ([one, one], [many, many], [one, many], [one, one]):
        images = torch.from_numpy(rng.integers(0, 256, (2, 3, 96, 128)).astype(np.uint8))
        lesson = kind.prepare(images, drawn, rng).on(CUDA)
        loss = captured(lesson).clone()
        gradients = [
            weight.grad.clone() for weight in network.parameters() if weight.grad is not None
        ]
        expected = kind.loss_of(network, lesson)
        wanted = torch.autograd.grad(expected, list(network.parameters()))
        torch.testing.assert_close(loss, expected.detach(), rtol=1e-2, atol=1e-3)
        # What is left of a graph of operations would draw the next record into its stream.
        del expected
        for ours, theirs in zip(gradients, wanted, strict=True):
            scale = float(theirs.abs().max()) + 1e-6
            torch.testing.assert_close(ours / scale, theirs / scale, rtol=0, atol=2e-2)
    assert all(weight.grad is grad for weight, grad in zip(network.parameters(), held, strict=True))


@pytest.mark.parametrize("backbone", [None, "efficientnet-lite0"])
def test_a_gpu_learns_what_a_processor_learns(backbone: str | None) -> None:
    source = StreetSource(kind="street", look="daylight", drives=6, width=160, height=128)
    frames, labels = open_street(source)
    examples = [Example(record, labels[record.id]) for record in frames.records]
    settings = TrainingSection(batch=2, crop=(96, 96), crop_around_objects=0.7, optimiser="adamw")

    def learned(device: str) -> float:
        detector = DetectorSection.model_validate(
            {"width": 0.1, "box_scale": 0.3, "backbone": backbone}
        )
        plan = Plan(detector, settings, 1, False, 0, device, steps=120)
        weights = fit(plan, CachedFrames(frames), examples)
        return _loss(plan, weights, examples, CachedFrames(frames))

    assert learned("cuda") == pytest.approx(learned("cpu"), rel=0.25)


def _loss(
    plan: Plan, weights: Mapping[str, torch.Tensor], examples: list[Example], frames: CachedFrames
) -> float:
    kind = trainable(plan.detector, plan.settings)
    network = kind.network()
    network.load_state_dict(weights)
    network.eval()
    rng, losses = np.random.default_rng(0), []
    for example in examples:
        image = torch.from_numpy(frames.load(example.record).image.copy()).permute(2, 0, 1)
        with torch.no_grad():
            losses.append(float(kind.loss(network, image[None], [example.drawn], rng)))
    return float(np.mean(losses))
