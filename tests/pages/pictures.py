"""The pictures of docs/tutorial.md, taken anew: `make pictures`. It does what the tutorial says, with a real browser.

Prints what the tutorial quotes; takes some ten minutes.
"""

from __future__ import annotations

import re
import shutil
import tempfile
from pathlib import Path

from playwright.sync_api import Page, sync_playwright
from typer.testing import CliRunner

from tests.pages.person import Person
from tests.pages.serving import served
from thrifty.cli.main import app
from thrifty.data.formats.catalogue import read_dataset
from thrifty.data.rendered_files import ANSWERS
from thrifty.project.project import open_project
from thrifty.project.settings import FILE

ROOT = Path(__file__).parents[2]
TUTORIAL = ROOT / "docs" / "tutorial.md"
CYCLES = 3


def settings() -> str:
    """The settings that the tutorial tells people to write."""
    [block] = re.findall(r"```toml\n(.*?)```", TUTORIAL.read_text(), re.DOTALL)
    return str(block)


def command(folder: Path, *words: str) -> str:
    """A command, as the tutorial gives it."""
    done = CliRunner().invoke(
        app, list(words), env={"THRIFTY_PROJECT": str(folder / "town")}, catch_exceptions=False
    )
    assert done.exit_code == 0, done.output
    print(f"$ thrifty {' '.join(words)}\n{done.output}")  # noqa: T201 - it is what this is for
    return done.output


def begin(folder: Path) -> None:
    """The first part of the tutorial."""
    command(folder, "data", "street", str(folder / "street"))
    command(folder, "init", str(folder / "town"), "--class", "person")
    (folder / "town" / FILE).write_text(settings())
    command(folder, "add", "start", str(folder / "street" / "start" / "annotations.json"))
    command(folder, "add", "test", str(folder / "street" / "test" / "annotations.json"))
    command(folder, "add", "pool", str(folder / "street" / "pool"))


def walk(person: Person, folder: Path) -> None:
    """The second story, with a picture of each page."""
    tab = person.tab
    person.begin("train")
    tab.locator("#job progress").wait_for()
    tab.wait_for_timeout(5000)
    person.keep("training")
    tab.locator('#job[data-state="done"]').wait_for(timeout=600_000)
    for cycle in range(1, CYCLES + 1):
        print(person.give("evaluate"))  # noqa: T201
        print(person.give("select"))  # noqa: T201
        if cycle == 1:
            person.keep("next")
            look_around(tab, person, folder)
        person.label_batch(cycle)
        print(person.give("train"))  # noqa: T201
    print(person.give("evaluate"))  # noqa: T201
    person.keep("standing", whole=True)


def look_around(tab: Page, person: Person, folder: Path) -> None:
    """The batch, and why one of its frames."""
    tab.goto(f"{person.address}batches/1")
    tab.locator("#maps").check()
    tab.wait_for_timeout(15_000)
    person.keep("batch")
    with open_project(folder / "town") as project:
        choices = [one for one in project.store.choices(1) if not one.shadow]
        held = project.store.held(1)
    best = max(choices, key=lambda one: len([h for h in held if h.because == one.record.id]))
    tab.goto(f"{person.address}frames/{best.record.id}/why")
    tab.wait_for_load_state("networkidle")
    person.keep("why", whole=True)


def main() -> None:
    """Take them."""
    out = ROOT / "docs" / "pictures"
    out.mkdir(exist_ok=True)
    folder = Path(tempfile.mkdtemp())
    begin(folder)
    drawn = read_dataset(folder / "street" / ANSWERS).images
    with sync_playwright() as playwright, served(folder / "town") as address:
        browser = playwright.chromium.launch(
            executable_path=shutil.which("chromium"), args=["--no-sandbox", "--disable-gpu"]
        )
        tab = browser.new_page(viewport={"width": 1000, "height": 700})
        walk(Person(tab, address, {one.name: one.labels for one in drawn}, out), folder)
        browser.close()
    command(folder, "status")
    shutil.rmtree(folder)


if __name__ == "__main__":
    main()
