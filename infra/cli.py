"""The command line `qingqian`: names, arguments and exit codes of the contract, nothing else.

Each command imports its module only when it is called, so that the quick ones stay quick.
Exit codes: 0 done, 1 findings or refused input, 2 usage or environment.
"""

from __future__ import annotations

import logging
import os
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Literal

import typer

from infra.problem import Problem

app = typer.Typer(
    name="qingqian",
    help="清欠: a city's wage-arrears campaign on an event log.",
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)

_FILE = {"exists": True, "dir_okay": False, "readable": True}
InFile = Annotated[Path, typer.Argument(metavar="FILE.jsonl", **_FILE)]
OutFile = Annotated[Path, typer.Argument(metavar="FILE.jsonl", dir_okay=False)]
Story = Annotated[Path, typer.Argument(metavar="STORY.jsonl", **_FILE)]
Log = Annotated[
    Path | None, typer.Option("--log", metavar="FILE.jsonl", help="An exported log.", **_FILE)
]
Until = Annotated[
    str | None, typer.Option("--until", metavar="T", help="Last instant, RFC 3339, inclusive.")
]


@app.command()
def up() -> int:
    """Start the local stack with the four services, and leave it running."""
    from infra.stack import commands

    return commands.up()


@app.command()
def down(
    wipe: Annotated[bool, typer.Option("--wipe", help="Also remove the stack's data.")] = False,
) -> int:
    """Stop all of the local stack."""
    from infra.stack import commands

    return commands.down(wipe=wipe)


@app.command()
def doctor() -> int:
    """Name what is missing on this machine, and the fix."""
    from infra import doctor as module

    return module.run()


@app.command()
def topics() -> int:
    """Create the topics that are missing on the broker and check the others."""
    from infra import topics as module

    return module.run()


@app.command()
def keys() -> int:
    """Write a key for each role and unit, unless there are some."""
    from infra import keyring

    return keyring.run()


@app.command()
def feed(
    file: InFile,
    messages: Annotated[
        bool, typer.Option("--messages", help='Lines are messages {"id","title","text"}.')
    ] = False,
) -> int:
    """Stream complaints through intake; print receipts and a summary."""
    from infra import feed as module

    return module.run(file=file, messages=messages)


@app.command()
def upload(
    file: Annotated[Path, typer.Argument(metavar="FILE.csv|FILE.xlsx", **_FILE)],
    source: Annotated[str, typer.Option("--source", help="Whose spreadsheet it is.")],
    commit: Annotated[
        bool, typer.Option("--commit", help="Receive the rows; without it, a dry run.")
    ] = False,
) -> int:
    """Say what would become of each row of a spreadsheet; with --commit receive them."""
    from infra import upload as module

    return module.run(file=file, source=source, commit=commit)


@app.command()
def route(
    file: InFile,
    why: Annotated[
        bool, typer.Option("--why", help="Also the way through the rules, and what would flip it.")
    ] = False,
) -> int:
    """Say for each complaint where it would be routed, and why. Needs no stack."""
    from infra import route as module

    return module.run(file=file, why=why)


@app.command("dry-run")
def dry_run(
    story: Story,
    until: Until = None,
    policy: Annotated[
        str | None, typer.Option("--policy", metavar="ID", help="Policy book to decide under.")
    ] = None,
) -> int:
    """Run a story through the real deciders in continuous time. Needs no stack."""
    from infra import dry_run as module

    return module.run(story=story, until=until, policy=policy)


@app.command()
def audit(
    log: Log = None,
    key: Annotated[
        list[Path] | None,
        typer.Option(
            "--key",
            metavar="FILE.pub",
            help="Every checkpoint must be signed with it (or one of several), and none missing.",
            **_FILE,
        ),
    ] = None,
    checkpoints: Annotated[
        Path | None,
        typer.Option(
            "--checkpoints",
            metavar="FILE.json",
            help="An answer of GET /v1/checkpoints that was kept: the log must have what it says.",
            **_FILE,
        ),
    ] = None,
    as_json: Annotated[
        bool, typer.Option("--json", help="Nothing but findings on stdout.")
    ] = False,
) -> int:
    """Re-decide the log and name everything that is not as it must be."""
    from infra import audit as module

    return module.run(log=log, as_json=as_json, keys=key or (), checkpoints=checkpoints)


@app.command()
def export(
    file: OutFile,
    as_of: Annotated[
        str | None, typer.Option("--as-of", metavar="T", help="The log as it was at T, RFC 3339.")
    ] = None,
) -> int:
    """Write the whole log to a file."""
    from infra import export as module

    return module.run(file=file, as_of=as_of)


