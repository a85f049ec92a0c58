"""The command line: a thin face that adds nothing the library lacks."""

from __future__ import annotations

import sys

INTERRUPTED = 130
STOPPED = "thrifty: stopped; run the same command again to go on"


def start() -> None:
    """Run a command; who presses Ctrl-C while it is still being loaded gets the same line as later on."""
    try:
        from thrifty.cli.main import main
    except KeyboardInterrupt:
        sys.stderr.write(f"{STOPPED}\n")
        sys.exit(INTERRUPTED)
    main()
