from __future__ import annotations

from dataclasses import replace

from thrifty.costs import CostModel
from thrifty.report.summary import summarize
from thrifty.report.verdict import verdict
from thrifty.study.comparison import findings, measurements

from . import synthetic


def _verdict(**parts: object) -> str:
    return " ".join(verdict(summarize(synthetic.points(**parts))))  # type: ignore[arg-type]


def test_verdict_names_figures_ratio_and_seeds() -> None:
    points = [
        synthetic.point(name, seed, 2, rate + 0.01 * seed, people, 60)
        for name, rate, people in (
            ("random", 0.5, 1),
            ("divergence", 0.30, 210),
            ("guided-random", 0.37, 100),
        )
        for seed in (0, 1, 2)
    ]
    assert verdict(summarize(points)) == (
        (
            "After 60 labelled frames divergence misses 0.31 of the people at one false positive per image, "
            "guided-random 0.38 (means of 3 seeds; divergence is the lower in 3 of 3, which these seeds cannot tell "
            "from chance, p = 0.500)."
        ),
        "Its chosen frames hold 2.10 times the people that guided-random’s hold; the paper reports 2.08 on Caltech.",
    )


def test_verdict_admits_chance_and_defeat() -> None:
    rates = {"divergence": (0.40, 0.36), "guided-random": (0.35, 0.37)}
    points = [
        synthetic.point(name, s, 1, rate, 50, 20)
        for name, pair in rates.items()
        for s, rate in enumerate(pair)
    ]
    assert (
        "means of 2 seeds; divergence is the lower in 1 of 2, which these seeds cannot tell from chance"
        in verdict(summarize(points))[0]
    )


def test_nobody_is_called_the_better_where_labels_do_not_matter() -> None:
    points = [
        synthetic.point(name, seed, 2, rate + 0.001 * seed, people, 60)
        for name, rate, people in (("divergence", 0.30, 210), ("guided-random", 0.37, 100))
        for seed in range(6)
    ]
    assert "which is no chance" in verdict(summarize(points))[0]
    first, people = verdict(summarize(points), ranked=False)
    assert first.endswith(
        "divergence misses 0.30 of the people at one false positive per image, guided-random 0.37 (means of 6 seeds; that labels "
        "matter on this set is not shown, so neither is called the better)."
    )
    assert people.startswith("Its chosen frames hold 2.10 times")


def test_verdict_of_one_seed_says_so() -> None:
    assert "one seed, which shows no spread" in _verdict(seeds=(4,))
    assert "one seed, which shows no spread" in _verdict(seeds=(4,), strategies=("divergence",))


def test_verdict_without_a_random_choice_claims_nothing() -> None:
    text = _verdict(strategies=("divergence",))
    assert "cannot say whether the choice beats chance" in text
    assert "paper" not in text
    assert "nothing to compare it with" in _verdict(strategies=("random",))
    assert "No cycle is finished yet" in _verdict(cycles=0)


def test_random_stands_in_for_guided_random_without_the_papers_figure() -> None:
    text = _verdict(strategies=("divergence", "random"))
    assert "random’s hold" in text
    assert "paper" not in text


def test_verdict_compares_after_the_last_cycle_that_both_finished() -> None:
    points = [p for p in synthetic.points() if p.strategy == "divergence" or p.cycle < 2]
    assert verdict(summarize(points))[0].startswith("After 20 labelled frames")


def test_larger_cycles_are_held_against_as_many_labels() -> None:
    points = [
        synthetic.point("divergence-3b", 0, 1, 0.40, 30, 42),
        synthetic.point("divergence-3b", 0, 2, 0.35, 60, 56),
        *(
            synthetic.point("guided-random", 0, cycle, 0.5 - 0.02 * cycle, 10 * cycle, 14 * cycle)
            for cycle in range(1, 5)
        ),
    ]
    summary = summarize(points)
    assert [row.ratio for row in summary.of("divergence-3b")] == [1.0, 1.5]
    first, found = verdict(summary)
    assert first.startswith("After 56 labelled frames divergence-3b misses 0.35")
    assert "guided-random 0.42 (" in first
    assert found == "Its chosen frames hold 1.50 times the people that guided-random’s hold."


def test_cells_are_no_people_and_the_papers_figure_is_of_its_own_pair() -> None:
    points = [
        synthetic.point(name, 0, 1, rate, people, 20)
        for name, rate, people in (("divergence", 0.3, 40), ("guided-random", 0.4, 20))
    ]
    first, found = verdict(summarize(points, "objects"))
    assert "misses 0.30 of the objects" in first
    assert found == "Its chosen frames hold 2.00 times the objects that guided-random’s hold."
    renamed = [replace(point, strategy=point.strategy.replace("div", "in")) for point in points]
    assert "paper" not in verdict(summarize(renamed))[1]


def test_no_people_in_the_reference_leaves_no_ratio() -> None:
    points = [
        synthetic.point("divergence", 0, 1, 0.4, 9, 20),
        synthetic.point("guided-random", 0, 1, 0.4, 0, 20),
    ]
    assert [row.ratio for row in summarize(points).rows] == [None, None]


def test_verdict_of_enough_seeds_says_what_is_no_chance() -> None:
    points = [
        synthetic.point(name, seed, 1, rate + 0.01 * (seed % 3), 50, 20)
        for name, rate in (("divergence", 0.3), ("guided-random", 0.4))
        for seed in range(8)
    ]
    assert "the lower in 8 of 8, which is no chance, p = 0.008" in verdict(summarize(points))[0]


def test_the_headline_is_corrected_for_all_strategies_like_the_findings_below_it() -> None:
    points = [
        synthetic.point(name, seed, cycle, rate + 0.01 * (seed % 3) - 0.05 * cycle, 50 * cycle, 20)
        for name, rate in (("divergence", 0.3), ("entropy", 0.4), ("guided-random", 0.4))
        for seed in range(6)
        for cycle in range(2)
    ]
    assert (
        "the lower in 6 of 6, which these seeds cannot tell from chance, p = 0.062"
        in verdict(summarize(points))[0]
    )
    finding = findings(measurements(points, CostModel()), "guided-random")[0]
    assert (finding.strategy, finding.final.p) == ("divergence", 2 * 2 / 2**6)


def test_budgets_that_bought_other_numbers_of_frames_are_told() -> None:
    points = [
        synthetic.point("divergence", 0, 1, 0.3, 50, 20),
        synthetic.point("guided-random", 0, 1, 0.4, 50, 28),
    ]
    assert verdict(summarize(points))[0].startswith(
        "After 20 labelled frames divergence misses 0.30 of the people at one false positive per image, "
        "guided-random 0.40 after 28 (one seed"
    )


def test_strategies_without_a_common_seed_are_not_tested() -> None:
    points = [
        synthetic.point(name, seed, 1, 0.3, 50, 20)
        for name, seeds in (("divergence", (0, 1)), ("guided-random", (2, 3)))
        for seed in seeds
    ]
    assert "(means of 2 seeds; no seed is in both)" in verdict(summarize(points))[0]
