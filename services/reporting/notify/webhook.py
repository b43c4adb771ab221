"""The webhook channel: Standard Webhooks (id, timestamp, signature) over HTTPS, one POST each.

A short fault is tried again at once, with growing pauses (stamina); what lasts is the outbox's to
try again later. Redirects are not followed: the address is what was configured.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC
from email.utils import parsedate_to_datetime
from typing import Final

import httpx
import stamina
from standardwebhooks import Webhook as Webhook

from services.reporting.notify.message import Message, Receipt
from shared.clock import wall_now

ATTEMPTS: Final = 3
"""Attempts in a row before a message is left to the outbox's longer pauses."""

_AT_ONCE: Final = frozenset((408, 425, 500, 502, 503, 504))
"""Answers after which a second attempt a moment later may well be taken."""

_GONE: Final = 410
_LONGEST_WAIT: Final = 86_400.0
_DEAD: Final = 2
"""Messages in a row that fail: then the endpoint is what fails, and not one message."""


class Busy(Exception):
    """The endpoint answered that it cannot take it now."""

    def __init__(self, receipt: Receipt) -> None:
        super().__init__(receipt.detail)
        self.receipt = receipt


class WebhookChannel:
    """Posts to one URL. `signers`: every secret in use, so that one is changed without a gap."""

    most: Final = 10

    def __init__(self, url: str, signers: tuple[Webhook, ...], timeout: float) -> None:
        self._url = url
        self._signers = signers
        self._client = httpx.AsyncClient(timeout=timeout, follow_redirects=False)

    async def deliver(self, messages: Sequence[Message]) -> list[Receipt]:
        """One after the other; when the endpoint fails, the rest is held and not tried."""
        receipts: list[Receipt] = []
        failed = 0
        for message in messages:
            last = receipts[-1] if receipts else None
            if last is not None and (failed == _DEAD or last.gone or last.after is not None):
                receipts.append(Receipt("held", last.detail, last.after, last.gone))
                continue
            receipt = await self._deliver(message)
            failed = failed + 1 if receipt.outcome == "retry" else 0
            receipts.append(receipt)
        return receipts

    async def close(self) -> None:
        await self._client.aclose()

    async def _deliver(self, message: Message) -> Receipt:
        try:
            async for attempt in stamina.retry_context(
                on=(httpx.TransportError, Busy),
                attempts=ATTEMPTS,
                timeout=30.0,
                wait_initial=0.2,
                wait_max=3.0,
            ):
                with attempt:
                    return await self._post(message)
        except Busy as error:
            return error.receipt
        except httpx.HTTPError as error:
            return Receipt("retry", type(error).__name__)
        raise AssertionError("an attempt either returns or raises")

    async def _post(self, message: Message) -> Receipt:
        """One attempt. Raises Busy or httpx.TransportError for what may pass."""
        text = message.text
        answer = await self._client.post(
            self._url, content=text.encode(), headers=self._headers(message.id, text)
        )
        status = answer.status_code
        if answer.is_success:
            return Receipt("sent", str(status))
        after = _retry_after(answer.headers.get("retry-after"))
        receipt = Receipt("retry", str(status), after, gone=status == _GONE)
        if status in _AT_ONCE and after is None:
            raise Busy(receipt)
        return receipt  # It said when, or will not change its mind within seconds.

    def _headers(self, name: str, text: str) -> dict[str, str]:
        """The three headers of Standard Webhooks; the timestamp is that of this attempt."""
        now = wall_now().replace(microsecond=0)
        signatures = [signer.sign(name, now, text) for signer in self._signers]
        return {
            "content-type": "application/json",
            "user-agent": "qingqian",
            "webhook-id": name,
            "webhook-timestamp": str(int(now.timestamp())),
            "webhook-signature": " ".join(signatures),
        }


def _retry_after(text: str | None) -> float | None:
    """Seconds, given as such or as a date (RFC 9110 10.2.3); None if absent or senseless."""
    if text is None:
        return None
    if text.strip().isdigit():
        return min(float(text), _LONGEST_WAIT)
    try:
        until = parsedate_to_datetime(text)
    except ValueError:
        return None
    until = until if until.tzinfo else until.replace(tzinfo=UTC)
    return max(0.0, min((until - wall_now()).total_seconds(), _LONGEST_WAIT))
