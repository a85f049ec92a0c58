"""Exported models: a real YOLOX, and small ones made here."""

import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from onnx import TensorProto, helper, numpy_helper

from tests import references
from tests.devices import on
from thrifty.config import FilesSource
from thrifty.data.pool import Pool
from thrifty.data.sources import open_source
from thrifty.detectors.onnx import OnnxDetector
from thrifty.errors import CapabilityError, DataError
from thrifty.evaluation.average_precision import average_precision
from thrifty.evaluation.truth import Truth
from thrifty.maps import Activation, MapKind
from thrifty.scoring.forms import Form, score_frames
from thrifty.types import Detections, Frame, Need, Record


def tiny_model(path: Path, batch: str | int = "batch", size: Any = (32, 48)) -> Path:
    """Input times 1 at a quarter of its size, as two maps: `low` from an average pool, `high` by leaving out pixels."""
    source = helper.make_tensor_value_info("x", TensorProto.FLOAT, [batch, 3, *size])
    outputs = [
        helper.make_tensor_value_info(name, TensorProto.FLOAT, [batch, 3, None, None])
        for name in ("low", "high")
    ]
    kernel = np.zeros((3, 3, 1, 1), dtype=np.float32)
    kernel[range(3), range(3)] = 1
    nodes = [
        helper.make_node("AveragePool", ["x"], ["low"], kernel_shape=[8, 8], strides=[8, 8]),
        helper.make_node("Conv", ["x", "w"], ["high"], strides=[4, 4]),
    ]
    graph = helper.make_graph(nodes, "g", [source], outputs, [numpy_helper.from_array(kernel, "w")])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    onnx.save(model, path)
    return path


def frame(height: int, width: int, value: tuple[int, int, int] = (30, 60, 90)) -> Frame:
    image = np.full((height, width, 3), value, dtype=np.uint8)
    return Frame(Record("id", "a.png", width, height), image)


def describe(path: Path, text: str) -> Path:
    path.with_suffix(".toml").write_text(text)
    return path


def test_yolox_finds_people_where_people_are(yolox: Path, real_data: Path) -> None:
    folder = real_data / "pennfudan" / "images"
    picture = next(iter(Pool(min(folder.iterdir())).stream()))
    assert isinstance(picture, Frame)
    maps = OnnxDetector(yolox).class_maps([picture])
    assert [tuple(level.shape[1:]) for level in maps.levels] == [
        (80, 52, 52),
        (80, 26, 26),
        (80, 13, 13),
    ]
    assert maps.kind is MapKind.PROBABILITIES
    assert max(float(level[:, 0].max()) for level in maps.levels) > 0.5  # class 0 is a person
    # The picture keeps its shape, and the maps reach over the filled part of the input too.
    assert max(maps.height, maps.width) == 416
    assert maps.height / maps.width == pytest.approx(
        picture.record.height / picture.record.width, abs=0.01
    )
    assert maps.spans[0] == (416.0, 416.0)
    fused = float(score_frames(maps))
    assert fused == pytest.approx(float(score_frames(maps, form=Form.REFERENCE)), rel=1e-5)
    assert fused > 0


@pytest.mark.parametrize("form", Form)
def test_every_form_scores_real_frames_alike(yolox: Path, real_data: Path, form: Form) -> None:
    detector = OnnxDetector(yolox)
    pictures = sorted((real_data / "pennfudan" / "images").iterdir())[
        :: 1000 if form is Form.TRITON else 60
    ]
    for path in pictures:
        maps = detector.class_maps([Pool(path, scale=0.5).frame()])
        people = replace(maps, levels=tuple(level[:, :1] for level in maps.levels))
        if form is Form.TRITON and not torch.cuda.is_available():
            # Its interpreter takes seconds for each row.
            people = replace(people, height=40)
        expected = references.frame_score(references.map_scores(people, 0, 9), 30)
        assert float(score_frames(on(form, people), form=form)) == pytest.approx(expected, rel=1e-5)


def test_yolox_scores_equal_ours_from_its_raw_rows(yolox: Path) -> None:
    """Objectness times class at the place that the row's number stands for."""
    session = onnxruntime.InferenceSession(str(yolox), providers=["CPUExecutionProvider"])
    picture = frame(416, 416)
    picture.image[100:300, 150:250] = (200, 40, 40)
    bgr = picture.image[..., ::-1].astype(np.float32).transpose(2, 0, 1)[None]
    [rows] = session.run(None, {"images": np.ascontiguousarray(bgr)})
    maps = OnnxDetector(yolox).class_maps([picture])
    for level, begin, side in ((0, 0, 52), (1, 52 * 52, 26), (2, 52 * 52 + 26 * 26, 13)):
        row, column = side // 2, side // 3
        values = rows[0, begin + row * side + column]
        np.testing.assert_allclose(
            maps.levels[level][0, :, row, column].numpy(), values[4] * values[5:], rtol=1e-5
        )


