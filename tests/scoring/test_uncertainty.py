"""Each measure of doubt by hand, and both of its forms against each other."""

import math
from collections.abc import Callable

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.devices import on
from tests.references import dense, frame_score
from thrifty.errors import ScoreError
from thrifty.maps import Activation, ClassMaps, MapKind
from thrifty.scoring import uncertainty
from thrifty.scoring.forms import Form, measure_pixels, score_passes
from thrifty.scoring.regions import RegionSettings, frame_scores
from thrifty.scoring.uncertainty import Measure

H = {p: -(p * math.log(p) + (1 - p) * math.log(1 - p)) for p in (0.1, 0.2, 0.5, 0.7)}


def one_pixel(*classes: float, activation: Activation = Activation.SIGMOID) -> ClassMaps:
    level = torch.tensor(classes, dtype=torch.float64).view(1, -1, 1, 1)
    return ClassMaps((level,), 1, 1, MapKind.PROBABILITIES, activation)


SOFT = Activation.SOFTMAX
BY_HAND: list[tuple[Measure, list[ClassMaps], float]] = [
    (Measure.ENTROPY, [one_pixel(0.1, 0.5)], H[0.1] + H[0.5]),
    (Measure.ENTROPY, [one_pixel(0.5, 0.5, 0.0, activation=SOFT)], math.log(2)),
    (Measure.MARGIN, [one_pixel(0.1, 0.5)], 0.2 + 1.0),
    (Measure.MARGIN, [one_pixel(0.6, 0.3, 0.1, activation=SOFT)], 0.7),
    (Measure.BALD, [one_pixel(0.0), one_pixel(1.0)], math.log(2)),
    (Measure.BALD, [one_pixel(0.5), one_pixel(0.5)], 0.0),
    (Measure.BALD, [one_pixel(0.1), one_pixel(0.3)], H[0.2] - (H[0.1] + H[0.7]) / 2),
    (
        Measure.BALD,
        [one_pixel(1.0, 0.0, activation=SOFT), one_pixel(0.0, 1.0, activation=SOFT)],
        math.log(2),
    ),
    (Measure.VARIATION_RATIO, [one_pixel(0.1, 0.9), one_pixel(0.3, 0.9)], 0.2 + 0.1),
    (
        Measure.VARIATION_RATIO,
        [one_pixel(0.6, 0.4, activation=SOFT), one_pixel(0.2, 0.8, activation=SOFT)],
        0.4,
    ),
    (Measure.MEAN_DEVIATION, [one_pixel(0.2, 0.5), one_pixel(0.4, 0.5)], 0.05),
    (
        Measure.DISAGREEMENT,
        [
            ClassMaps(
                tuple(torch.full((1, 1, 1, 1), p) for p in (0.2, 0.9, 0.5)),
                1,
                1,
                MapKind.PROBABILITIES,
            )
        ],
        0.7,
    ),
]


@pytest.mark.parametrize("form", [Form.REFERENCE, Form.NUMBA])
@pytest.mark.parametrize(("measure", "passes", "expected"), BY_HAND)
def test_by_hand(form: Form, measure: Measure, passes: list[ClassMaps], expected: float) -> None:
    assert float(measure_pixels(passes, measure, form)) == pytest.approx(expected, abs=1e-6)
    assert float(score_passes(passes, measure, form=form)) == pytest.approx(expected, abs=1e-6)


@settings(max_examples=60)
@given(
    st.integers(0, 2**32 - 1),
    st.sampled_from(Measure),
    st.sampled_from(Activation),
    st.sampled_from(MapKind),
    st.integers(1, 40),
    st.integers(1, 40),
)
def test_the_fused_form_equals_the_reference(
    seed: int, measure: Measure, activation: Activation, kind: MapKind, height: int, width: int
) -> None:
    generator = torch.Generator().manual_seed(seed)

    def one() -> ClassMaps:
        levels = [4 * torch.randn(2, 3, *shape, generator=generator) for shape in ((2, 5), (6, 3))]
        if kind is MapKind.PROBABILITIES:
            soft = activation is Activation.SOFTMAX
            levels = [level.softmax(1) if soft else level.sigmoid() for level in levels]
        return ClassMaps(tuple(levels), height, width, kind, activation)

    passes = [one() for _ in range(4 if measure.over_passes else 1)]
    ours = measure_pixels(passes, measure, Form.NUMBA)
    plain = measure_pixels(passes, measure, Form.REFERENCE)
    torch.testing.assert_close(ours.double(), plain, atol=2e-6, rtol=0)
    regions = RegionSettings(7)
    torch.testing.assert_close(
        score_passes(passes, measure, regions, Form.NUMBA),
        frame_scores(plain, regions),
        atol=2e-6,
        rtol=0,
    )


