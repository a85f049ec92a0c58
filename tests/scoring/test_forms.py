"""One contract over all forms of the score, held against the equations written as loops."""

import math
import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from tests import references
from tests.devices import on
from thrifty.config import Statistic
from thrifty.errors import ScoreError
from thrifty.maps import Activation, ClassMaps, MapKind, upsample
from thrifty.scoring import forms
from thrifty.scoring.forms import DivergenceSettings, Form, choose_form, score_frames
from thrifty.scoring.regions import RegionSettings, Tiling

FORMS = list(Form)
HEADS = ((60, 80), (60, 80), (60, 80), (60, 80), (120, 160))


def make_maps(
    size: tuple[int, int],
    shapes: tuple[tuple[int, ...], ...] = ((1, 3, 5), (1, 6, 4)),
    kind: MapKind = MapKind.LOGITS,
    activation: Activation = Activation.SIGMOID,
    spread: float = 3.0,
    batch: int = 1,
    mean: float = -1.0,
) -> ClassMaps:
    rng = np.random.default_rng(sum(size))
    levels = []
    for shape in shapes:
        level = torch.from_numpy(rng.normal(mean, spread, (batch, *shape))).float()
        if kind is MapKind.PROBABILITIES:
            level = level.softmax(1) if activation is Activation.SOFTMAX else level.sigmoid()
        levels.append(level)
    return ClassMaps(tuple(levels), *size, kind, activation)


def shifted(origin: float) -> ClassMaps:
    """Two values over four columns, of which the first may begin a pixel outside."""
    return ClassMaps((torch.zeros(1, 1, 2, 2),), 4, 4, origins=((0.0, origin),))


def scored(maps: ClassMaps, radius: int, form: Form) -> np.ndarray:
    return forms.pixel_scores(on(form, maps), radius, form).double().cpu().numpy()


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("size", [(1, 1), (1, 40), (40, 1), (7, 33), (19, 19), (31, 25)])
@pytest.mark.parametrize("radius", [0, 1, 9, 60])
def test_every_pixel_equals_the_equations_written_as_loops(
    form: Form, size: tuple[int, int], radius: int
) -> None:
    maps = make_maps(size)
    expected = references.map_scores(maps, 0, radius)
    np.testing.assert_allclose(scored(maps, radius, form)[0], expected, atol=1e-6, rtol=0)


@pytest.mark.parametrize("form", [Form.REFERENCE, Form.NUMBA])
@pytest.mark.parametrize("size", [(7, 900), (481, 643)])
def test_large_odd_frames_equal_the_loops(form: Form, size: tuple[int, int]) -> None:
    maps = make_maps(size, ((1, 7, 11), (1, 61, 81)))
    expected = references.map_scores(maps, 0, 9)
    np.testing.assert_allclose(scored(maps, 9, form)[0], expected, atol=1e-6, rtol=0)
    whole = references.frame_score(expected, 30)
    assert float(score_frames(maps, form=form)) == pytest.approx(whole, rel=1e-6)


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("activation", Activation)
@pytest.mark.parametrize("kind", MapKind)
@pytest.mark.parametrize("origins", [(), ((-3.5, -3.5), (-1.75, 0.0))])
def test_classes_kinds_and_padded_and_shifted_maps_equal_the_loops(
    form: Form,
    activation: Activation,
    kind: MapKind,
    origins: tuple[tuple[float, float], ...],
) -> None:
    maps = make_maps((29, 37), ((3, 4, 5), (3, 8, 10)), kind, activation, batch=2)
    maps = replace(maps, spans=((32.0, 40.0), (29.0, 37.5)), origins=origins)
    scores = scored(maps, 4, form)
    for image in range(2):
        np.testing.assert_allclose(
            scores[image], references.map_scores(maps, image, 4), atol=1e-6, rtol=0
        )


def test_a_shifted_map_by_hand() -> None:
    """Two values, 4 pixels apart, on the pixels 0 and 4: what strides with padding make of 5 to 8 columns."""
    level = torch.tensor([[[[0.0, 4.0]]]])
    wide = upsample(level, 1, 7, (1.0, 8.0), (0.0, -1.5))
    assert wide.flatten().tolist() == [0.0, 1.0, 2.0, 3.0, 4.0, 4.0, 4.0]
    maps = ClassMaps((level,), 1, 7, spans=((1.0, 8.0),), origins=((0.0, -1.5),))
    assert torch.equal(maps.probabilities(), wide.sigmoid())


