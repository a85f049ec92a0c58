"""A pool looked at by any strategy, and what is chosen from it."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from threading import Event
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
import torch

from tests.strategies.deciding import taken
from tests.tiny import TinyData
from thrifty import scored_pool
from thrifty.chance import stage_seed
from thrifty.config import ChoiceSettings, ChoosingSection, DetectorSection
from thrifty.data.pool import Pool
from thrifty.detectors.checked import CheckedDetector
from thrifty.detectors.paper import PaperDetector, make_network
from thrifty.engine.ray_cluster import Cluster
from thrifty.errors import CapabilityError, RecipeError, RunError, ScoreError
from thrifty.scored_pool import Looking, Scoring, on_cluster, score_pool
from thrifty.selected_pool import select_frames
from thrifty.selection.budget import Budget
from thrifty.store.choice_file import Earlier
from thrifty.store.scored_frames import ScoredFrames, read_scores
from thrifty.strategies.catalogue import ROWS, make_strategy
from thrifty.strategies.strategy import Labelled
from thrifty.types import Need

FITTING = [name for name in ROWS if name != "ensemble"]


@dataclass
class Small:
    """A small network with fresh weights, which may be asked for less than it can give."""

    gives: frozenset[Need] = field(default_factory=lambda: frozenset(Need) - {Need.TRAINING})
    identity: str = "small"

    def open(self, device: str) -> CheckedDetector:
        settings = DetectorSection(width=0.1, box_scale=0.5)
        torch.manual_seed(3)
        detector = PaperDetector(settings, make_network(settings).state_dict(), 0.3, device)
        detector.gives = self.gives
        return CheckedDetector("small", detector)


def looking(name: str, selection: ChoosingSection | None = None) -> Looking:
    chosen = selection or ChoosingSection(exclude_current=2, exclude_later=1, passes=2)
    settings = ChoiceSettings(selection=chosen)
    return Looking(make_strategy(name, settings, "test"), settings)


def seen(tiny: TinyData, out: Path, by: Looking, source: Small | None = None) -> ScoredFrames:
    score_pool(Scoring(Pool(tiny.video), source, by), out)
    return read_scores(out)


@pytest.mark.parametrize("name", FITTING)
def test_a_pool_is_chosen_from_as_the_strategy_decides(
    name: str, tiny: TinyData, tmp_path: Path
) -> None:
    by = looking(name)
    frames = seen(tiny, tmp_path / "seen.parquet", by, Small())
    assert len(frames) == 40
    found = select_frames(frames, 4, by, seed=5)
    candidates = frames.records()
    rng = np.random.default_rng(stage_seed(5, 0, "select"))
    decided = by.strategy.decide(candidates, frames.observed, Budget(4), Labelled(), rng)
    assert [row.id for row in found.rows] == taken(decided, candidates)
    assert [row.rank for row in found.rows] == [1, 2, 3, 4]
    assert [held.row.id for held in found.held] == [
        candidates[held.index].id for held in decided.choice.held
    ]
    assert all(row.reason for row in found.rows)


@pytest.mark.parametrize("name", ["divergence", "guided-random", "core-set", "convex", "ppal"])
def test_what_was_chosen_before_is_not_chosen_again_and_is_heeded(
    name: str, tiny: TinyData, tmp_path: Path
) -> None:
    by = looking(name)
    frames = seen(tiny, tmp_path / "seen.parquet", by, Small())
    first = select_frames(frames, 3, by).rows
    earlier = Earlier(
        [row.id for row in first],
        [row.sequence for row in first],
        np.array([row.place for row in first], dtype=np.int64),
    )
    second = select_frames(frames, 3, by, earlier).rows
    assert not {row.id for row in first} & {row.id for row in second}
    if by.strategy.looks_back:
        records = frames.only(earlier.ids).records()
        columns = frames.only(earlier.ids).observed
        known = Labelled(records, columns, {}, np.zeros(1, dtype=np.int64))
        told = select_frames(frames, 3, by, earlier, known).rows
        assert [row.id for row in second] == [row.id for row in told]


def test_a_random_choice_asks_no_detector(tiny: TinyData, tmp_path: Path) -> None:
    by = looking("random")
    frames = seen(tiny, tmp_path / "seen.parquet", by)
    chosen = [
        [row.id for row in select_frames(frames, 5, by, seed=seed).rows] for seed in (0, 0, 1)
    ]
    assert chosen[0] == chosen[1] != chosen[2]


def test_diversity_and_balance_look_at_what_they_need(tiny: TinyData, tmp_path: Path) -> None:
    selection = ChoosingSection(exclude_current=1, exclude_later=0, diversity=3, balance=1)
    by = looking("divergence", selection)
    frames = seen(tiny, tmp_path / "seen.parquet", by, Small())
    assert set(frames.observed) == {"score", "expected objects", "picture features"}
    diverse = select_frames(frames, 4, by).rows
    plain = select_frames(frames, 4, looking("divergence")).rows
    assert {row.id for row in diverse} != {row.id for row in plain}
    assert "in features from" in diverse[0].reason


def test_one_strategy_s_unfinished_pool_is_not_another_s(tiny: TinyData, tmp_path: Path) -> None:
    out = tmp_path / "seen.parquet"
    seen(tiny, out, looking("entropy"), Small())
    with pytest.raises(RunError, match="holds something else than this pool scored this way"):
        seen(tiny, out, looking("margin-sum"), Small())


def test_boxes_alone_are_enough_for_who_looks_at_boxes(tiny: TinyData, tmp_path: Path) -> None:
    boxes = Small(frozenset({Need.BOXES}))
    by = looking("margin-sum")
    frames = seen(tiny, tmp_path / "seen.parquet", by, boxes)
    assert len(select_frames(frames, 3, by).rows) == 3
    with pytest.raises(
        CapabilityError, match="needs class maps.*strategies that fit: .*margin-sum"
    ):
        seen(tiny, tmp_path / "other.parquet", looking("divergence"), boxes)
    assert not (tmp_path / "other.parquet").exists()


def test_a_score_that_is_not_finite_names_its_own_frame(tiny: TinyData, tmp_path: Path) -> None:
    by = looking("divergence")
    frames = seen(tiny, tmp_path / "seen.parquet", by, Small())
    scores = frames.scores.copy()
    scores[7] = np.nan
    broken = ScoredFrames(
        frames.table.set_column(
            frames.table.column_names.index("score"), "score", pa.array(scores)
        ),
        frames.pooled,
    )
    wrong = rf"^frame {frames.records()[7].id}: score is nan"
    with pytest.raises(ScoreError, match=wrong):
        select_frames(broken, 3, by)
    with pytest.raises(ScoreError, match=wrong):
        by.strategy.decide(
            broken.records(), {"score": scores}, Budget(3), Labelled(), np.random.default_rng(0)
        )


@pytest.mark.parametrize(
    ("gpus", "batch", "most"), [(True, None, 32), (False, None, 4), (True, 7, 7)]
)
def test_a_cluster_sees_as_many_frames_at_once_as_suit_its_devices(
    tiny: TinyData, monkeypatch: pytest.MonkeyPatch, gpus: bool, batch: int | None, most: int
) -> None:
    """Whatever device the command itself has."""
    batches: list[int] = []

    def map_parts(*told: Any) -> Iterator[Any]:
        batches.append(told[4])
        return iter(())

    monkeypatch.setattr(scored_pool, "map_parts", map_parts)
    scoring = Scoring(Pool(tiny.video), None, looking("random"), "cpu", batch)
    on_cluster(Cluster(1, gpus))(scoring)((), Event())
    assert batches == [most]


def test_what_does_not_fit_is_said_before_any_work(tiny: TinyData, tmp_path: Path) -> None:
    with pytest.raises(RecipeError, match="unknown strategy 'best'; choose from divergence"):
        looking("best")
    with pytest.raises(CapabilityError, match="strategy 'ensemble' needs training"):
        seen(tiny, tmp_path / "seen.parquet", looking("ensemble"), Small())
    with pytest.raises(CapabilityError, match="strategy 'entropy' needs a detector"):
        seen(tiny, tmp_path / "seen.parquet", looking("entropy"))
