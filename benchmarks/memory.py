"""How much memory this process took at its highest."""

from __future__ import annotations

from pathlib import Path


def peak_bytes() -> int:
    """The high-water mark of the resident set. `getrusage` would begin with that of the process that started us."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) * 1024
    raise RuntimeError("/proc/self/status names no VmHWM; this benchmark needs Linux")
