"""Start intake: `python -m services.intake`."""

from __future__ import annotations

import asyncio
import gc
import signal
import sys

import asyncpg

from services.intake import feeds_api, open311
from services.intake.api import application
from services.intake.service import Intake
from services.intake.tables import WrongLog
from services.intake.vault import VaultError
from shared import journal as journals
from shared.broker import NotAdmitted, told
from shared.health import server
from shared.identity import NoTopic
from shared.journal import journal
from shared.keys import KeysError
from shared.log import Unavailable
from shared.policy import PolicyError
from shared.settings import Settings, SettingsError, load

log = journal("intake")

_OPERATOR = (WrongLog, VaultError, KeysError, NoTopic, NotAdmitted, SettingsError, PolicyError)
_OUTSIDE = (Unavailable, OSError, asyncpg.PostgresError)


def main() -> int:
    """Run until SIGTERM. 0 done, 1 a fault of ours, 2 settings or environment."""
    try:
        settings = load()
        journals.configure("intake", settings.log_level)
        intake = Intake(settings)
    except _OPERATOR as error:
        sys.stderr.write(f"intake: {error}\n")
        return 2
    return asyncio.run(_run(settings, intake))


async def _run(settings: Settings, intake: Intake) -> int:
    stopping = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stopping.set)
    http = server(
        application(intake, feeds_api.install, open311.install), settings.host, settings.intake_port
    )
    serving = asyncio.create_task(http.serve(), name="http")
    waiting = asyncio.create_task(stopping.wait(), name="stop")
    work = asyncio.create_task(_work(intake), name="intake")
    try:
        done, _ = await asyncio.wait((serving, waiting, work), return_when=asyncio.FIRST_COMPLETED)
        return _outcome(settings, work) if work in done else 0
    finally:
        http.should_exit = True
        await asyncio.gather(serving, return_exceptions=True)
        work.cancel()
        await asyncio.gather(work, return_exceptions=True)
        await intake.stop()


async def _work(intake: Intake) -> None:
    await intake.start()
    # What stands now lives as long as the service; to look through it again costs each stream.
    gc.collect()
    gc.freeze()
    await intake.run()


def _outcome(settings: Settings, work: asyncio.Task[None]) -> int:
    error = work.exception()
    if error is not None:
        error = told(settings, error)
    if isinstance(error, (*_OPERATOR, *_OUTSIDE)):
        sys.stderr.write(f"intake: {error}\n")
        return 2
    log.error("ended", exc_info=error)
    return 1


if __name__ == "__main__":
    sys.exit(main())
