import numpy as np
import pytest

from thrifty.errors import DataError
from thrifty.oracles.simulated import SimulatedOracle
from thrifty.types import Annotations, Record

A, B = Record("a", "a.png", 4, 4), Record("b", "b.png", 4, 4)
HIDDEN = {"a": Annotations(np.array([[0.0, 0, 1, 1]]))}


def test_submitting_twice_is_submitting_once() -> None:
    oracle = SimulatedOracle(HIDDEN)
    assert oracle.submit([A]) == oracle.submit([A])
    assert oracle.submit([A]) != oracle.submit([B])


def test_labels_come_back_for_the_batch_alone() -> None:
    oracle = SimulatedOracle(HIDDEN)
    assert oracle.collect(oracle.submit([A]), [A]) == {"a": HIDDEN["a"]}
    with pytest.raises(DataError, match="submitted with other frames"):
        oracle.collect(oracle.submit([A]), [B])


def test_a_frame_without_a_hidden_label_is_named() -> None:
    oracle = SimulatedOracle(HIDDEN)
    with pytest.raises(DataError, match=r"frame b.png has no hidden label"):
        oracle.collect(oracle.submit([B]), [B])
