"""Every strategy of the house keeps the public contract, and the contract catches those that do not."""

from collections.abc import Sequence
from importlib.metadata import EntryPoint
from typing import Any

import numpy as np
import pytest

from thrifty.config import Recipe, parse_recipe
from thrifty.detectors.paper import PaperDetector
from thrifty.errors import CapabilityError, RecipeError
from thrifty.selection.budget import Budget
from thrifty.strategies import catalogue
from thrifty.strategies.catalogue import ROWS, make_strategies
from thrifty.strategies.scored import Pipeline, ScoredStrategy
from thrifty.strategies.strategy import Columns, Decision, Labelled
from thrifty.testing import check_strategy
from thrifty.types import Annotations, FloatArray, Need, Record
from thrifty.views import Boxes, Maps, Seen


def recipe(*names: str) -> Recipe:
    listed = ", ".join(f'"{name}"' for name in names)
    text = f"""
name = "x"
start = {{annotations = "a"}}
pool = {{annotations = "b"}}
test = {{annotations = "c"}}
selection = {{budget = 1, cycles = 1, strategies = [{listed}], exclude_current = 2, passes = 3, members = 3}}
score = {{region = 8, radius = 2}}
"""
    return parse_recipe(text, "x")


@pytest.mark.parametrize("name", ROWS)
def test_every_strategy_keeps_the_contract(name: str) -> None:
    [strategy] = make_strategies(recipe(name), PaperDetector.gives)
    assert strategy.name == name
    check_strategy(strategy)


class Brightness(ScoredStrategy):
    """Boxes in a frame: as good as any."""

    views = frozenset({Boxes()})

    def scores(self, seen: Seen) -> FloatArray:
        return np.array([float(len(found)) for found in seen[Boxes()]])


class OfTheBatch(Brightness):
    def scores(self, seen: Seen) -> FloatArray:
        return super().scores(seen) / len(seen)


class NotFinite(Brightness):
    def scores(self, seen: Seen) -> FloatArray:
        with np.errstate(divide="ignore"):
            return np.asarray(1.0 / super().scores(seen))


class ByOrder(Brightness):
    def decide(self, candidates: Sequence[Record], observed: Columns, *rest: Any) -> Decision:
        places = {"score": np.arange(len(candidates), dtype=np.float64)}
        return super().decide(candidates, places, *rest)


class ByChanceOfItsOwn(Brightness):
    _rng = np.random.default_rng(0)

    def decide(self, candidates: Sequence[Record], observed: Columns, *rest: Any) -> Decision:
        return super().decide(candidates, {"score": self._rng.random(len(candidates))}, *rest)


class TooFew(Brightness):
    def decide(
        self,
        candidates: Sequence[Record],
        observed: Columns,
        budget: Budget,
        labelled: Labelled,
        rng: np.random.Generator,
    ) -> Decision:
        return super().decide(candidates, observed, Budget(budget.amount - 1), labelled, rng)


class Spendthrift(Brightness):
    """Keeps to a number of frames, and takes none where they cost something."""

    def decide(
        self,
        candidates: Sequence[Record],
        observed: Columns,
        budget: Budget,
        labelled: Labelled,
        rng: np.random.Generator,
    ) -> Decision:
        most = Budget(0) if budget.costs is not None else budget
        return super().decide(candidates, observed, most, labelled, rng)


class WithoutRows(Brightness):
    def observe(self, seen: Seen, labels: Sequence[Annotations] | None = None) -> Columns:
        return {"score": self.scores(seen)[:1]}


@pytest.mark.parametrize(
    ("kind", "message"),
    [
        (OfTheBatch, "depends on what else is in the batch"),
        (NotFinite, "is not finite in frame"),
        (ByOrder, "depends on the order of the pool"),
        (ByChanceOfItsOwn, "decides differently when it is asked again"),
        (TooFew, "takes 0 frames instead of 1"),
        (Spendthrift, "takes nothing although the budget buys some"),
        (WithoutRows, "rows for"),
    ],
)
def test_what_breaks_the_contract_is_caught(kind: type[Brightness], message: str) -> None:
    with pytest.raises(AssertionError, match=message):
        check_strategy(kind("mine", Pipeline()))


def test_what_keeps_it_passes() -> None:
    check_strategy(Brightness("mine", Pipeline()))


def _registered(monkeypatch: pytest.MonkeyPatch, name: str, value: str) -> None:
    entry = EntryPoint(name, value, catalogue.GROUP)
    monkeypatch.setattr(catalogue, "entry_points", lambda group: [entry])


def mine(_recipe: Recipe) -> Brightness:
    return Brightness("mine", Pipeline())


def nothing(_recipe: Recipe) -> None:
    """A factory that forgot to return."""


def test_other_packages_register_theirs(monkeypatch: pytest.MonkeyPatch) -> None:
    _registered(monkeypatch, "mine", "tests.strategies.test_contract:mine")
    [strategy] = make_strategies(recipe("mine"), PaperDetector.gives)
    assert isinstance(strategy, Brightness)


def test_a_registration_at_fault_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    _registered(monkeypatch, "mine", "tests.strategies.nowhere:mine")
    with pytest.raises(RecipeError, match="strategy 'mine': tests.strategies.nowhere:mine cannot"):
        make_strategies(recipe("mine"), PaperDetector.gives)
    _registered(monkeypatch, "other", "tests.strategies.test_contract:mine")
    with pytest.raises(RecipeError, match="makes one that calls itself 'mine'"):
        make_strategies(recipe("other"), PaperDetector.gives)
    _registered(monkeypatch, "mine", "tests.strategies.test_contract:nothing")
    with pytest.raises(RecipeError, match="makes a NoneType without name, views, looks_back"):
        make_strategies(recipe("mine"), PaperDetector.gives)
    _registered(monkeypatch, "entropy", "tests.strategies.test_contract:mine")
    with pytest.raises(RecipeError, match="which thrifty has itself; rename it"):
        make_strategies(recipe("mine"), PaperDetector.gives)


def test_an_unknown_name_lists_all() -> None:
    with pytest.raises(RecipeError, match="unknown strategy 'wishes'; choose from divergence, "):
        make_strategies(recipe("wishes"), PaperDetector.gives)


def test_what_a_detector_cannot_give_is_refused_before_any_work() -> None:
    gives = frozenset({Need.CLASS_MAPS, Need.BOXES})
    make_strategies(recipe("divergence", "stability"), gives)
    with pytest.raises(CapabilityError, match="'core-set' needs features") as caught:
        make_strategies(recipe("core-set"), gives)
    fitting = str(caught.value).rsplit(": ", 1)[1].split(", ")
    assert {"divergence", "margin-sum", "consistency", "random"} <= set(fitting)
    assert not {"ppal", "bald", "tightness", "ensemble"} & set(fitting)


def test_views_are_equal_by_their_settings() -> None:
    """So that strategies that ask the same are answered once."""
    [one, other] = make_strategies(recipe("divergence", "entropy"), PaperDetector.gives)
    assert one.views == other.views == {Maps()}
