"""The campaign of kills in a small form: somebody dies in each scenario, and nothing comes of it."""

import pytest

from faults.__main__ import main


def test_whoever_is_killed_the_outcome_is_the_same(capsys: pytest.CaptureFixture[str]) -> None:
    scenarios = ["--only", "loop", "--only", "project", "--only", "ray"]
    assert main(["--runs", "3", "--seed", "1", *scenarios]) == 0
    told = capsys.readouterr().out
    assert "3 of 3 runs came out the same" in told
    assert told.count("| the same |") == 3
