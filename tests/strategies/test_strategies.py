from itertools import pairwise

import numpy as np
import pytest
import torch

from tests import references
from thrifty.config import Recipe, Statistic, parse_recipe
from thrifty.detectors.paper import PaperDetector
from thrifty.maps import ClassMaps, MapKind, upsample
from thrifty.scoring.forms import DivergenceSettings
from thrifty.scoring.regions import RegionSettings, Tiling
from thrifty.selection.budget import Budget
from thrifty.selection.closeness import Rules
from thrifty.strategies.catalogue import make_strategies
from thrifty.strategies.divergence import Divergence
from thrifty.strategies.random import Random
from thrifty.strategies.scored import Pipeline
from thrifty.strategies.strategy import Labelled
from thrifty.types import Record
from thrifty.views import Maps, Seen

FRAMES = [Record(f"v-{place:02d}", "v.avi", 8, 8, "v", place, place) for place in range(20)]


def recipe(score: str = "") -> Recipe:
    text = """
name = "x"
start = {annotations = "a"}
pool = {annotations = "b"}
test = {annotations = "c"}
selection = {budget = 1, cycles = 1, strategies = ["divergence", "guided-random", "random"], exclude_current = 4}
"""
    return parse_recipe(text + score, "x")


def test_divergence_scores_equal_the_paper_s_equations_written_as_loops() -> None:
    rng = np.random.default_rng(0)
    levels = tuple(
        torch.from_numpy(rng.normal(0, 3, (2, 1, 5 + k, 7 + k))).float() for k in range(3)
    )
    maps = ClassMaps(levels, 33, 41)
    seen = Seen({Maps(): maps}, 2, [(41, 33)] * 2)
    scores = Divergence(DivergenceSettings(4, RegionSettings(10))).observe(seen)["score"]
    for image in range(2):
        expected = references.frame_score(references.map_scores(maps, image, 4), 10)
        assert scores[image] == pytest.approx(expected, abs=1e-6)


def test_divergence_smooths_before_it_chooses() -> None:
    observed = np.zeros(20)
    observed[3] = 1.0  # a lone spike
    observed[10:15] = 0.6  # a stretch that lasts
    columns, rng = {"score": observed}, np.random.default_rng(0)
    decision = Divergence().decide(FRAMES, columns, Budget(1), Labelled(), rng)
    assert decision.choice.chosen[0].index == 12
    unsmoothed = Divergence(pipeline=Pipeline(np.ones(1)))
    assert (
        unsmoothed.decide(FRAMES, columns, Budget(1), Labelled(), rng).choice.chosen[0].index == 3
    )


def test_guided_random_keeps_the_rules_and_random_does_not() -> None:
    guided, free = (
        Random(Pipeline(rules=Rules(4, 0)), "guided-random"),
        Random(Pipeline(rules=Rules(0, 0)), "random"),
    )
    gaps = {}
    for strategy in (guided, free):
        smallest = []
        for seed in range(200):
            taken = strategy.decide(
                FRAMES, {}, Budget(3), Labelled(), np.random.default_rng(seed)
            ).choice.chosen
            places = sorted(choice.index for choice in taken if not choice.dropped)
            smallest += [b - a for a, b in pairwise(places)]
        gaps[strategy.name] = min(smallest)
    assert gaps == {"guided-random": 5, "random": 1}


def test_random_draws_every_frame_equally_often() -> None:
    counts = np.zeros(20)
    for seed in range(2000):
        choice = (
            Random(Pipeline(rules=Rules(0, 0)), "random")
            .decide(FRAMES, {}, Budget(5), Labelled(), np.random.default_rng(seed))
            .choice
        )
        counts[[taken.index for taken in choice.chosen]] += 1
    assert counts.min() > 420
    assert counts.max() < 580


def test_random_does_not_depend_on_the_order_of_the_pool() -> None:
    strategy = Random(Pipeline(rules=Rules(2, 0)), "guided-random")

    def ids(frames: list[Record]) -> list[str]:
        choice = strategy.decide(frames, {}, Budget(4), Labelled(), np.random.default_rng(5)).choice
        return [frames[taken.index].id for taken in choice.chosen]

    assert ids(FRAMES) == ids(FRAMES[::-1])


def test_presets_set_radius_and_tiling() -> None:
    paper = make_strategies(recipe(), PaperDetector.gives)[0]
    released = make_strategies(recipe('[score]\npreset = "released"'), PaperDetector.gives)[0]
    mixed = make_strategies(
        recipe('[score]\npreset = "released"\nradius = 7'), PaperDetector.gives
    )[0]
    assert isinstance(paper, Divergence)
    assert isinstance(released, Divergence)
    assert isinstance(mixed, Divergence)
    assert (paper.settings, paper.pipeline.rules) == (DivergenceSettings.paper(), Rules(4, 2))
    assert released.settings == DivergenceSettings.released()
    assert mixed.settings == DivergenceSettings(7, RegionSettings(tiling=Tiling.RELEASED))


def test_a_recipe_sets_the_statistic() -> None:
    chosen = make_strategies(recipe('[score]\nstatistic = "top-k"\ntop = 3'), PaperDetector.gives)[
        0
    ]
    assert isinstance(chosen, Divergence)
    assert chosen.settings.regions == RegionSettings(statistic=Statistic.TOP_K, top=3)


def test_probabilities_are_taken_as_they_are_and_logits_are_squashed_after_resizing() -> None:
    level = torch.tensor([[[[-4.0, 4.0]]]])
    logits = ClassMaps((level,), 1, 4).probabilities()
    assert torch.allclose(logits, upsample(level, 1, 4).sigmoid())
    given = ClassMaps((level.sigmoid(),), 1, 2, MapKind.PROBABILITIES).probabilities()
    assert torch.equal(given, level.sigmoid())
