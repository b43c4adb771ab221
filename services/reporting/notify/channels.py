"""Where notifications go: a channel delivers a batch and says of each what became of it.

An adapter for another channel is one file with a class like those of `file` and `webhook`, an
entry of the document and a line in `_outlet`. Which channels there are is configuration; what
they sign with stands in a file of its own.
"""

from __future__ import annotations

import base64
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Final, Literal, Protocol

import orjson
from pydantic import BaseModel, ConfigDict, Field, HttpUrl, ValidationError

from services.reporting.notify.file import FileChannel
from services.reporting.notify.message import Message, Receipt
from services.reporting.notify.webhook import Webhook, WebhookChannel
from shared.policy import PolicyError, parse_yaml
from shared.settings import Settings

_PREFIX: Final = "whsec_"
_NAME: Final = r"^[a-z0-9][a-z0-9-]{0,39}$"


class ChannelsError(ValueError):
    """The channels file or its secrets make no sense; one line for the operator."""


class Channel(Protocol):
    """Delivers messages to one place, each at least once and under its own id.

    `most`: messages in one batch.
    """

    @property
    def most(self) -> int: ...

    async def deliver(self, messages: Sequence[Message]) -> list[Receipt]:
        """What became of each message, in order. Never raises for a fault of the other side."""
        ...

    async def close(self) -> None: ...


class _Entry(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    name: Annotated[str, Field(pattern=_NAME)]
    to: tuple[str, ...] = ()
    kinds: tuple[str, ...] = ()


class FileEntry(_Entry):
    kind: Literal["file"]
    path: Path


class WebhookEntry(_Entry):
    kind: Literal["webhook"]
    url: HttpUrl
    timeout_seconds: Annotated[float, Field(gt=0, le=60)] = 10


class _Document(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    channels: tuple[Annotated[FileEntry | WebhookEntry, Field(discriminator="kind")], ...]


@dataclass(frozen=True)
class Outlet:
    """A configured channel. `to`, `kinds`: only these recipients and kinds; empty means all."""

    name: str
    to: frozenset[str]
    kinds: frozenset[str]
    open: Callable[[], Channel]

    def takes(self, recipient: str, kind: str) -> bool:
        return (not self.to or recipient in self.to) and (not self.kinds or kind in self.kinds)


def load(settings: Settings) -> list[Outlet]:
    """The configured channels; none where there is no file. Raises ChannelsError."""
    path = settings.channels_path
    if not path.exists():
        return []
    try:
        document = _Document.model_validate(parse_yaml(path.read_text("utf-8"), path.name))
    except PolicyError as error:
        raise ChannelsError(str(error)) from None
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        where = "/".join(str(part) for part in first["loc"])
        raise ChannelsError(f"{path.name}: {where}: {first['msg']}") from None
    names = [entry.name for entry in document.channels]
    if len(names) != len(set(names)):
        raise ChannelsError(f"{path.name}: two channels have one name")
    secrets = _secrets(settings.channel_secrets_path)
    return [_outlet(entry, settings, secrets) for entry in document.channels]


def _secrets(path: Path) -> dict[str, Any]:
    """`{"name": ["whsec_…", …]}`: the first signs, and so do the others while they are changed."""
    if not path.exists():
        return {}
    try:
        found = orjson.loads(path.read_bytes())
    except orjson.JSONDecodeError as error:
        raise ChannelsError(f"{path.name}: not JSON ({error})") from None
    if not isinstance(found, dict):
        raise ChannelsError(f"{path.name}: an object is expected")
    return found


def _outlet(entry: FileEntry | WebhookEntry, settings: Settings, secrets: dict[str, Any]) -> Outlet:
    return Outlet(
        entry.name,
        frozenset(entry.to),
        frozenset(entry.kinds),
        _file(entry, settings) if isinstance(entry, FileEntry) else _webhook(entry, secrets),
    )


def _file(entry: FileEntry, settings: Settings) -> Callable[[], Channel]:
    path = settings.data_dir / entry.path
    return lambda: FileChannel(path)


def _webhook(entry: WebhookEntry, secrets: dict[str, Any]) -> Callable[[], Channel]:
    given = secrets.get(entry.name)
    if not isinstance(given, list) or not given or not all(isinstance(s, str) for s in given):
        raise ChannelsError(f"channel {entry.name} has no list of secrets to sign with")
    try:
        signers = tuple(Webhook(_secret(text)) for text in given)
    except ValueError:
        # Never the secret itself: the line goes to a journal.
        raise ChannelsError(
            f"channel {entry.name}: a secret is malformed (whsec_ and 24 to 64 bytes in base64)"
        ) from None
    return lambda: WebhookChannel(str(entry.url), signers, entry.timeout_seconds)


def _secret(text: str) -> bytes:
    """The key of a `whsec_…`. Raises ValueError where it is none, or a weak one."""
    key = base64.b64decode(text.removeprefix(_PREFIX), validate=True)
    if not text.startswith(_PREFIX) or not 24 <= len(key) <= 64:
        raise ValueError("no secret of Standard Webhooks")
    return key
