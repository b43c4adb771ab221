"""Where a stack's processes put what they need for a moment: in its own data folder.

A process that is killed cannot clear away. What it leaves goes when the next one starts in its
place, or with the folder; in the system's own temporary folder it would stay.
"""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import Final

_LONGEST_SOCKET: Final = 103
"""Bytes of the path of a Unix socket: 107 on Linux, 103 on macOS, without the final NUL."""
_SOCKET: Final = "pymp-12345678/listener-12345678"
"""As Python's multiprocessing, of which intake has its helpers, names one below its folder."""


def emptied(folder: Path) -> Path:
    """A process' own folder, made anew: nobody else reads it, and nothing is in it."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True, mode=0o700, exist_ok=True)
    return folder


def setting(folder: Path) -> dict[str, str]:
    """The environment by which a process has its temporary files in a folder.

    None of it below a path so long that no socket could stand there: then it uses the system's.
    """
    fits = len(os.fsencode(folder / _SOCKET)) <= _LONGEST_SOCKET
    return {"TMPDIR": str(folder)} if fits else {}
