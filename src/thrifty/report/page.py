"""The page itself: content in, one HTML document out."""

from __future__ import annotations

from pathlib import Path

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from thrifty.files import replace_file
from thrifty.report import figures, pictures
from thrifty.report.content import Content
from thrifty.report.gallery import chosen_groups, held_groups, scores
from thrifty.report.summary import count, number, summarize
from thrifty.report.verdict import verdict


def render(content: Content) -> str:
    """The page of a run.

    The same content gives the same text, byte for byte.

    Args:
        content: What to show.

    Returns:
        A complete HTML document that refers to nothing outside itself.
    """
    summary = summarize(content.points, content.objects)
    top = pictures.peak(frame.score_map for frame in content.chosen)
    drawn = figures.charts(summary, content.along, content.cost)
    environment = _environment()
    return environment.get_template("page.html.j2").render(
        content=content,
        summary=summary,
        verdict=verdict(summary, ranked=content.ranked),
        charts=[(chart, Markup(chart.svg)) for chart in drawn],  # noqa: S704 - our own SVG
        colour=lambda strategy: figures.colour(summary, strategy),
        chosen=chosen_groups(content.chosen, top),
        held=held_groups(content.passed_over, content.passed_over_counts),
        top=top,
        bar=pictures.colour_bar(),
        style=_style(environment),
    )


def write(content: Content, path: Path) -> None:
    """Render the page and put it at `path` in one step: a reader sees the old page or the new one.

    Args:
        content: What to show.
        path: Where the page goes; its folder must exist.
    """
    replace_file(path, render(content).encode())


def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader("thrifty.report"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters |= {"number": number, "count": count, "scores": scores}
    return environment


def _style(environment: Environment) -> Markup:
    """The style sheet, for the page's head; it holds nothing that came from a run."""
    return Markup(environment.get_template("page.css").render())  # noqa: S704 - our own file