def binary(p: np.ndarray) -> np.ndarray:
    """Equation 3."""
    return np.asarray(-(p * np.log(p) + (1 - p) * np.log1p(-p)))


def pass_over(
    shape: tuple[int, int],
    kind: MapKind = MapKind.LOGITS,
    spans: tuple[tuple[float, float], ...] = (),
    origins: tuple[tuple[float, float], ...] = (),
    seed: int = 0,
) -> ClassMaps:
    generator = torch.Generator().manual_seed(seed)
    level = 3 * torch.randn(1, 2, *shape, generator=generator)
    if kind is MapKind.PROBABILITIES:
        level = level.sigmoid()
    return ClassMaps((level,), 12, 17, kind, spans=spans, origins=origins)


DIFFERING = {
    "shapes of equal size": [pass_over((3, 5)), pass_over((5, 3), seed=1)],
    "resolutions": [pass_over((4, 4)), pass_over((8, 8), seed=1)],
    "kinds": [pass_over((3, 5)), pass_over((3, 5), MapKind.PROBABILITIES)],
    "kinds, the other way round": [pass_over((3, 5), MapKind.PROBABILITIES), pass_over((3, 5))],
    "spans": [pass_over((3, 5)), pass_over((3, 5), spans=((16.0, 32.0),))],
    "origins": [pass_over((3, 5)), pass_over((3, 5), origins=((-1.5, -0.5),))],
}


@pytest.mark.parametrize("form", Form)
@pytest.mark.parametrize("measure", [one for one in Measure if one.over_passes])
@pytest.mark.parametrize("differing", DIFFERING)
def test_passes_of_differing_layouts_equal_the_loops(
    form: Form, measure: Measure, differing: str
) -> None:
    passes = DIFFERING[differing]
    p = np.stack([dense(one, 0)[0] for one in passes])
    mean = p.mean(axis=0)
    expected = {
        Measure.BALD: (binary(mean) - binary(p).mean(axis=0)).sum(axis=0),
        Measure.VARIATION_RATIO: np.minimum(mean, 1 - mean).sum(axis=0),
        Measure.MEAN_DEVIATION: p.std(axis=0).mean(axis=0),
    }[measure]
    there = [on(form, one) for one in passes]
    pixels = measure_pixels(there, measure, form)[0].cpu().numpy()
    np.testing.assert_allclose(pixels, expected, atol=1e-6, rtol=0)
    score = float(score_passes(there, measure, RegionSettings(5), form))
    assert score == pytest.approx(frame_score(expected, 5), abs=1e-6)


@pytest.mark.parametrize("form", Form)
def test_passes_beyond_float32_equal_passes_that_are_as_certain(form: Form) -> None:
    def scored(size: float) -> float:
        levels = [size * torch.tensor([[[[1.0, sign]]]]).double() for sign in (1, -1)]
        passes = [ClassMaps((level,), 4, 8) for level in levels]
        return float(score_passes([on(form, one) for one in passes], Measure.BALD, form=form))

    assert scored(1e300) == pytest.approx(scored(1e30), abs=1e-6)
    assert scored(1e300) == pytest.approx(math.log(2), abs=1e-6)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: uncertainty.bald([one_pixel(0.5)]), "give at least two"),
        (lambda: uncertainty.bald([]), "give at least two"),
        (lambda: uncertainty.bald([one_pixel(0.5), one_pixel(0.5, 0.5)]), "the passes differ"),
        (
            lambda: uncertainty.bald([one_pixel(0.5, 0.5), one_pixel(0.5, 0.5, activation=SOFT)]),
            "the passes differ",
        ),
        (
            lambda: score_passes([one_pixel(0.5), one_pixel(0.5, 0.5)], Measure.BALD),
            "the passes differ",
        ),
        (
            lambda: score_passes(
                [one_pixel(0.5, 0.5), one_pixel(0.5, 0.5, activation=SOFT)], Measure.BALD
            ),
            "the passes differ",
        ),
        (lambda: uncertainty.disagreement(one_pixel(0.5)), "these are 1"),
        (lambda: Measure.ENTROPY([one_pixel(0.5)] * 2), "a measure of one pass, got 2"),
        (lambda: score_passes([one_pixel(0.5)] * 2, Measure.MARGIN), "a measure of one pass"),
        (lambda: uncertainty.entropy(one_pixel(math.nan)), "not probabilities"),
        (lambda: score_passes([one_pixel(2.0)], Measure.ENTROPY), "not probabilities"),
    ],
)
def test_what_cannot_be_measured_is_refused(call: Callable[[], object], message: str) -> None:
    with pytest.raises(ScoreError, match=message):
        call()
