"""Ends a stack whose owner has died: ``python -m infra.stack.guard RUN_FOLDER``.

The owner holds the other end of our standard input and never writes to it. When it ends, however it
ends (SIGKILL too), we read the end of file and stop what its ``run`` folder still names.
"""

from __future__ import annotations

import signal
import sys
from pathlib import Path

from infra.stack.process import running


def stop_all(run: Path) -> list[str]:
    """Stop every process named in `run`, services before servers; names of what was stopped."""
    children = sorted(running(run), key=lambda child: _ORDER.get(child.name, 0))
    for child in children:
        if child.name not in _ORDER:
            child.send(signal.SIGTERM)
    for child in children:
        child.stop(signal.SIGINT if child.name == "postgres" else signal.SIGTERM)
    return [child.name for child in children]


_ORDER = {"kafka": 1, "postgres": 2}


def main() -> None:
    """Wait for the owner's end, then stop what is left."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    sys.stdin.buffer.read()
    stop_all(Path(sys.argv[1]))


if __name__ == "__main__":
    main()
