"""`python -m faults`: kill random processes at random moments, start again, and hold what comes out against the undisturbed outcome.

Each run plays one scenario with one kill, whom and when decided by the run's number and the seed. A kill that came too late is
drawn anew, so every run counted is one in which somebody died.
"""

from __future__ import annotations

import argparse
import random
import sys
import tempfile
import time
import traceback
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from faults.processes import LostError, Strike
from faults.scenarios import (
    Loop,
    ProjectInFile,
    ProjectInLabelStudio,
    ProjectOnServer,
    ProjectTrainedTogether,
    RayPool,
    Scenario,
)
from tests.labelling import Installed as LabelStudio
from tests.memories import postgres_server
from tests.tiny import write_tiny_data

_TRIES = 10
"""Times that a kill is drawn until it hits somebody."""


@dataclass
class Undisturbed:
    """A scenario as it goes by itself.

    Attributes:
        scenario: Which.
        seconds: How long its commands work.
        outcome: What comes of it.
    """

    scenario: Scenario
    seconds: float
    outcome: object


def main(arguments: list[str] | None = None) -> int:
    """Run the campaign; 1 if any outcome differed."""
    parser = argparse.ArgumentParser(prog="python -m faults", description=__doc__)
    parser.add_argument("--runs", type=int, default=100, help="in all")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--only", action="append", help="a scenario; again for more")
    parser.add_argument("--one", type=int, help="the run of that number alone")
    given = parser.parse_args(arguments)
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="faults-")))
        calm = [
            _undisturbed(scenario, folder / f"calm {scenario.name}")
            for scenario in _scenarios(folder, stack, given.only)
        ]
        for one in calm:
            print(f"{one.scenario.name}: undisturbed {one.seconds:.1f} s", flush=True)
        print("\n| run | what | killed | during | after | given again | outcome |", flush=True)
        print("|---|---|---|---|---|---|---|", flush=True)
        begun, wrong = time.monotonic(), []
        numbers = range(given.runs) if given.one is None else [given.one]
        for number in numbers:
            same = _run(number, given.seed, calm[number % len(calm)], folder / str(number))
            if not same:
                wrong.append(number)
        minutes = (time.monotonic() - begun) / 60
    print(
        f"\n{len(numbers) - len(wrong)} of {len(numbers)} runs came out the same, in {minutes:.0f} min"
    )
    if wrong:
        print(
            f"others: {', '.join(map(str, wrong))} (seed {given.seed}); again with the same options and --one NUMBER"
        )
    return int(bool(wrong))


def _scenarios(folder: Path, stack: ExitStack, only: list[str] | None) -> Iterator[Scenario]:
    data, ray = folder / "data", folder / "ray"
    data.mkdir()
    ray.mkdir()
    tiny = write_tiny_data(data)

    def labelling() -> LabelStudio:
        studio = folder / "label-studio"
        studio.mkdir()
        installed = LabelStudio.new(studio)
        stack.callback(installed.stop)
        installed.start()
        return installed

    makers: dict[str, Callable[[], Scenario]] = {
        "loop": lambda: Loop(tiny),
        "project": lambda: ProjectInFile(tiny),
        "server": lambda: ProjectOnServer(tiny, server=stack.enter_context(postgres_server())),
        "label-studio": lambda: ProjectInLabelStudio(tiny, labelling=labelling()),
        "ray": lambda: RayPool(ray),
        "training": lambda: ProjectTrainedTogether(tiny),
    }
    for name in only or makers:
        yield makers[name]()


def _undisturbed(scenario: Scenario, folder: Path) -> Undisturbed:
    folder.mkdir()
    never = Strike(float("inf"), lambda _: None)
    scenario.play(folder, never)
    return Undisturbed(scenario, never.worked, scenario.outcome(folder))


def _run(number: int, seed: int, calm: Undisturbed, folder: Path) -> bool:
    chance = random.Random(f"{seed} {number}")
    scenario = calm.scenario
    for attempt in range(_TRIES):
        who = chance.choice(sorted(scenario.victims))
        strike = Strike(chance.uniform(0, calm.seconds), scenario.victims[who])
        place = folder / str(attempt)
        place.mkdir(parents=True)
        try:
            again = scenario.play(place, strike)
            same = scenario.outcome(place) == calm.outcome
            told = "the same" if same else "**differs**"
        except Exception as error:
            again, same = 0, False
            told = f"**{error if isinstance(error, LostError) else traceback.format_exception_only(error)[-1].strip()}**"
        if strike.hit is not None or not same:
            print(
                f"| {number} | {scenario.name} | {who} | {strike.command} | {strike.after:.2f} s | {again} | {told} |",
                flush=True,
            )
            return same
        # It came too late: the machine was slower when it was measured.
        calm.seconds = min(calm.seconds, strike.worked)
    print(
        f"| {number} | {scenario.name} | nobody | | | | **no kill hit in {_TRIES} tries** |",
        flush=True,
    )
    return False


if __name__ == "__main__":
    sys.exit(main())
