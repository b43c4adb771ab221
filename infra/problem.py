"""The two ways in which a command ends badly that are not a fault of ours: one line, one exit code.

Anything else that is raised is a bug and keeps its traceback.
"""

from __future__ import annotations


class Problem(Exception):
    """Ends a command with its message as one line on stderr."""

    exit_code = 2


class Refused(Problem):
    """The input was refused: the message names its line or field. Exit code 1."""

    exit_code = 1


class Unready(Problem):
    """Wrong usage, or something outside is missing: the message names the fix. Exit code 2."""

    exit_code = 2
