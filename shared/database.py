"""PostgreSQL, as every service sees it: which faults pass, whether it answers, whose turn it is."""

from __future__ import annotations

import asyncio
import ssl
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Any, Final

import asyncpg

PASSING: Final = (
    OSError,
    TimeoutError,
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,  # What a server that died in the middle of an answer can cause.
    asyncpg.PostgresConnectionError,
    asyncpg.CannotConnectNowError,
    asyncpg.AdminShutdownError,
    asyncpg.CrashShutdownError,
    asyncpg.InsufficientResourcesError,  # Its disk, its memory or its connections are used up.
    asyncpg.ReadOnlySQLTransactionError,  # A standby that is not promoted yet.
    asyncpg.LockNotAvailableError,
    asyncpg.DeadlockDetectedError,
)
"""The work is done again, from what the tables say: an answer may have been lost, not refused."""

REFUSED: Final = (
    asyncpg.InvalidAuthorizationSpecificationError,
    asyncpg.InvalidCatalogNameError,
    asyncpg.InsufficientPrivilegeError,
)
"""The server does not let us in as we are set up: for the operator to mend."""

GONE: Final = (asyncpg.UndefinedTableError, asyncpg.InvalidSchemaNameError)
"""Somebody dropped the tables: they are to be made again."""


async def connect(*arguments: Any, **options: Any) -> Any:
    """A connection, as `asyncpg.connect` makes it; also for a pool, as its `connect`.

    Where TLS does not come about as the URL wants it, that is a refusal (`REFUSED`) and no fault
    that passes, as the library tells it.
    """
    try:
        return await asyncpg.connect(*arguments, **options)
    except ssl.SSLCertVerificationError as error:
        raise _untrusted(f"certificate is not to be trusted ({error.verify_message})") from None
    except asyncpg.ClientConfigurationError as error:
        raise asyncpg.InvalidAuthorizationSpecificationError(str(error)) from None
    except ConnectionError as error:
        if "SSL" in str(error):
            raise asyncpg.InvalidAuthorizationSpecificationError(str(error)) from None
        raise


def _untrusted(reason: str) -> asyncpg.InvalidAuthorizationSpecificationError:
    return asyncpg.InvalidAuthorizationSpecificationError(f"the database's {reason}")


@asynccontextmanager
async def alone(url: str, name: str) -> AsyncIterator[asyncio.Event]:
    """While a session of the database holds the lock `name`; another process waits for it.

    The event is set when the session, and so the lock, is lost.
    """
    connection = await connect(url)
    lost = asyncio.Event()
    connection.add_termination_listener(lambda _: lost.set())
    try:
        await connection.execute("SELECT pg_advisory_lock(hashtextextended($1, 0))", name)
        yield lost
    finally:
        with suppress(*PASSING):
            await connection.close()


_PULSE_SECONDS: Final = 1.0


class Pulse:
    """Whether the database behind a pool answers. Probes are many: it is asked once a second."""

    def __init__(self, pool: Any) -> None:
        self._pool = pool
        self._answered_at = float("-inf")

    async def feel(self) -> None:
        """Raises what the database raises (`PASSING`), TimeoutError if no connection is free."""
        if time.monotonic() - self._answered_at < _PULSE_SECONDS:
            return
        async with self._pool.acquire(timeout=4) as connection:
            await connection.fetchval("SELECT 1", timeout=4)
        self._answered_at = time.monotonic()
