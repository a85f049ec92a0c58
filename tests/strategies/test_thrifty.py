"""Divergence with a detector that goes on learning."""

from thrifty.config import ChoiceSettings
from thrifty.strategies.catalogue import make_strategy
from thrifty.strategies.divergence import Divergence
from thrifty.strategies.strategy import goes_on


class Mine(Divergence):
    warm = True


def test_a_strategy_of_your_own_goes_on_if_it_says_so() -> None:
    assert goes_on(Mine())
    assert not goes_on(Divergence())


def test_it_chooses_as_divergence_does_and_its_detector_goes_on() -> None:
    ours, paper = (
        make_strategy(name, ChoiceSettings(), "test") for name in ("thrifty", "divergence")
    )
    assert ours.views == paper.views
    assert (goes_on(ours), goes_on(paper)) == (True, False)
    assert (ours.name, paper.name) == ("thrifty", "divergence")
