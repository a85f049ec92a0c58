"""The campaign of kills in a small form: somebody dies in a project and on a cluster, and nothing comes of it; runs are killed in `tests/cli`."""

import pytest

from faults.__main__ import main


def test_whoever_is_killed_the_outcome_is_the_same(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--runs", "2", "--seed", "1", "--only", "project", "--only", "ray"]) == 0
    told = capsys.readouterr().out
    assert "2 of 2 runs came out the same" in told
    assert told.count("| the same |") == 2
