"""`thrifty data`: annotations and pictures in and out."""

from __future__ import annotations

import io
import json
import re
from collections.abc import Callable, Hashable, Mapping, Sequence
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import numpy as np
import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from thrifty.cli.console import ConsoleProgress
from thrifty.config import FilesSource, Filter, load_recipe
from thrifty.data import splits
from thrifty.data.check import Checked, Finding, tally
from thrifty.data.check import check as find_problems
from thrifty.data.dataset import Dataset, LabelledImage
from thrifty.data.filters import PAPER_FILTERS, apply, with_names
from thrifty.data.folders import Folders
from thrifty.data.formats.catalogue import (
    FORMATS,
    find_format,
    read_dataset,
    recognised,
    write_dataset,
)
from thrifty.data.formats.format import Trait
from thrifty.data.formats.sizes import Sizes
from thrifty.data.listing import picture_names
from thrifty.data.sources import picture_folder, select
from thrifty.errors import DataError
from thrifty.files import replace_file, replace_folder
from thrifty.report.sheet import contact_sheet

app = typer.Typer(no_args_is_help=True)

_FOUND = 1

Source = Annotated[Path, typer.Argument(help="Annotation file, folder or ZIP archive.")]
From = Annotated[
    str | None,
    typer.Option("--from", help="Format of the source; recognised by its content if left out."),
]
Images = Annotated[
    Path | None,
    typer.Option(help="Folder of the pictures and videos, if not where the annotations lie."),
]
Size = Annotated[
    str | None, typer.Option(help="WIDTHxHEIGHT of all images, where nothing tells it.")
]


class Along(StrEnum):
    """What becomes of pictures when annotations are converted."""

    LEAVE = "leave"
    COPY = "copy"


class By(StrEnum):
    """What stays together in a split."""

    VIDEO = "video"
    TIME = "time"
    FOLDER = "folder"
    ATTRIBUTE = "attribute"


@app.command()
def formats(
    name: Annotated[
        str | None, typer.Argument(help="Say what this format keeps and what it loses.")
    ] = None,
) -> None:
    """List the annotation formats."""
    if name is not None:
        table = Table("kept", "lost")
        entry = find_format(name)
        kept = [trait.value for trait in Trait if trait in entry.holds]
        lost = [trait.value for trait in Trait if trait not in entry.holds]
        table.add_row("\n".join(kept), "\n".join(lost))
        Console().print(table)
        return
    for entry in FORMATS.values():
        kind = f"a {entry.suffix} file" if entry.suffix else "a folder"
        typer.echo(f"{entry.name}: {entry.title}, {kind}")


@app.command()
def convert(
    source: Source,
    destination: Annotated[
        Path, typer.Argument(help="File or folder to write; a folder must be new or empty.")
    ],
    to: Annotated[str, typer.Option(help="Format to write: see `thrifty data formats`.")],
    given: From = None,
    images: Images = None,
    size: Size = None,
    rule: Annotated[
        str | None,
        typer.Option("--filter", help=f"Keep what counts: {', '.join(PAPER_FILTERS)}."),
    ] = None,
    rename: Annotated[
        list[str] | None,
        typer.Option(help="Call a class otherwise; again for more classes.", metavar="OLD=NEW"),
    ] = None,
    pictures: Annotated[
        Along,
        typer.Option(
            help="Copy the pictures into the folder, frames of videos as PNG; or leave them."
        ),
    ] = Along.LEAVE,
) -> None:
    """Convert annotations, and say what the other format has no place for."""
    folders = _folders(source, images)
    dataset = read_dataset(source, given, _sizes(folders, size))
    if rule is not None:
        dataset = apply(_rules(rule), dataset, str(source))
    dataset = with_names(dataset, _renames(rename or ()))
    if pictures is Along.COPY:
        extracted, contents = folders.extracted(dataset), folders.contents(dataset)
        lost = write_dataset(extracted, destination, to, contents)
    else:
        lost = write_dataset(dataset, destination, to)
    typer.echo(f"{len(dataset.images)} images, {dataset.label_count} boxes: {destination}")
    for what, count in sorted(lost.items()):
        typer.echo(f"lost: {count} {what}", err=True)


