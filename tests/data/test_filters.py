"""Which labels count: hand-made boxes, and the paper's Table 1."""

from pathlib import Path

import pytest

from thrifty.config import Filter
from thrifty.data.dataset import Category, Dataset, Label, LabelledImage
from thrifty.data.filters import PAPER_FILTERS, Tally, apply, tally, visible_share
from thrifty.data.formats.catalogue import read_dataset
from thrifty.errors import DataError


def dataset(*labels: Label) -> Dataset:
    names = ("car", "person", "rider")
    return Dataset(tuple(map(Category, names)), (LabelledImage("a.png", 100, 100, labels),))


def counted(rules: Filter, *labels: Label) -> list[bool]:
    [image] = apply(rules, dataset(*labels)).images
    return [label.counts for label in image.labels]


LOW, HIGH, WIDE = (
    Label((0, 0, 5, 10), 1),
    Label((0, 0, 10, 50), 1),
    Label((0, 0, 60, 50), 1),
)


@pytest.mark.parametrize(
    ("rules", "expected"),
    [
        (Filter(), [True, True, True]),
        (Filter(min_height=50), [False, True, True]),
        (Filter(min_height=50, scale=0.5), [False, False, False]),
        (Filter(ratio=(0.2, 0.65)), [True, True, False]),
        (Filter(larger_than=(10, 50)), [False, False, True]),
        (Filter(larger_than=(10, 49)), [False, True, True]),
        (Filter(larger_than=(4, 1000)), [True, True, True]),
    ],
)
def test_what_falls_through_becomes_an_ignore_region(rules: Filter, expected: list[bool]) -> None:
    assert counted(rules, LOW, HIGH, WIDE) == expected


def test_classes_count_become_regions_or_go() -> None:
    labels = [Label((0, 0, 5, 10), category) for category in (0, 1, 2)]
    kept = apply(Filter(classes=("rider",), regions=("person",)), dataset(*labels))
    assert [entry.name for entry in kept.categories] == ["rider", "person"]
    assert [(label.category, label.ignore) for label in kept.images[0].labels] == [
        (1, True),
        (0, False),
    ]
    assert tally(kept) == Tally(objects=1, images=1)


def test_what_is_hidden_does_not_count() -> None:
    hidden = Label((0, 0, 10, 10), 1, visible=(0, 0, 10, 4))
    stated = Label((0, 0, 10, 10), 1, visibility=0.7)
    assert [visible_share(label) for label in (hidden, stated, LOW)] == [0.4, 0.7, 1.0]
    assert counted(Filter(min_visibility=0.65), hidden, stated, LOW) == [False, True, True]


def test_a_class_that_is_not_there_is_named() -> None:
    with pytest.raises(DataError, match=r"a\.json: has no class 'preson'.*only car, person, rider"):
        apply(Filter(classes=("preson",)), dataset(), "a.json")


def test_table_1_comes_out_for_citypersons(specimens: Path) -> None:
    """7,740 people in 1,835 images is what the paper's table says; its text states the other filter."""
    everything = read_dataset(specimens / "citypersons" / "anno_train.mat")
    assert len(everything.images) == 2975
    released = apply(PAPER_FILTERS["citypersons-released"], everything)
    assert tally(released) == Tally(objects=7740, images=1835)
    stated = PAPER_FILTERS["citypersons-paper"]
    assert tally(apply(stated, everything)) == Tally(objects=6858, images=1737)
    native = stated.model_copy(update={"scale": 1.0})
    assert tally(apply(native, everything)) == Tally(objects=13950, images=2293)
