"""Which faults of PostgreSQL pass: the same for every service that keeps tables."""

from __future__ import annotations

from typing import Final

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
    asyncpg.TooManyConnectionsError,
    asyncpg.LockNotAvailableError,
    asyncpg.DeadlockDetectedError,
)
"""The work is done again, from what the tables say: an answer may have been lost, not refused."""

GONE: Final = (asyncpg.UndefinedTableError, asyncpg.InvalidSchemaNameError)
"""Somebody dropped the tables: they are to be made again."""
