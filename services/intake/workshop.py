"""Prepares batches of complaints: small ones here, full ones in helper processes, one a core.

To prepare a complaint is most of its work and pure, so long streams have it done beside the loop. A
helper has a socket, on which it gets a batch and gives back what it made of it, as one piece of
MessagePack behind its length. (A pool of the library's would hand a batch through two threads and
pipes of 64 KiB, and leave what is under way unclear when one of its processes is lost.)
"""

from __future__ import annotations

import asyncio
import gc
import multiprocessing
import os
import socket
from collections.abc import Sequence
from contextlib import suppress
from datetime import datetime
from typing import IO, Any, Final

import msgspec

from services.intake.preparing import Prepared, Receipt, prepare_all
from services.intake.vault import Safe
from shared.journal import journal
from shared.keys import Key
from shared.policy import Policy, adopt

log = journal("intake.workshop")

_BULK: Final = 200
"""Lines of a batch from which helpers are worth their start."""
_SLICE: Final = 20
"""Lines prepared here before others have their turn."""
_STEP: Final = 50
"""Lines that a helper takes through each step together."""
_MOST_HELPERS: Final = 4
_LENGTH_BYTES: Final = 4
_REST_SECONDS: Final = 30.0
"""Helpers that get no batch for so long are let go: each holds a third of what the service does."""


class _Book(msgspec.Struct, frozen=True, array_like=True):
    """A policy book as adopted."""

    raw: dict[str, Any]
    adopted_at: datetime
    adoption_id: str


class _Batch(msgspec.Struct, frozen=True, array_like=True):
    """What a helper is given. `book`: from now on in force; None: the one that it knows."""

    raws: Sequence[bytes | None]
    key: Key
    now: datetime
    book: _Book | None


class _Made(msgspec.Struct, frozen=True, array_like=True):
    """What it gives back: those prepared, in order, and by their place those refused."""

    prepared: list[Prepared]
    refused: dict[int, Receipt]


_pack: Final = msgspec.msgpack.Encoder().encode
_batch: Final = msgspec.msgpack.Decoder(_Batch).decode
_made: Final = msgspec.msgpack.Decoder(_Made).decode


class Workshop:
    """Prepares batches. `helpers`: how many at most, by default one a core; `rest`: seconds without
    a batch after which they are let go.
    """

    def __init__(self, safe: Safe, helpers: int | None = None, rest: float = _REST_SECONDS) -> None:
        self.safe = safe
        self.rest = rest
        self.helpers = min(os.cpu_count() or 1, _MOST_HELPERS) if helpers is None else helpers
        self._idle: asyncio.Queue[_Helper | None] = asyncio.Queue()
        """None: for one who waits while there are none and none can be started."""
        self._waiting = 0
        self._crew: list[_Helper] = []
        self._starting = asyncio.Lock()
        self._asked = 0
        self._resting: asyncio.TimerHandle | None = None

    async def prepare(
        self, raws: Sequence[bytes | None], key: Key, now: datetime, policy: Policy
    ) -> list[Prepared | Receipt]:
        """A batch, in order."""
        if self.helpers and len(raws) >= _BULK:
            # To its end also if nobody waits for it any more: its answer must not be the next's.
            asked = asyncio.ensure_future(self._ask(raws, key, now, policy))
            made = await asyncio.shield(asked)
            if made is not None:
                return _in_order(_made(made), len(raws))
        found: list[Prepared | Receipt] = []
        for first in range(0, len(raws), _SLICE):
            part = raws[first : first + _SLICE]
            found += prepare_all(part, key, now, policy, self.safe)
            if len(raws) > _SLICE:
                await asyncio.sleep(0)
        return found

    async def _ask(
        self, raws: Sequence[bytes | None], key: Key, now: datetime, policy: Policy
    ) -> bytearray | None:
        """What a helper makes of a batch; None if it ended meanwhile (another takes its place), or
        if none can be had.
        """
        self._asked += 1
        try:
            return await self._by_a_helper(raws, key, now, policy)
        finally:
            self._asked -= 1
            if self._resting is not None:
                self._resting.cancel()
            loop = asyncio.get_running_loop()
            self._resting = loop.call_later(self.rest, self._let_go)

    def _let_go(self) -> None:
        """End the helpers if none of them is asked for."""
        if not self._asked:
            self.close()

    async def _by_a_helper(
        self, raws: Sequence[bytes | None], key: Key, now: datetime, policy: Policy
    ) -> bytearray | None:
        await self._start_missing()
        if not self._crew:
            return None
        self._waiting += 1
        try:
            helper = await self._idle.get()
        finally:
            self._waiting -= 1
        if helper is None:
            return None
        try:
            made = await helper.ask(raws, key, now, policy)
        except OSError as error:
            helper.close()
            if helper in self._crew:
                log.warning("helper_lost", error=type(error).__name__, helpers=self.helpers)
                self._crew.remove(helper)
                # Other batches may wait for one, and no later batch come that would start it.
                await self._start_missing()
                if not self._crew:
                    for _ in range(self._waiting):
                        self._idle.put_nowait(None)
            return None
        self._idle.put_nowait(helper)
        return made

    async def _start_missing(self) -> None:
        """Start helpers up to their number, or as many as can be had."""
        async with self._starting:
            while len(self._crew) < self.helpers:
                try:
                    helper = await asyncio.to_thread(_Helper, self.safe.master)
                except (OSError, EOFError) as error:
                    # No process or no socket is left; the next batch asks again.
                    log.warning("helper_not_started", error=type(error).__name__)
                    break
                self._crew.append(helper)
                self._idle.put_nowait(helper)

    def close(self) -> None:
        """Let the helpers go. The socket of one at work is closed by who waits for it: closed under
        the loop that watches it, its number could be another's before the loop has noticed.
        """
        if self._resting is not None:
            self._resting.cancel()
        for helper in self._crew:
            helper.hang_up()
        self._crew.clear()
        while not self._idle.empty():
            idle = self._idle.get_nowait()
            if idle is not None:
                idle.close()


