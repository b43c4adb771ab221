"""The journal: structured logs as JSON lines, without personal data.

Only plain values are written, and no key that could hold what a person said. An exception is
written as its type and the lines it passed, not as its message: a validation message quotes the
input.
"""

from __future__ import annotations

import logging
import sys
import time
import traceback
from collections.abc import MutableMapping
from typing import Any, Final, TextIO

import structlog

_MOST: Final = 300
"""Characters of a value that are kept."""

_WITHHELD: Final = frozenset(
    ("data", "payload", "value", "text", "name", "phone", "id_no", "contact", "body", "address")
)
_PLAIN = (str, int, float, bool, type(None))

Entry = MutableMapping[str, Any]


def configure(service: str, level: str = "info", stream: TextIO | None = None) -> None:
    """Write the journal of this process to stdout (or `stream`); libraries from warnings on."""
    shared: list[structlog.typing.Processor] = [
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        _exception,
        _withhold,
    ]
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.make_filtering_bound_logger(_number(level)),
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(stream or sys.stdout)
    handler.addFilter(_Calm())
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                _Service(service),
                structlog.processors.JSONRenderer(ensure_ascii=False),
            ],
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(max(_number(level), logging.WARNING))
    logging.getLogger("qingqian").setLevel(_number(level))


def journal(part: str) -> Any:
    """The journal of one part of a service; its methods take an event name and plain values."""
    return structlog.stdlib.get_logger(f"qingqian.{part}", part=part)


def _number(level: str) -> int:
    return logging.getLevelNamesMapping()[level.upper()]


_REPEATS_SECONDS: Final = 10.0
_MOST_KINDS: Final = 500
"""Messages told apart: some libraries write what differs into the message itself."""


class _Calm(logging.Filter):
    """Lets through what a library says once in ten seconds, and then how often it has said so.

    In an outage of the log the clients say the same some hundred times a second.
    """

    def __init__(self) -> None:
        super().__init__()
        self._said: dict[tuple[str, str], tuple[float, int]] = {}

    def filter(self, record: logging.LogRecord) -> bool:
        if record.name.startswith("qingqian"):
            return True
        key = (record.name, str(record.msg))
        now = time.monotonic()
        begun, swallowed = self._said.get(key, (float("-inf"), 0))
        if now - begun < _REPEATS_SECONDS:
            self._said[key] = (begun, swallowed + 1)
            return False
        if len(self._said) >= _MOST_KINDS:
            self._said.clear()
        self._said[key] = (now, 0)
        if swallowed:
            record.msg = f"{record.msg} ({swallowed} more like it)"
        return True


class _Service:
    def __init__(self, service: str) -> None:
        self.service = service

    def __call__(self, _logger: Any, _method: str, entry: Entry) -> Entry:
        entry["service"] = self.service
        return entry


def _exception(_logger: Any, _method: str, entry: Entry) -> Entry:
    info = entry.pop("exc_info", None)
    if info:
        error = info if isinstance(info, BaseException) else sys.exc_info()[1]
        if isinstance(info, tuple):
            error = info[1]
        if error is not None:
            frames = traceback.extract_tb(error.__traceback__)[-12:]
            entry["error"] = type(error).__name__
            entry["at"] = " < ".join(
                f"{frame.filename.rsplit('/', 1)[-1]}:{frame.lineno}" for frame in reversed(frames)
            )
    return entry


def _withhold(_logger: Any, _method: str, entry: Entry) -> Entry:
    for key in list(entry):
        if key.startswith("_"):
            continue
        value = entry[key]
        if key in _WITHHELD or not isinstance(value, _PLAIN):
            entry[key] = f"<{type(value).__name__}>"
        elif isinstance(value, str) and len(value) > _MOST:
            entry[key] = value[:_MOST] + "…"
    return entry
