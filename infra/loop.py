"""A coroutine run for a command, which Ctrl-C and SIGTERM end by cancelling it."""

from __future__ import annotations

import asyncio
import signal
import threading
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

T = TypeVar("T")


def run(main: Coroutine[Any, Any, T]) -> T:
    """As `asyncio.run`. Raises KeyboardInterrupt where it was told to end, once it has cleaned up.

    Unlike there, a signal that comes just as the loop begins to wait is heard at once, and none
    raises its exception between two lines of whatever runs, which would leave open what they had
    just opened.
    """
    told = False

    def end(task: asyncio.Task[Any] | None) -> None:
        nonlocal told
        told = True
        if task is not None:
            task.cancel()

    async def whole() -> T:
        with _heard(end):
            return await main

    try:
        return asyncio.run(whole())
    except asyncio.CancelledError:
        if told:
            raise KeyboardInterrupt from None
        raise


@contextmanager
def _heard(end: Callable[[asyncio.Task[Any] | None], None]) -> Iterator[None]:
    """Signals end the current task; what is ignored stays so, and elsewhere than in the main thread
    there are none.
    """
    loop, task = asyncio.get_running_loop(), asyncio.current_task()
    signals = (signal.SIGINT, signal.SIGTERM)
    main = threading.current_thread() is threading.main_thread()
    before = {number: signal.getsignal(number) for number in signals} if main else {}
    heard = [number for number, handler in before.items() if handler is not signal.SIG_IGN]
    for number in heard:
        loop.add_signal_handler(number, end, task)
    try:
        yield
    finally:
        for number in heard:
            loop.remove_signal_handler(number)
            signal.signal(number, before[number])
