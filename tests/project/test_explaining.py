"""Why a frame was chosen: what is told must be what the choice was made by."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image as Pillow

from tests.project.projects import SETTINGS, label_batch, tiny_project
from tests.tiny import TinyData
from thrifty.errors import CapabilityError, DataError
from thrifty.project.explaining import seeing, why
from thrifty.project.models import train
from thrifty.project.project import Project, open_project
from thrifty.project.selecting import select
from thrifty.project.settings import FILE
from thrifty.project.sources import Sampling, add_pool, ids_of
from thrifty.project.standing import standing
from thrifty.report.heat import measure
from thrifty.report.project_charts import learning_curve, timeline
from thrifty.store.project.rows import Choice, Role


@pytest.fixture(scope="module")
def grown(tiny: TinyData, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Project]:
    """A batch before there was a detector, one by the start weights, and one by the next model."""
    with tiny_project(tmp_path_factory.mktemp("explained") / "shop", tiny) as project:
        select(project)
        label_batch(project, tiny, 1)
        for number in (2, 3):
            train(project)
            if number == 3:
                train(project)
            select(project)
            label_batch(project, tiny, number)
        yield project


def chosen(project: Project, batch: int) -> list[Choice]:
    return project.store.choices(batch)


def reserved(project: Project) -> set[str]:
    return ids_of(project, Role.START) | ids_of(project, Role.TEST)


@pytest.mark.parametrize("batch", [2, 3])
def test_the_timeline_is_what_the_frames_were_ranked_by(grown: Project, batch: int) -> None:
    kept = reserved(grown)
    for choice in chosen(grown, batch):
        told = why(grown, choice.record.id, kept)
        assert told.scores is not None
        [place] = told.places([choice.record.id])
        assert place == choice.record.place == told.place
        index = told.scores.places.tolist().index(place)
        assert told.scores.raw[index] == choice.score
        if choice.shadow:
            assert np.isnan(told.scores.smoothed[index])
        else:
            assert told.scores.smoothed[index] == pytest.approx(choice.smoothed, rel=1e-12)
        # What was taken before, and what is judged by, was not to be had.
        gone = {one.record.place for one in chosen(grown, batch) if one.shadow}
        gone |= {one.record.place for one in grown.store.choices() if one.batch < batch}
        gone |= set(range(32, 40))
        nowhere = told.scores.places[np.isnan(told.scores.smoothed)]
        assert set(nowhere.tolist()) == gone
        lower = sum(score < choice.score for score in told.scores.raw)
        assert told.scores.share == lower / len(told.scores.raw)


def test_what_was_passed_over_is_told_at_the_frame_that_did_it(grown: Project) -> None:
    told = [why(grown, choice.record.id) for choice in grown.store.choices()]
    everything = [(number, one) for number in (1, 2, 3) for one in grown.store.held(number)]
    assert sum(len(one.held) for one in told) == len(everything) > 0
    for one in told:
        for number, held in one.held:
            assert held.because == one.choice.record.id
            assert number >= one.batch.number
            assert held.rule == ("current" if number == one.batch.number else "later")
            assert held.frame is not None
            assert abs(held.frame - (one.choice.record.frame or 0)) == held.distance


def test_the_map_is_the_one_that_made_the_score(grown: Project) -> None:
    batch = grown.store.batches()[2]
    asked = seeing(grown, batch)
    for choice in chosen(grown, 3):
        heat = measure(asked.maps(grown, choice), asked.settings)
        assert heat.score == pytest.approx(choice.score, rel=1e-5)
        assert heat.levels.shape[1:] == heat.total.shape


def test_settings_that_were_edited_since_explain_nothing_of_the_past(grown: Project) -> None:
    path = grown.folder / FILE
    choice = chosen(grown, 3)[0]
    before = why(grown, choice.record.id)
    try:
        path.write_text(SETTINGS + "\n[score]\nradius = 2\nsmoothing = 0\n")
        with open_project(grown.folder) as edited:
            after = why(edited, choice.record.id)
            assert seeing(edited, after.batch).settings == seeing(grown, before.batch).settings
    finally:
        path.write_text(SETTINGS)
    assert before.scores is not None
    assert after.scores is not None
    assert np.array_equal(before.scores.smoothed, after.scores.smoothed, equal_nan=True)


def test_counts_tell_what_was_sure_and_what_was_drawn(grown: Project) -> None:
    for choice in chosen(grown, 2):
        told = why(grown, choice.record.id)
        label = grown.store.labels()[choice.record.id]
        sure = int((told.found.scores >= 0.5).sum())
        assert told.counts(["person"], 0.5) == [("person", sure, len(label.drawn))]


def test_where_there_was_no_detector_there_is_no_map(grown: Project) -> None:
    first = chosen(grown, 1)[0]
    told = why(grown, first.record.id)
    assert told.model is None
    assert told.scores is None
    assert timeline(told) == ""
    with pytest.raises(CapabilityError, match="batch-001: was chosen before there was a detector"):
        seeing(grown, told.batch)
    with pytest.raises(DataError, match="no such frame was chosen"):
        why(grown, "absent")


def test_scores_that_are_gone_leave_the_rest(grown: Project) -> None:
    choice = chosen(grown, 2)[0]
    files = list((grown.folder / "scores").glob("model-001.*.parquet"))
    assert files
    content = {path: path.read_bytes() for path in files}
    try:
        for path in files:
            path.unlink()
        told = why(grown, choice.record.id)
        assert told.scores is None
        assert told.model is not None
    finally:
        for path, one in content.items():
            path.write_bytes(one)


def test_stills_stand_by_their_rank(tiny: TinyData, tmp_path: Path) -> None:
    with tiny_project(tmp_path / "shop", tiny) as project:
        train(project)
        add_pool(project, tiny.root / "stills", Sampling())
        # Stills of the start set are never chosen; these are others.
        others = tmp_path / "others"
        others.mkdir()
        rng = np.random.default_rng(1)
        for number in range(6):
            pixels = rng.integers(0, 255, (64, 96, 3), dtype=np.uint8)
            Pillow.fromarray(pixels).save(others / f"{number}.png")
        add_pool(project, others, Sampling())
        select(project, 30)
        stills = [one for one in project.store.choices(1) if one.record.sequence is None]
        assert stills
        for choice in stills:
            told = why(project, choice.record.id)
            assert told.scores is not None
            assert len(told.scores.raw) == 6
            assert told.place is not None
            assert told.scores.raw[told.place - 1] == choice.score
            assert (np.diff(told.scores.raw) <= 0).all()
            assert "Place by score" in timeline(told)


def test_charts_name_what_they_show(grown: Project) -> None:
    told = why(grown, chosen(grown, 3)[0].record.id, reserved(grown))
    drawn = timeline(told)
    for words in ("this frame", "chosen before", "same batch", "smoothed", "Place in the video"):
        assert words in drawn
    assert learning_curve(standing(grown).models, None) == ""