@settings(max_examples=60)
@given(
    st.integers(1, 70),
    st.integers(1, 70),
    st.integers(0, 12),
    st.integers(1, 40),
    st.sampled_from(Tiling),
    st.sampled_from(Activation),
    st.integers(1, 3),
    st.floats(0, 1),
)
def test_the_fused_kernel_equals_the_reference(
    height: int,
    width: int,
    radius: int,
    region: int,
    tiling: Tiling,
    activation: Activation,
    batch: int,
    shift: float,
) -> None:
    maps = make_maps((height, width), ((2, 3, 4), (3, 5, 2)), activation=activation, batch=batch)
    # At most half a value: six rows in the first level, four columns in the second.
    maps = replace(maps, origins=((-shift * height / 6, 0.0), (0.0, -shift * width / 4)))
    wanted = DivergenceSettings(radius, RegionSettings(region, tiling))
    ours = forms.summarise_maps(maps, wanted, Form.NUMBA)
    plain = forms.summarise_maps(maps, wanted, Form.REFERENCE)
    torch.testing.assert_close(ours.maxima.double(), plain.maxima, atol=1e-6, rtol=0)
    torch.testing.assert_close(ours.means, plain.means, atol=1e-6, rtol=0)


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("preset", [DivergenceSettings.paper(), DivergenceSettings.released()])
def test_frame_scores_of_both_presets_equal_the_loops(
    form: Form, preset: DivergenceSettings
) -> None:
    # Triton's interpreter takes seconds for each row of the image.
    slow = form is Form.TRITON and not torch.cuda.is_available()
    size, batch = ((33, 47), 1) if slow else ((64, 95), 2)
    maps = make_maps(size, batch=batch)
    result = score_frames(on(form, maps), preset, form)
    assert result.dtype == torch.float64
    for image in range(batch):
        pixels = references.map_scores(maps, image, preset.radius)
        expected = references.frame_score(pixels, 30, preset.regions.lead)
        assert float(result[image]) == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("activation", Activation)
@pytest.mark.parametrize("size", [1e4, 3e38])
def test_extreme_logits_are_certain_and_nothing_more(
    form: Form, activation: Activation, size: float
) -> None:
    level = torch.full((1, 2, 4, 4), -size)
    level[..., :2] = size
    level[:, 1] *= -1
    maps = ClassMaps((level,), 4, 4, activation=activation)
    scores = scored(maps, 1, form)
    assert np.isfinite(scores).all()
    # In the middle columns a window holds two certain columns of one answer and one of the other.
    mixed = math.log(3) - math.log(4) / 3
    mixed *= 1 if activation is Activation.SOFTMAX else 2
    np.testing.assert_allclose(scores[0, 0], [0, mixed, mixed, 0], atol=1e-6)


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("activation", Activation)
@pytest.mark.parametrize("size", [1e39, 1e300])
def test_logits_that_only_float64_holds_equal_the_loops(
    form: Form, activation: Activation, size: float
) -> None:
    level = torch.tensor([[[[1.0, -1.0, 3e-300]], [[2.0, -3.0, -1e-300]]]], dtype=torch.float64)
    maps = ClassMaps((level * size,), 3, 12, activation=activation)
    expected = references.map_scores(maps, 0, 1)
    assert expected.max() > 0.4
    np.testing.assert_allclose(scored(maps, 1, form)[0], expected, atol=1e-6, rtol=0)
    whole = references.frame_score(expected, 30)
    assert float(score_frames(on(form, maps), DivergenceSettings(1), form)) == pytest.approx(whole)


@pytest.mark.parametrize("form", FORMS)
def test_probabilities_of_exactly_0_and_1(form: Form) -> None:
    level = torch.tensor([[[[0.0, 1.0], [1.0, 0.0]]]])
    scores = scored(ClassMaps((level,), 2, 2, MapKind.PROBABILITIES), 1, form)
    np.testing.assert_allclose(scores, math.log(2), atol=1e-6)


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64])
def test_narrow_and_wide_floats_score_as_the_values_they_hold(
    form: Form, dtype: torch.dtype
) -> None:
    maps = make_maps((20, 30))
    narrow = ClassMaps(tuple(level.to(dtype) for level in maps.levels), 20, 30)
    expected = references.map_scores(narrow, 0, 4)
    np.testing.assert_allclose(scored(narrow, 4, form)[0], expected, atol=1e-6, rtol=0)


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
def test_maps_that_are_not_finite_are_refused_and_located(form: Form, bad: float) -> None:
    maps = make_maps((20, 30), batch=3)
    maps.levels[1][2, 0, 1, 1] = bad
    with pytest.raises(ScoreError, match=r"batch entries \[2\].*not logits") as caught:
        score_frames(on(form, maps), form=form)
    assert caught.value.entries == (2,)


