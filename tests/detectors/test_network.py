import pytest
import torch
from torch import nn

from thrifty.config import Preset
from thrifty.detectors.network import ConvNorm, PaperNetwork, Size, normalise


def parameters(network: nn.Module) -> int:
    return sum(parameter.numel() for parameter in network.parameters())


def test_released_preset_has_the_checkpoint_s_parameters() -> None:
    assert parameters(PaperNetwork(Preset.RELEASED)) == 3_385_069


def test_paper_preset_adds_four_1x1_convolutions_of_128_filters() -> None:
    assert parameters(PaperNetwork(Preset.PAPER)) - 3_385_069 == 4 * (128 * 128 + 128)


@pytest.mark.parametrize(("height", "width"), [(16, 16), (121, 163), (240, 320)])
def test_five_heads_at_strides_8_and_4(height: int, width: int) -> None:
    network = PaperNetwork(width=0.1).eval()
    logits = network(torch.zeros(2, 3, height, width, dtype=torch.uint8))
    eighth, quarter = (-(-height // 8), -(-width // 8)), (-(-height // 4), -(-width // 4))
    assert [tuple(level.shape) for level in logits] == [(2, 1, *eighth)] * 4 + [(2, 1, *quarter)]


def test_width_scales_channels() -> None:
    assert Size.scaled(0.25) == Size(16, 32, 64, 32)
    assert Size.scaled(1.0) == Size()


@pytest.mark.parametrize(
    ("node", "expected"),
    [
        ("f22", (55, 31)),
        ("ds3", (79, 47)),
        ("f32", (143, 79)),
        ("f41", (223, 127)),
        ("f42", (271, 159)),
    ],
)
def test_receptive_fields(node: str, expected: tuple[int, int]) -> None:
    """A positive kernel without normalisation lets the gradient reach exactly the receptive field."""
    encoder = PaperNetwork(Preset.RELEASED, 0.1).encoder.eval()
    for module in encoder.modules():
        if isinstance(module, ConvNorm):
            nn.init.constant_(module.conv.weight, 0.01)
            module.forward = module.conv.forward  # type: ignore[assignment, method-assign]
    image = torch.ones(1, 3, 640, 640, requires_grad=True)
    output = encoder(image)[node]
    row, column = output.shape[2] // 2, output.shape[3] // 2
    output[0, :, row, column].sum().backward()
    assert image.grad is not None
    touched = image.grad[0].abs().sum(0) > 0
    height = int(touched.any(1).nonzero().max() - touched.any(1).nonzero().min()) + 1
    width = int(touched.any(0).nonzero().max() - touched.any(0).nonzero().min()) + 1
    assert (height, width) == expected


def test_maps_of_a_frame_do_not_depend_on_its_batch() -> None:
    network = PaperNetwork(width=0.1).eval()
    images = torch.randint(0, 256, (3, 3, 64, 80), dtype=torch.uint8)
    together = network(images)
    for index in range(3):
        alone = network(images[index : index + 1])
        for level, single in zip(together, alone, strict=True):
            torch.testing.assert_close(level[index : index + 1], single, atol=1e-5, rtol=1e-5)


def test_dropout_acts_while_training_only() -> None:
    network = PaperNetwork(width=0.25)
    image = torch.randint(0, 256, (1, 3, 64, 64), dtype=torch.uint8)
    network.train()
    assert not torch.equal(network(image)[4], network(image)[4])
    network.eval()
    assert torch.equal(network(image)[4], network(image)[4])


def test_input_is_bgr_around_127() -> None:
    image = torch.tensor([[[[255]], [[127]], [[0]]]], dtype=torch.uint8)
    assert normalise(image).flatten().tolist() == pytest.approx([-127 / 128, 0.0, 1.0])
