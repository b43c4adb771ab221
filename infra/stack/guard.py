"""Ends a stack whose owner has died: ``python -m infra.stack.guard RUN_FOLDER``.

The owner holds the other end of our standard input and never writes to it. When it ends, however it
ends (SIGKILL too), we read the end of file and stop what its ``run`` folder still names.
"""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
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


def start_guard(run: Path) -> subprocess.Popen[bytes]:
    """A guard of what `run` names; closing its standard input ends it."""
    return subprocess.Popen(
        [sys.executable, "-m", "infra.stack.guard", str(run)],
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )


@contextmanager
def guarded(run: Path) -> Iterator[None]:
    """While a guard watches over what `run` names."""
    guard = start_guard(run)
    try:
        yield
    finally:
        assert guard.stdin is not None
        guard.stdin.close()
        guard.wait(30)


def main() -> None:
    """Wait for the owner's end, then stop what is left."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    sys.stdin.buffer.read()
    stop_all(Path(sys.argv[1]))


if __name__ == "__main__":
    main()