@app.command("import")
def import_(file: InFile) -> int:
    """Read an exported log into an empty one: same order, same trees."""
    from infra import importer as module

    return module.run(file=file)


@app.command()
def play(story: Story, until: Until = None) -> int:
    """Play a story through the real services on the log clock; needs an empty log."""
    from infra import play as module

    return module.run(story=story, until=until)


@app.command()
def rebuild(
    service: Annotated[
        Literal["intake", "routing", "supervision", "reporting"] | None,
        typer.Argument(metavar="[SERVICE]"),
    ] = None,
) -> int:
    """Drop a service's tables and rebuild them from the log."""
    from infra import rebuild as module

    return module.command(service=service)


@app.command()
def whatif(
    policy: Annotated[
        Path, typer.Option("--policy", metavar="FILE", help="The other policy book.", **_FILE)
    ],
    log: Log = None,
) -> int:
    """The same history under another policy: what differs."""
    from infra import whatif as module

    return module.run(policy=policy, log=log)


@app.command()
def explain(case: Annotated[str, typer.Argument(metavar="CASE_ID|NUMBER")]) -> int:
    """Why this unit, this deadline (day by day), this level."""
    from infra import explain as module

    return module.run(case=case)


@app.command()
def simulate(
    file: OutFile,
    seed: Annotated[int, typer.Option("--seed", help="The same seed, the same city.")] = 1,
    size: Annotated[Literal["small", "full"], typer.Option("--size")] = "full",
) -> int:
    """Write a made-up campaign as a story."""
    from infra import simulator as module

    return module.run(file=file, seed=seed, size=size)


@app.command()
def demo(
    exit_when_done: Annotated[bool, typer.Option("--exit", help="Stop by itself.")] = False,
    size: Annotated[Literal["small", "full"], typer.Option("--size")] = "full",
) -> int:
    """Start everything, play a campaign, print ranking, clearance and the audit's verdict."""
    from infra import demo as module

    return module.run(exit_when_done=exit_when_done, size=size)


@app.command()
def bench(
    only: Annotated[
        list[str] | None,
        typer.Option("--only", metavar="NAME", help="Measure this one; may be repeated."),
    ] = None,
) -> int:
    """Measure each figure beside its limit or peer."""
    from infra import bench as module

    return module.run(only or ())


def _fail(line: str, code: int) -> int:
    print(f"qingqian: {line}", file=sys.stderr, flush=True)
    return code


def _let_go_of_a_closed_pipe() -> None:
    """Where the reader has gone (`| head`) nothing more is said, not even at interpreter exit."""
    try:
        sys.stdout.flush()
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def main() -> None:
    """Run the command line and leave with the command's exit code."""
    sys.exit(_run())


@contextmanager
def _ended_by_sigterm() -> Iterator[None]:
    """SIGTERM ends a command as Ctrl-C does: through the same cleaning up (servers, copies of the
    log, half a start).
    """

    def stop(number: int, frame: object) -> None:
        del number, frame
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGTERM, stop)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _run() -> int:
    if len(sys.argv) == 1:
        sys.argv.append("--help")
    # What Kafka's client has to tell comes as an exception; its log lines are not for a terminal.
    logging.getLogger("aiokafka").addHandler(logging.NullHandler())
    try:
        with _ended_by_sigterm():
            code = app(prog_name="qingqian", standalone_mode=False)
        sys.stdout.flush()
        return code or 0
    except typer.Abort:
        return 130
    except typer.TyperException as error:
        message = error.format_message() if isinstance(error, typer.BadParameter) else str(error)
        context = getattr(error, "ctx", None)
        command = context.command_path if context is not None else "qingqian"
        return _fail(" ".join(message.split()).rstrip(".") + f"; see {command} --help", 2)
    except Problem as error:
        _let_go_of_a_closed_pipe()
        return _fail(str(error), error.exit_code)
    except (PermissionError, NotADirectoryError) as error:
        return _fail(f"{error.filename or 'a file'}: {error.strerror}", 2)
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:
        _let_go_of_a_closed_pipe()
        return 0
    except SystemExit as error:
        # The framework ends a command that writes to a closed pipe with 1, which is a finding here.
        if not isinstance(error.__context__, BrokenPipeError):
            raise
        return 0
    except Exception as error:
        # Known by name: importing them would cost the quick commands more than they take.
        if type(error).__name__ in ("SettingsError", "NotAdmitted"):
            _let_go_of_a_closed_pipe()
            return _fail(str(error), 2)
        raise


if __name__ == "__main__":
    main()