@pytest.mark.parametrize(
    ("classes", "mean", "activation"),
    [(1, -1, Activation.SIGMOID), (9, -18, Activation.SIGMOID), (9, -1, Activation.SOFTMAX)],
)
def test_the_score_does_not_depend_on_threads_or_on_the_rest_of_the_batch(
    classes: int, mean: float, activation: Activation
) -> None:
    shapes = ((classes, 30, 22), (classes, 61, 44))
    maps = make_maps((241, 173), shapes, activation=activation, batch=3, mean=mean)
    settings_ = DivergenceSettings(regions=RegionSettings(statistic=Statistic.MEAN))
    before = torch.get_num_threads()
    try:
        results = []
        for threads in (1, 2, 5):
            torch.set_num_threads(threads)
            results.append(forms.summarise_maps(maps, settings_, Form.NUMBA))
    finally:
        torch.set_num_threads(before)
    alone = [
        forms.summarise_maps(
            ClassMaps(
                tuple(level[image : image + 1] for level in maps.levels),
                241,
                173,
                activation=activation,
            ),
            settings_,
            Form.NUMBA,
        )
        for image in range(3)
    ]
    for other in results[1:]:
        assert torch.equal(results[0].maxima, other.maxima)
        assert torch.equal(results[0].means, other.means)
    assert torch.equal(results[0].maxima, torch.cat([one.maxima for one in alone]))


@pytest.mark.parametrize("form", [Form.REFERENCE, Form.NUMBA])
@pytest.mark.parametrize("mean", [-1, -10, -18])
def test_relative_error_at_the_size_of_real_heads(form: Form, mean: float) -> None:
    maps = make_maps((480, 640), tuple((1, *head) for head in HEADS), mean=mean)
    pixels = references.map_scores(maps, 0, 9)
    expected = references.frame_score(pixels, 30)
    assert float(score_frames(maps, form=form)) == pytest.approx(expected, rel=3e-7, abs=0)


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("mean", [-25, -18, -10, 10])
def test_relative_error_where_a_detector_is_almost_certain(form: Form, mean: float) -> None:
    maps = make_maps((40, 52), ((1, 5, 7), (1, 10, 13)), mean=mean)
    expected = references.frame_score(references.map_scores(maps, 0, 4), 30)
    assert expected < 0.02
    ours = float(score_frames(on(form, maps), DivergenceSettings(4), form))
    assert ours == pytest.approx(expected, rel=1e-6, abs=0)


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("lead", [10, 18])
def test_relative_error_where_one_class_is_almost_certain(form: Form, lead: float) -> None:
    maps = make_maps((20, 26), ((3, 5, 7), (3, 10, 13)), activation=Activation.SOFTMAX)
    for level in maps.levels:
        level[:, 0] += lead
    expected = references.frame_score(references.map_scores(maps, 0, 4), 30)
    assert expected < 0.2
    ours = float(score_frames(on(form, maps), DivergenceSettings(4), form))
    assert ours == pytest.approx(expected, rel=2e-6, abs=0)


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("activation", Activation)
def test_three_levels_of_eighty_classes_equal_the_loops(form: Form, activation: Activation) -> None:
    # Triton's interpreter takes seconds for each row of the image.
    slow = form is Form.TRITON and not torch.cuda.is_available()
    size = (2, 9) if slow else (13, 21)
    maps = make_maps(size, ((80, 7, 10), (80, 4, 5), (80, 2, 3)), activation=activation)
    expected = references.map_scores(maps, 0, 4)
    np.testing.assert_allclose(scored(maps, 4, form)[0], expected, atol=5e-6, rtol=0)
    ours = float(score_frames(on(form, maps), DivergenceSettings(4), form))
    assert ours == pytest.approx(references.frame_score(expected, 30), rel=2e-7)


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("tiling", Tiling)
def test_a_region_or_window_beyond_the_image_is_the_image(form: Form, tiling: Tiling) -> None:
    maps = make_maps((13, 21))
    huge = DivergenceSettings(10**20, RegionSettings(10**20 - 1, tiling))
    expected = references.map_scores(maps, 0, 21)
    summary = forms.summarise_maps(on(form, maps), huge, form)
    assert summary.maxima.shape == (1, 1, 1)
    assert float(summary.maxima) == pytest.approx(expected.max(), abs=1e-6)
    assert float(summary.means) == pytest.approx(expected.mean(), abs=1e-6)


