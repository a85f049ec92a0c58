"""Scores as columns."""

from collections.abc import Sequence

import pyarrow as pa
from hypothesis import given
from hypothesis import strategies as st

from thrifty.store.scored_frames import ScoredFrames

NAMES = st.lists(st.sampled_from(["", "a", "ab", "b", "\u00fc", "0000.1", "0000.10"]), max_size=12)


def frames(chunks: Sequence[Sequence[str]]) -> ScoredFrames:
    """Cut in the middle of longer texts, as filters leave them."""
    padded = [pa.array(["before", *chunk, "after"])[1:-1] for chunk in chunks]
    ids = pa.chunked_array(padded, pa.string())
    return ScoredFrames(pa.table({"id": ids, "place": pa.array(range(len(ids)))}))


@given(st.lists(NAMES, min_size=1, max_size=4))
def test_of_copies_the_first_stays(chunks: list[list[str]]) -> None:
    known: dict[str, int] = {}
    for place, name in enumerate(name for chunk in chunks for name in chunk):
        known.setdefault(name, place)
    left = frames(chunks).distinct()
    assert left.table["id"].to_pylist() == list(known)
    assert left.table["place"].to_pylist() == list(known.values())


@given(st.lists(NAMES, min_size=1, max_size=4), st.sets(st.sampled_from(["a", "b", "zz"])))
def test_some_and_the_others_are_all(chunks: list[list[str]], some: set[str]) -> None:
    whole = frames(chunks)
    kept, rest = whole.only(some), whole.without(some)
    assert set(kept.table["id"].to_pylist()) <= some
    assert not set(rest.table["id"].to_pylist()) & some
    assert len(kept) + len(rest) == len(whole)
    assert [rest.ids[place] for place in range(len(rest))] == rest.table["id"].to_pylist()


def test_sequences_have_one_number_in_all_chunks() -> None:
    names = pa.chunked_array(
        [
            pa.array(["b", "a", None]).dictionary_encode(),
            pa.array(["a", "c"]).dictionary_encode(),
        ]
    )
    places = pa.chunked_array([[0, 1, None, 2, None]], pa.int64())
    table = pa.table({"id": list("vwxyz"), "sequence": names, "place": places})
    numbers = {"c": 0}
    line = ScoredFrames(table).timeline(numbers)
    assert line.sequences.tolist() == [numbers["b"], numbers["a"], -1, numbers["a"], -1]
    assert line.places.tolist() == [0, 1, 0, 2, 0]
    assert sorted(numbers) == ["a", "b", "c"]