@pytest.mark.parametrize("batch", ["batch", 1])
def test_a_described_model_gives_its_maps(tmp_path: Path, batch: str | int) -> None:
    path = describe(
        tiny_model(tmp_path / "m.onnx", batch),
        'outputs = ["high", "low"]\nkind = "logits"\nactivation = "softmax"\n'
        'colour = "bgr"\nmean = [10, 20, 30]\nstd = [2, 4, 5]\nclasses = [2, 0]\n',
    )
    maps = OnnxDetector(path).class_maps([frame(16, 24), frame(16, 24, (0, 0, 0))])
    assert [tuple(level.shape) for level in maps.levels] == [(2, 2, 8, 12), (2, 2, 4, 6)]
    assert (maps.kind, maps.activation) == (MapKind.LOGITS, Activation.SOFTMAX)
    assert (maps.height, maps.width) == (32, 48)
    # Blue comes first: (90 - 10) / 2, (60 - 20) / 4, (30 - 30) / 5; the last and the first are kept.
    assert maps.levels[1][0, :, 0, 0].tolist() == [0.0, 40.0]
    assert maps.levels[1][1, :, 0, 0].tolist() == [-6.0, -5.0]


def test_a_letterbox_fills_below_and_a_stretch_fills_nothing(tmp_path: Path) -> None:
    boxed = OnnxDetector(describe(tiny_model(tmp_path / "a.onnx"), 'outputs = ["low"]\nfill = 7'))
    maps = boxed.class_maps([frame(10, 30)])
    assert (maps.height, maps.width) == (16, 48)
    assert maps.levels[0][0, 0, :, 0].tolist() == [30.0, 30.0, 7.0, 7.0]
    stretched = OnnxDetector(
        describe(tiny_model(tmp_path / "b.onnx"), 'outputs = ["low"]\nresize = "stretch"')
    )
    maps = stretched.class_maps([frame(10, 30)])
    assert (maps.height, maps.width) == (32, 48)
    assert torch.equal(maps.levels[0][0, 0], torch.full((4, 6), 30.0))


@pytest.mark.parametrize(
    ("size", "note", "message"),
    [
        ((32, 48), None, "which of its outputs are class maps"),
        ((32, 48), 'outputs = ["middle"]', r"has no output \['middle'\]; it has low, high"),
        ((32, 48), "output = 1", "'output': Extra inputs"),
        ((32, 48), "outputs = [", "cannot be read"),
        ((32, 48), "size = [32, 32]", "takes 48x32 pixels but its description says 32x32"),
        (("h", "w"), 'outputs = ["low"]', "takes pictures of any size"),
        ((32, 48), 'layout = "yolox"', "which is not a YOLOX"),
        ((32, 48), "classes = [1, 7]", r"m\.toml: 'classes' names 7 but a map has 3 classes"),
    ],
)
def test_a_bad_description_is_refused(
    tmp_path: Path, size: Any, note: str | None, message: str
) -> None:
    path = tiny_model(tmp_path / "m.onnx", size=size)
    if note is not None:
        describe(path, note)
    with pytest.raises(DataError, match=message):
        OnnxDetector(path).class_maps([frame(16, 24)])


def test_a_model_of_any_size_takes_the_described_one(tmp_path: Path) -> None:
    path = describe(tiny_model(tmp_path / "m.onnx", size=("h", "w")), "size = [24, 16]")
    maps = OnnxDetector(path).class_maps([frame(24, 16)])
    assert [tuple(level.shape[2:]) for level in maps.levels] == [(3, 2), (6, 4)]


def test_a_model_that_fails_names_its_frames(tmp_path: Path) -> None:
    path = tiny_model(tmp_path / "m.onnx")
    model = onnx.load(path)
    model.graph.initializer.append(numpy_helper.from_array(np.array([1, 1, 7, 7]), "shape"))
    model.graph.output.append(helper.make_tensor_value_info("odd", TensorProto.FLOAT, [1, 1, 7, 7]))
    model.graph.node.append(helper.make_node("Reshape", ["low", "shape"], ["odd"]))
    onnx.save(model, path)
    detector = OnnxDetector(describe(path, 'outputs = ["odd"]'))
    second = Record("id", "drives/b.avi", 24, 16, "v", 7, 7)
    with pytest.raises(DataError, match="m.onnx: fails on a.png, drives/b.avi#7 "):
        detector.class_maps([frame(16, 24), Frame(second, frame(16, 24).image)])