def _in_order(made: _Made, count: int) -> list[Prepared | Receipt]:
    rest = iter(made.prepared)
    return [made.refused[place] if place in made.refused else next(rest) for place in range(count)]


class _Helper:
    """A process that prepares a batch at a time. It is forked from a server that has read the code,
    so that it shares its memory, and ends when our end of the socket does, however that ends.
    """

    def __init__(self, master: bytes) -> None:
        self._socket, theirs = socket.socketpair()
        self._socket.setblocking(False)
        self._hash = ""
        forking = multiprocessing.get_context("forkserver")
        forking.set_forkserver_preload([__name__])
        with theirs:
            forking.Process(target=_serve, args=(theirs, master), daemon=True).start()

    async def ask(
        self, raws: Sequence[bytes | None], key: Key, now: datetime, policy: Policy
    ) -> bytearray:
        """What it makes of a batch, packed. Raises OSError if it ends meanwhile."""
        book = None
        if self._hash != policy.hash:
            book = _Book(policy.raw, policy.adopted_at, policy.adoption_id)
        packed = _pack(_Batch(raws, key, now, book))
        length = len(packed).to_bytes(_LENGTH_BYTES, "big")
        await asyncio.get_running_loop().sock_sendall(self._socket, length + packed)
        size = int.from_bytes(await self._receive(_LENGTH_BYTES), "big")
        made = await self._receive(size)
        self._hash = policy.hash
        return made

    async def _receive(self, size: int) -> bytearray:
        loop = asyncio.get_running_loop()
        received = bytearray(size)
        with memoryview(received) as view:
            got = 0
            while got < size:
                count = await loop.sock_recv_into(self._socket, view[got:])
                if not count:
                    raise ConnectionResetError("the helper has ended")
                got += count
        return received

    def hang_up(self) -> None:
        """Let it end; who waits for its answer gets ConnectionResetError."""
        with suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        self._socket.close()


# --- inside a helper ------------------------------------------------------------------------------


def _serve(asked: socket.socket, master: bytes) -> None:
    """Prepare what comes, until the other end is closed."""
    # Nothing of a batch outlives it but what is remembered of texts: the young are looked through
    # once after each batch, and nothing else ever.
    gc.freeze()
    gc.disable()
    safe, policy = Safe(master), None
    # Whoever asked may end at any moment, in the middle of a batch or of its answer.
    with asked, asked.makefile("rb") as coming, suppress(ConnectionError):
        while packed := _next(coming):
            batch = _batch(packed)
            if batch.book is not None:
                policy = adopt(batch.book.raw, batch.book.adopted_at, batch.book.adoption_id)
            assert policy is not None, "the first batch comes with its book"
            made = _pack(_prepared(batch, policy, safe))
            asked.sendall(len(made).to_bytes(_LENGTH_BYTES, "big") + made)
            del packed, batch, made
            gc.collect(0)


def _next(coming: IO[bytes]) -> bytes | None:
    """The next batch, packed; None where nothing more comes, or only a part of one."""
    size = int.from_bytes(coming.read(_LENGTH_BYTES), "big")
    packed = coming.read(size)
    return packed if len(packed) == size else None


def _prepared(batch: _Batch, policy: Policy, safe: Safe) -> _Made:
    found: list[Prepared | Receipt] = []
    for first in range(0, len(batch.raws), _STEP):
        part = batch.raws[first : first + _STEP]
        found += prepare_all(part, batch.key, batch.now, policy, safe)
    return _Made(
        [item for item in found if isinstance(item, Prepared)],
        {place: item for place, item in enumerate(found) if isinstance(item, Receipt)},
    )
