"""Curves of anybody's detections, as they are drawn."""

import numpy as np
import pytest
from matplotlib.figure import Figure

from thrifty.evaluation.miss_rate import Curve
from thrifty.report.curves import _miss_rate


@pytest.mark.parametrize("last", [0.5, 10.0, 50.0])
def test_a_curve_never_turns_back(last: float) -> None:
    """A detector may raise more false alarms an image than the picture is wide."""
    curve = Curve(np.array([0.1, 0.4, last]), np.array([0.6, 0.5, 0.2]), 1.0)
    axes = Figure().add_subplot()
    _miss_rate(axes, curve, "all")
    xs, ys = np.asarray(axes.lines[0].get_xdata()), np.asarray(axes.lines[0].get_ydata())
    assert (np.diff(xs) >= 0).all()
    assert xs[-1] == max(last, 10.0)
    assert (ys[0], ys[-1]) == (1.0, 0.2)
