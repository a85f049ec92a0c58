"""`python -m fuzz`: let a coverage-guided fuzzer loose on the readers, one process each, and print what came of it.

`python -m fuzz --one NAME -runs=N FOLDER` is what each of these processes runs; the arguments after the name are
libFuzzer's.
"""

from __future__ import annotations

import argparse
import random
import re
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from fuzz.corpus import pack, unpack

_LONGEST = 25
"""Seconds after which an input counts as a hang."""
_MEMORY = 2048
"""MiB after which an input counts as a leak."""
_BYTES = 0.3
"""Share of the inputs that are changed byte by byte rather than word by word."""


def fuzz_one(name: str, arguments: list[str]) -> None:
    """Fuzz one reader in this process; does not return."""
    import atheris

    from fuzz.mutation import mutate

    with atheris.instrument_imports(include=["thrifty.data"]):
        from fuzz.targets import targets
    target = dict(targets())[name]()
    folder = Path(tempfile.mkdtemp(prefix="fuzz-", dir=_memory()))

    def run(content: bytes) -> None:
        target.run(content, folder)

    def change(content: bytes, limit: int, seed: int) -> bytes:
        rng = random.Random(seed)
        if rng.random() < _BYTES:
            return bytes(atheris.Mutate(content, limit))
        return mutate(content, limit, rng)

    atheris.Setup([sys.argv[0], *arguments], run, custom_mutator=change)
    atheris.Fuzz()


def _memory() -> str | None:
    """A folder that lies in memory, where there is one."""
    return "/dev/shm" if Path("/dev/shm").is_dir() else None


def fuzz_all(names: list[str], runs: int, found: Path, *, keep: bool) -> bool:
    """Fuzz readers one after the other, and print a line for each.

    Args:
        names: Readers.
        runs: Inputs for each.
        found: Folder for inputs at fault.
        keep: Put the inputs that found new ways through into the corpus.

    Returns:
        Whether none crashed, hung, or raised what it should not.
    """
    print("| reader | inputs | seconds | inputs kept | what went wrong |")
    print("|---|---|---|---|---|")
    sound = True
    for name in names:
        with tempfile.TemporaryDirectory(dir=_memory()) as folder:
            grown = Path(folder)
            unpack(name, grown)
            began = time.monotonic()
            result = _run(name, runs, grown, found)
            seconds = time.monotonic() - began
            sound = sound and result.returncode == 0
            tried = max(map(int, re.findall(r"#(\d+)\t", result.stderr)), default=0)
            problem = "nothing" if result.returncode == 0 else _problem(result.stderr)
            kept = len(list(grown.iterdir()))
            print(f"| {name} | {tried:,} | {seconds:.0f} | {kept} | {problem} |", flush=True)
            if keep and result.returncode == 0:
                pack(name, grown)
    return sound


def _run(name: str, runs: int, grown: Path, found: Path) -> subprocess.CompletedProcess[str]:
    found.mkdir(parents=True, exist_ok=True)
    command = [sys.executable, "-m", "fuzz", "--one", name, f"-runs={runs}", "-seed=1"]
    limits = [f"-timeout={_LONGEST}", f"-rss_limit_mb={_MEMORY}", "-max_len=8192", "-len_control=0"]
    prefix = f"-artifact_prefix={found / name}-"
    return subprocess.run(
        [*command, *limits, prefix, str(grown)],
        capture_output=True,
        text=True,
        errors="replace",
        check=False,
    )


def _problem(output: str) -> str:
    lines = [line.strip() for line in output.splitlines() if "Error" in line or "ERROR" in line]
    return lines[0] if lines else "the process ended: " + output[-200:].replace("\n", " ")


def main() -> int:
    """Parse the command line and run."""
    if sys.argv[1:2] == ["--one"]:
        fuzz_one(sys.argv[2], sys.argv[3:])
    from fuzz.targets import targets

    known = [name for name, _ in targets()]
    parser = argparse.ArgumentParser(prog="python -m fuzz")
    parser.add_argument("names", nargs="*", help=f"readers, all if left out: {', '.join(known)}")
    parser.add_argument("--runs", type=int, default=100_000, help="inputs for each reader")
    parser.add_argument("--found", type=Path, default=Path("out/fuzz"), help="for inputs at fault")
    parser.add_argument("--keep", action="store_true", help="let the corpus grow")
    given = parser.parse_args()
    return 0 if fuzz_all(given.names or known, given.runs, given.found, keep=given.keep) else 1


if __name__ == "__main__":
    sys.exit(main())
