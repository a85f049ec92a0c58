"""Command lines that cannot be understood: one line, and nothing done."""

import pytest

from tests.command import thrifty


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (
            ("send", "--to", "nowhere"),
            "Invalid value for '--to': 'nowhere' is not one of 'cvat', 'folder', 'label-studio'; see",
        ),
        (("score",), "Missing argument 'pool'; see"),
        (("study", "--nosuch"), "No such option: --nosuch"),
        (("nosuch",), "No such command 'nosuch'; see"),
        (
            ("run", "demo", "--out", "x", "--jobs", "0"),
            "Invalid value for '--jobs': Input should be greater than or equal to 1; see",
        ),
    ],
)
def test_what_is_wrong_is_one_line(words: tuple[str, ...], message: str) -> None:
    done = thrifty(*words)
    assert done.returncode == 2
    assert done.stderr.startswith(f"thrifty: {message}")
    assert done.stderr.count("\n") == 1
    assert done.stderr.endswith("--help\n")


def test_who_says_nothing_is_shown_the_commands() -> None:
    done = thrifty()
    assert "A project" in done.stdout + done.stderr
    assert "thrifty: " not in done.stderr
