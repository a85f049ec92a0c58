"""The kernels' few functions against float64."""

from collections.abc import Callable

import numpy as np
import pytest
from numba import njit

from thrifty.scoring.kernels import elementary


def over(function: object) -> Callable[[np.ndarray], np.ndarray]:
    """Apply a kernel's function to every element, as the kernels do: in a loop that the compiler may vectorise."""

    @njit(fastmath=elementary.FAST, error_model="numpy")
    def loop(values: np.ndarray, result: np.ndarray) -> None:
        for index in range(len(values)):
            result[index] = function(values[index])  # type: ignore[operator]

    def call(values: np.ndarray) -> np.ndarray:
        result = np.empty_like(values)
        loop(values, result)
        return result

    return call


SPREAD = np.exp(np.linspace(-80, 0, 200_001)).astype(np.float32)


@pytest.mark.parametrize(
    ("function", "values", "exact"),
    [
        (elementary.exp_minus, np.linspace(0, 86, 200_001), lambda x: np.exp(-x)),
        (elementary.ln, SPREAD[:-9000], np.log),
        (elementary.ln_one_plus, SPREAD, np.log1p),
        (
            elementary.minor_entropy,
            SPREAD / 2,
            lambda p: -p * np.log(p) - (1 - p) * np.log1p(-p),
        ),
        (elementary.surprise, SPREAD[:-9000], lambda p: -p * np.log(p)),
        (elementary.folded_surprise, SPREAD / 2, lambda p: -p * np.log(p)),
        (elementary.folded_surprise, -SPREAD / 2, lambda a: -(1 + a) * np.log1p(a)),
    ],
)
def test_relative_error_is_within_three_units_in_the_last_place(
    function: object, values: np.ndarray, exact: Callable[[np.ndarray], np.ndarray]
) -> None:
    values = values.astype(np.float32)
    ours, wanted = over(function)(values), exact(values.astype(np.float64))
    assert np.abs(ours / wanted - 1).max() < 3 * 2.0**-23


def test_certainty_has_no_entropy() -> None:
    assert over(elementary.minor_entropy)(np.zeros(1, dtype=np.float32)).tolist() == [0]
    for certain in (elementary.surprise, elementary.folded_surprise):
        assert over(certain)(np.array([0, 1], dtype=np.float32)).tolist() == [0, 0]


def test_a_logit_s_probability_and_entropy() -> None:
    logits = np.linspace(-90, 90, 200_001).astype(np.float32)

    @njit(fastmath=elementary.FAST, error_model="numpy")
    def loop(values: np.ndarray, p: np.ndarray, entropy: np.ndarray) -> None:
        for index in range(len(values)):
            p[index], entropy[index] = elementary.sigmoid_with_entropy(values[index])

    p, entropy = np.empty_like(logits), np.empty_like(logits)
    loop(logits, p, entropy)
    e = np.exp(-np.abs(logits.astype(np.float64)))
    small = e / (1 + e)
    assert np.abs(p / small - 1)[small > 1e-37].max() < 3 * 2.0**-23
    assert np.abs(entropy - (np.log1p(e) + np.abs(logits) * small)).max() < 2e-7
