"""The campaign of kills in a small form: somebody dies in a run, and nothing comes of it.

Whoever may die elsewhere is killed by the tests of projects (`project/test_story.py`), of the cluster (`engine/test_ray_map.py`) and of
shared training.
"""

import pytest

from faults.__main__ import main


def test_whoever_is_killed_the_outcome_is_the_same(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--runs", "1", "--seed", "1", "--only", "loop"]) == 0
    told = capsys.readouterr().out
    assert "1 of 1 runs came out the same" in told
    assert told.count("| the same |") == 1