def test_the_device_of_the_maps_chooses_the_form_and_both_overrides_win(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    maps = make_maps((8, 8))
    monkeypatch.setenv("TRITON_INTERPRET", "1")
    monkeypatch.delenv(forms.VARIABLE, raising=False)
    assert choose_form(maps) is Form.NUMBA
    monkeypatch.setenv(forms.VARIABLE, "reference")
    assert choose_form(maps) is Form.REFERENCE
    assert choose_form(maps, Form.TRITON) is Form.TRITON
    monkeypatch.setenv(forms.VARIABLE, "abacus")
    with pytest.raises(ScoreError, match="abacus: no such form; use reference, numba, triton"):
        choose_form(maps)


def test_triton_without_gpu_or_interpreter_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    maps = make_maps((8, 8))
    monkeypatch.delenv("TRITON_INTERPRET", raising=False)
    with pytest.raises(ScoreError, match="triton: it cannot run on class maps on cpu here"):
        forms.pixel_scores(maps, form=Form.TRITON)
    monkeypatch.setenv(forms.VARIABLE, "triton")
    with pytest.raises(ScoreError, match="use numba or reference, or unset THRIFTY_SCORING"):
        score_frames(maps)


def test_triton_is_tested_somewhere() -> None:
    assert torch.cuda.is_available() or os.environ.get("TRITON_INTERPRET") == "1"


def test_a_map_may_end_inside_by_half_a_value_if_it_begins_outside() -> None:
    assert shifted(-1.0).origins == ((0.0, -1.0),)
    assert shifted(0.0).laid_out_like(ClassMaps((torch.zeros(1, 1, 2, 2),), 4, 4))
    assert not shifted(-1.0).laid_out_like(shifted(0.0))


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: ClassMaps((), 4, 4), "gave no class maps"),
        (lambda: ClassMaps((torch.zeros(4, 4),), 4, 4), "B x C x h x w"),
        (lambda: ClassMaps((torch.zeros(1, 1, 0, 4),), 4, 4), "B x C x h x w"),
        (lambda: ClassMaps((torch.zeros(1, 1, 2, 2).long(),), 4, 4), "int64"),
        (lambda: ClassMaps((torch.zeros(1, 1, 2, 2), torch.zeros(2, 1, 2, 2)), 4, 4), "B = 1"),
        (lambda: ClassMaps((torch.zeros(1, 1, 2, 2),), 0, 4), "4x0 pixels"),
        (
            lambda: ClassMaps((torch.zeros(1, 1, 2, 2),), 4, 4, activation=Activation.SOFTMAX),
            "a softmax over 1 class",
        ),
        (
            lambda: ClassMaps((torch.zeros(1, 1, 2, 2),), 4, 4, spans=((3.0, 4.0),)),
            "must cover all of it",
        ),
        (lambda: ClassMaps((torch.zeros(1, 1, 2, 2),), 4, 4, spans=((4.0, 4.0),) * 2), "2 spans"),
        (
            lambda: ClassMaps((torch.zeros(1, 1, 2, 2),), 4, 4, origins=((0.0, 0.0),) * 2),
            "2 origins",
        ),
        *(
            (partial(shifted, origin), "must cover all of it, from an origin at or before 0")
            for origin in (0.5, -1.5, math.nan, -math.inf)
        ),
        (lambda: DivergenceSettings(-1), "radius is -1"),
        (lambda: RegionSettings(0), "region size is 0"),
        (lambda: RegionSettings(top=0), "top is 0"),
        (lambda: RegionSettings(quantile=1.5), "quantile is 1.5"),
    ],
)
def test_impossible_maps_and_settings_are_refused(make: Callable[[], object], message: str) -> None:
    with pytest.raises(ScoreError, match=message):
        make()


def test_kernels_compile_for_a_gpu_that_is_not_there(tmp_path: Path) -> None:
    """The interpreter takes what the compiler does not."""
    environment = {**os.environ, "TRITON_CACHE_DIR": str(tmp_path)}
    environment.pop("TRITON_INTERPRET", None)
    program = Path(__file__).with_name("compiling.py")
    done = subprocess.run(
        [sys.executable, program], env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert len(done.stdout.splitlines()) == 7
