"""What a finished run leaves for people: its page, and its figures as a tidy table."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from thrifty.report.content import Content
from thrifty.report.gather import gather
from thrifty.report.page import write
from thrifty.study.comparison import measurements, write_measurements
from thrifty.study.run import Run


@dataclass(frozen=True, slots=True, eq=False)
class Outcome:
    """Where it stands.

    Attributes:
        content: What the page shows.
        page: `report.html`.
        table: `learning_curves.csv`.
    """

    content: Content
    page: Path
    table: Path


def write_outcome(run: Run, out: Path) -> Outcome:
    """Write both into the run's folder, each whole or not at all."""
    content = gather(run)
    outcome = Outcome(content, out / "report.html", out / "learning_curves.csv")
    write(content, outcome.page)
    cost = run.context.recipe.cost.model
    write_measurements(measurements(content.points, cost), outcome.table)
    return outcome