@app.command()
def check(
    paths: Annotated[
        list[Path],
        typer.Argument(
            help="Annotations, folders of pictures, or a recipe (.toml) with its three sets."
        ),
    ],
    images: Images = None,
    data: Annotated[
        Path | None,
        typer.Option(envvar="THRIFTY_DATA", help="Folder that a recipe's paths are below."),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON instead of a table.")] = False,
) -> None:
    """Find duplicates, missing files, impossible boxes, class names that differ by case, and leaks between the sets.

    Ends with status 1 if a set is unsound; what may be meant, such as near-identical pictures, is shown only.
    """
    sets = [one for path in paths for one in _sets(path, images, data)]
    with ConsoleProgress(Console(stderr=True)) as progress:
        findings = find_problems(sets, progress)
    if as_json:
        typer.echo(json.dumps(_as_json(sets, findings), ensure_ascii=False, indent=1))
    else:
        _print_findings(sets, findings)
    if any(finding.is_error for finding in findings):
        raise typer.Exit(_FOUND)


@app.command()
def show(
    source: Source,
    out: Annotated[Path, typer.Option(help="Picture to write (.png or .jpg).")] = Path("sheet.png"),
    given: From = None,
    images: Images = None,
    size: Size = None,
    count: Annotated[int, typer.Option(min=1, max=400, help="Pictures on the sheet.")] = 24,
    columns: Annotated[int, typer.Option(min=1, max=20, help="Pictures in a row.")] = 4,
    seed: Annotated[int, typer.Option(min=0, help="Which pictures are drawn.")] = 0,
    labelled: Annotated[bool, typer.Option("--labelled", help="Only pictures with boxes.")] = False,
) -> None:
    """Draw a contact sheet: some pictures with their boxes."""
    if out.suffix.lower() not in {".png", ".jpg", ".jpeg"}:
        raise DataError(f"{out}: is no .png or .jpg; choose one of them")
    folders = _folders(source, images)
    dataset = _read_any(source, given, _sizes(folders, size))
    chosen = [image for image in dataset.images if image.labels or not labelled]
    if not chosen:
        raise DataError(f"{source}: has no images{' with boxes' if labelled else ''} to show")
    drawn = np.random.default_rng(seed).permutation(len(chosen))[:count]
    entries = folders.decode([chosen[place] for place in sorted(drawn.tolist())])
    buffer = io.BytesIO()
    sheet = contact_sheet(entries, dataset.categories, columns)
    sheet.save(buffer, "PNG" if out.suffix.lower() == ".png" else "JPEG", quality=90)
    replace_file(out, buffer.getvalue())
    typer.echo(f"{min(count, len(chosen))} of {len(chosen)} images: {out}")


@app.command()
def street(
    destination: Annotated[Path, typer.Argument(help="Folder to write; it must be new or empty.")],
    start: Annotated[int, typer.Option(min=1, help="Labelled stills to begin with.")] = 400,
    drives: Annotated[int, typer.Option(min=1, help="Videos to choose from.")] = 8,
    length: Annotated[int, typer.Option(min=1, help="Frames of each, ten a second.")] = 100,
    test: Annotated[int, typer.Option(min=1, help="Labelled stills to judge by.")] = 240,
    seed: Annotated[int, typer.Option(min=0, help="What it is made from.")] = 0,
) -> None:
    """Render a street to try things on: stills by day, videos at dusk, and what people would draw in them."""
    from thrifty.data.rendered_files import StreetFiles

    with ConsoleProgress(Console(stderr=True)) as progress:
        frames = start + test + drives * length
        replace_folder(destination, StreetFiles(seed, start, drives, length, test).files(progress))
    typer.echo(f"{frames} frames rendered: {destination}")


@app.command()
def split(
    source: Source,
    destination: Annotated[Path, typer.Argument(help="Folder to write; it must be new or empty.")],
    by: Annotated[By, typer.Option(help="What stays together.")],
    shares: Annotated[
        str, typer.Option(help="Share of each part.", metavar="NAME=SHARE,...")
    ] = "train=0.8,test=0.2",
    gap: Annotated[
        int, typer.Option(min=0, help="With --by time: frames left out between two parts.")
    ] = 30,
    attribute: Annotated[
        str | None, typer.Option(help="With --by attribute: the image attribute that groups.")
    ] = None,
    seed: Annotated[int, typer.Option(min=0, help="Which groups go where.")] = 0,
    given: From = None,
    images: Images = None,
    size: Size = None,
) -> None:
    """Split a data set so that no video, group or moment is in two parts; each part becomes a COCO file."""
    dataset = read_dataset(source, given, _sizes(_folders(source, images), size))
    wanted = _shares(shares)
    if by is By.TIME:
        made = splits.split_by_time(dataset, wanted, gap)
    else:
        made = splits.split_by_group(
            dataset, wanted, _group(by, attribute), np.random.default_rng(seed)
        )
    _write_split(
        made, dataset, destination, {"by": by.value, "shares": wanted, "gap": gap, "seed": seed}
    )
    for part, names in made.parts.items():
        typer.echo(f"{part}: {len(names)} images: {destination / part}.json")
    if made.left_out:
        typer.echo(f"left out between the parts: {len(made.left_out)} images")


def _folders(source: Path, images: Path | None) -> Folders:
    """The folder that is given, then where formats keep their pictures beside their annotations."""
    if images is not None:
        if not images.is_dir():
            raise DataError(f"{images}: no such folder; check --images")
        return Folders((images,))
    beside = source if source.is_dir() else source.parent
    usual = ("", "images", "JPEGImages", "image_2", "training/image_2")
    return Folders(tuple(beside / name for name in usual if (beside / name).is_dir()))


def _sizes(folders: Folders, size: str | None) -> Sizes:
    if size is None:
        return Sizes(folders.folders[0] if folders.folders else None)
    match = re.fullmatch(r"(\d{1,5})x(\d{1,5})", size)
    if match is None or "0" in {match[1], match[2]}:
        raise DataError(f"--size {size}: is no WIDTHxHEIGHT such as 640x480; correct it")
    return Sizes(size=(int(match[1]), int(match[2])))


def _rules(name: str) -> Filter:
    if name not in PAPER_FILTERS:
        raise DataError(f"--filter {name}: there is none; there are {', '.join(PAPER_FILTERS)}")
    return PAPER_FILTERS[name]


def _renames(given: Sequence[str]) -> dict[str, str]:
    names: dict[str, str] = {}
    for entry in given:
        old, sign, new = entry.partition("=")
        if not (old and sign and new):
            raise DataError(f"--rename {entry}: is no OLD=NEW; correct it")
        names[old] = new
    return names


def _sets(path: Path, images: Path | None, data: Path | None) -> list[Checked]:
    if path.suffix.lower() != ".toml":
        folders = _folders(path, images)
        return [Checked(str(path), _read_any(path, None, _sizes(folders, None)), folders)]
    recipe, _ = load_recipe(path)
    sources = {"start": recipe.start, "pool": recipe.pool, "test": recipe.test}
    return [
        Checked(name, select(source, data, checked=False), Folders((picture_folder(source, data),)))
        for name, source in sources.items()
        if isinstance(source, FilesSource)
    ]


def _read_any(path: Path, given: str | None, sizes: Sizes) -> Dataset:
    """Annotations; or, where there are none, the pictures of a folder."""
    if given is None and path.is_dir() and not recognised(path):
        return Dataset((), tuple(map(LabelledImage, picture_names(path))))
    return read_dataset(path, given, sizes, checked=False)


def _as_json(sets: Sequence[Checked], findings: Sequence[Finding]) -> dict[str, object]:
    return {
        "sets": [
            {
                "name": one.name,
                "images": len(one.dataset.images),
                "boxes": one.dataset.label_count,
                "classes": [category.name for category in one.dataset.categories],
                "unread": dict(one.dataset.unread),
            }
            for one in sets
        ],
        "findings": [
            {
                "kind": finding.kind.value,
                "error": finding.is_error,
                "where": finding.where,
                "what": finding.what,
            }
            for finding in findings
        ],
    }


_SHOWN = 20


def _print_findings(sets: Sequence[Checked], findings: Sequence[Finding]) -> None:
    console = Console()
    for one in sets:
        counts = f"{len(one.dataset.images)} images, {one.dataset.label_count} boxes"
        console.print(f"{one.name}: {counts}", markup=False, highlight=False)
    if not findings:
        console.print("nothing found")
        return
    table = Table("kind", "where", "what")
    for kind, count in tally(findings).items():
        some = [finding for finding in findings if finding.kind is kind][:_SHOWN]
        for finding in some:
            table.add_row(Text(kind.value), Text(finding.where), Text(finding.what))
        if count > _SHOWN:
            table.add_row(Text(kind.value), "", f"and {count - _SHOWN} more: --json lists all")
    console.print(table)
    errors = sum(finding.is_error for finding in findings)
    console.print(f"{errors} errors, {len(findings) - errors} that may be meant", highlight=False)


def _shares(text: str) -> dict[str, float]:
    shares: dict[str, float] = {}
    for entry in text.split(","):
        match = re.fullmatch(r"\s*([\w.-]+)\s*=\s*([0-9.]+)\s*", entry)
        if match is None or match[1] in shares or match[2].count(".") > 1 or match[2] == ".":
            raise DataError(
                f"--shares {text}: {entry!r} is no NAME=SHARE, or given twice; correct it"
            )
        shares[match[1]] = float(match[2])
    return shares


def _group(by: By, attribute: str | None) -> Callable[[LabelledImage], Hashable]:
    if by is By.ATTRIBUTE:
        if attribute is None:
            raise DataError("--by attribute: which one is not said; add --attribute NAME")
        return splits.by_attribute(attribute)
    return splits.by_folder if by is By.FOLDER else splits.by_video


def _write_split(
    made: splits.Split, dataset: Dataset, destination: Path, how: Mapping[str, object]
) -> None:
    lists = {"parts": dict(made.parts), "left_out": made.left_out}
    parts = {part: made.dataset(dataset, part) for part in made.parts}
    files = [
        (f"{part}.json", content)
        for part, one in parts.items()
        for _, content in FORMATS["coco"].write(one)
    ]
    manifest = json.dumps({**how, **lists}, ensure_ascii=False, indent=1).encode()
    replace_folder(destination, [*files, ("split.json", manifest)])
