"""Inputs that fuzzing has found worth keeping: none may raise anything but a `DataError` of one line."""

from pathlib import Path

import pytest

from fuzz.corpus import inputs
from fuzz.targets import targets


@pytest.mark.parametrize("name", [name for name, _ in targets()])
def test_no_input_of_the_corpus_gets_through(tmp_path: Path, name: str) -> None:
    target = dict(targets())[name]()
    count = 0
    for content in inputs(name):
        target.run(content, tmp_path)
        count += 1
    assert count