def small_yolox(path: Path, rows: dict[int, list[float]]) -> Path:
    """A model of 64 x 64 that says the same of every picture: of its 64 + 16 + 4 places, these rows and no more."""
    values = np.zeros((1, 84, 7), dtype=np.float32)
    for place, row in rows.items():
        values[0, place] = row
    source = helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, 3, 64, 64])
    output = helper.make_tensor_value_info("y", TensorProto.FLOAT, [1, 84, 7])
    known = [
        numpy_helper.from_array(values, "rows"),
        numpy_helper.from_array(np.zeros(1, np.float32), "zero"),
    ]
    nodes = [
        helper.make_node("ReduceMean", ["x"], ["mean"], axes=[1, 2, 3], keepdims=0),
        helper.make_node("Mul", ["mean", "zero"], ["nothing"]),
        helper.make_node("Add", ["rows", "nothing"], ["y"]),
    ]
    graph = helper.make_graph(nodes, "g", [source], [output], known)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    onnx.save(model, path)
    return path


def test_yolox_boxes_by_hand(tmp_path: Path) -> None:
    wide, tall = math.log(2), math.log(4)
    model = small_yolox(
        tmp_path / "yolox.onnx",
        {
            # Stride 8, row 2, column 3: centre (3.5 * 8, 2.25 * 8), sides 16 and 32; below, the picture ends at 32.
            2 * 8 + 3: [0.5, 0.25, wide, tall, 0.8, 0.5, 1.0],
            # The same box from the place beside it, less sure: gone.
            2 * 8 + 4: [-0.5, 0.25, wide, tall, 0.7, 0.5, 1.0],
            # The same box of the other class stays.
            2 * 8 + 5: [-1.5, 0.25, wide, tall, 0.6, 1.0, 0.5],
            # Stride 32, row 0, column 1, centre (48, 16), sides 32.
            64 + 16 + 1: [0.5, 0.5, 0.0, 0.0, 0.9, 1.0, 0.0],
            # Too faint.
            0: [0.5, 0.5, 0.0, 0.0, 0.04, 1.0, 1.0],
        },
    )
    detector = OnnxDetector(model)
    assert detector.gives == {Need.CLASS_MAPS, Need.BOXES}
    picture = frame(32, 64)
    [found] = detector.detect([Frame(picture.record, picture.image, 0.5)])
    # Stored, the picture is twice as large.
    wanted = np.array([[64, 0, 128, 64], [40, 4, 72, 64], [40, 4, 72, 64]])
    np.testing.assert_allclose(found.boxes, wanted, atol=1e-5)
    assert found.scores.tolist() == pytest.approx([0.9, 0.8, 0.6])
    assert found.classes.tolist() == [0, 1, 0]
    assert found.probabilities is not None
    assert found.probabilities.tolist() == [
        pytest.approx(row) for row in ([0.9, 0.0], [0.4, 0.8], [0.6, 0.3])
    ]


def test_only_the_classes_that_count_are_drawn(tmp_path: Path) -> None:
    model = small_yolox(
        tmp_path / "yolox.onnx",
        {9: [0.5, 0.5, 0.0, 0.0, 0.9, 1.0, 0.5], 30: [0.5, 0.5, 0.0, 0.0, 0.9, 1.0, 0.0]},
    )
    text = (
        'layout = "yolox"\nkind = "probabilities"\nclasses = [1]\nthreshold = 0.3\noverlap = 0.5\n'
    )
    describe(model, text)
    [found] = OnnxDetector(model).detect([frame(64, 64)])
    assert found.scores.tolist() == pytest.approx([0.45])
    assert found.classes.tolist() == [0]


def test_what_is_no_yolox_draws_no_boxes(tmp_path: Path) -> None:
    model = tiny_model(tmp_path / "tiny.onnx")
    describe(model, "")
    detector = OnnxDetector(model)
    assert detector.gives == {Need.CLASS_MAPS}
    with pytest.raises(CapabilityError, match="gives class maps alone"):
        detector.detect([frame(32, 48)])


def test_the_real_yolox_finds_the_people_of_pets09(yolox: Path, real_data: Path) -> None:
    """Every fifth frame, straight from the video; another implementation measured 0.899."""
    source = FilesSource(annotations="pets09/annotations.json", images="pets09", every=5)
    pets = open_source(source, real_data)
    detector = OnnxDetector(yolox)
    detections, truth = [], []
    for seen in pets.frames.stream(pets.frames.records):
        assert isinstance(seen, Frame)
        [found] = detector.detect([seen])
        people = found.take(found.classes == 0)
        detections.append(Detections(people.boxes, people.scores))
        drawn = pets.labels[seen.record.id]
        truth.append(Truth(replace(drawn, classes=np.zeros(len(drawn), np.int64))))
    assert len(truth) == 159
    assert average_precision(detections, truth, ("person",)).overall.ap50 >= 0.89
