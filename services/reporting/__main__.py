"""Start reporting: `python -m services.reporting`."""

from __future__ import annotations

import asyncio
import signal
import sys

import asyncpg
from aiokafka.errors import KafkaError

from services.reporting.api import application
from services.reporting.notify.channels import ChannelsError
from services.reporting.notify.outbox import OtherLog
from services.reporting.schema import WrongLog
from services.reporting.service import Reporting
from services.reporting.signing import SigningError
from shared import journal as journals
from shared.broker import NotAdmitted, told
from shared.health import server
from shared.identity import NoTopic
from shared.journal import journal
from shared.keys import KeysError
from shared.log import Unavailable
from shared.settings import Settings, SettingsError, load

log = journal("reporting")

_OPERATOR = (
    WrongLog,
    OtherLog,
    KeysError,
    ChannelsError,
    SigningError,
    NoTopic,
    NotAdmitted,
    SettingsError,
)
_OUTSIDE = (Unavailable, KafkaError, OSError, asyncpg.PostgresError)


def main() -> int:
    """Run until SIGTERM. 0 done, 1 a fault of ours, 2 settings or environment."""
    try:
        settings = load()
        journals.configure("reporting", settings.log_level)
        reporting = Reporting(settings)
    except _OPERATOR as error:
        sys.stderr.write(f"reporting: {error}\n")
        return 2
    return asyncio.run(_run(settings, reporting))


async def _run(settings: Settings, reporting: Reporting) -> int:
    stopping = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stopping.set)
    http = server(application(reporting), settings.host, settings.reporting_port)
    serving = asyncio.create_task(http.serve(), name="http")
    waiting = asyncio.create_task(stopping.wait(), name="stop")
    work = asyncio.create_task(_work(reporting), name="reporting")
    try:
        done, _ = await asyncio.wait((serving, waiting, work), return_when=asyncio.FIRST_COMPLETED)
        return _outcome(settings, work) if work in done else 0
    finally:
        http.should_exit = True
        await asyncio.gather(serving, return_exceptions=True)
        work.cancel()
        waiting.cancel()
        await asyncio.gather(work, waiting, return_exceptions=True)
        await reporting.stop()


async def _work(reporting: Reporting) -> None:
    await reporting.start()
    await reporting.run()


def _outcome(settings: Settings, work: asyncio.Task[None]) -> int:
    error = work.exception()
    if error is not None:
        error = told(settings, error)
    if isinstance(error, (*_OPERATOR, *_OUTSIDE)):
        sys.stderr.write(f"reporting: {error}\n")
        return 2
    log.error("ended", exc_info=error)
    return 1


if __name__ == "__main__":
    sys.exit(main())
