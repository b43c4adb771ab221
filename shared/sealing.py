"""Sealing of personal data, and the keyed hashes that match people without naming them.

What a person is called, where to reach them and what they wrote stands on the log only as
`sealed:1:…`: AES-256-GCM under a key of that one case, with the case's id as associated data, so
a text copied into another case does not open. Destroying the key erases the person from every
copy of the log, also from exports (PIPL 47). Matching uses HMAC-SHA256 under a key of the
installation: without the key nobody can try out identity numbers.
"""

from __future__ import annotations

import base64
import re
import unicodedata
from binascii import b2a_base64
from functools import cached_property, lru_cache
from hashlib import sha256
from typing import Any, Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from pydantic import BaseModel

from shared.envelope import SealedPart, sealed_parts
from shared.events import SEALED_PREFIX, Employer

VERSION: Final = "1"
KEY_BYTES: Final = 32
_NONCE_BYTES: Final = 12
_TOKEN: Final = f"{SEALED_PREFIX}{VERSION}:"
_URL_SAFE: Final = bytes.maketrans(b"+/", b"-_")
_NOT_A_WORD = re.compile(r"[\W_]+")


class CannotOpen(ValueError):
    """A sealed text that does not open: erased, of another case, or changed."""


class _Mac:
    """HMAC-SHA256 under one key (RFC 2104), its two pads hashed once.

    A third of the time of a call of the library's, which a complaint makes some twenty of.
    """

    def __init__(self, key: bytes) -> None:
        block = key.ljust(_BLOCK_BYTES, b"\x00")
        self._inner = sha256(block.translate(_INNER))
        self._outer = sha256(block.translate(_OUTER))

    def digest(self, message: bytes) -> bytes:
        inner, outer = self._inner.copy(), self._outer.copy()
        inner.update(message)
        outer.update(inner.digest())
        return outer.digest()

    def hexdigest(self, message: bytes) -> str:
        inner, outer = self._inner.copy(), self._outer.copy()
        inner.update(message)
        outer.update(inner.digest())
        return outer.hexdigest()


_BLOCK_BYTES: Final = 64
_INNER: Final = bytes(byte ^ 0x36 for byte in range(256))
_OUTER: Final = bytes(byte ^ 0x5C for byte in range(256))


class Matcher:
    """Keyed hashes for matching: equal inputs give equal hashes only under the same key."""

    def __init__(self, key: bytes) -> None:
        if len(key) < KEY_BYTES:
            raise ValueError(f"a matching key has at least {KEY_BYTES} bytes")
        self._mac = _Mac(key if len(key) <= _BLOCK_BYTES else sha256(key).digest())

    def hash(self, kind: str, *parts: str) -> str:
        """128 bits in hex; `kind` keeps a name and a number of the same letters apart."""
        return self._mac.hexdigest("\x1f".join((kind, *parts)).encode())[:32]

    def content(self, kind: str, content: bytes) -> str:
        """The same of one part that is UTF-8 already."""
        return self._mac.hexdigest(kind.encode() + b"\x1f" + content)[:32]

    def worker(self, id_no: str) -> str:
        """Of an identity number, however it is spaced or cased."""
        return self.hash("worker", normalised_id(id_no))

    def employer(self, name: str | None, uscc: str | None) -> str | None:
        """By the unified social credit code, else by the normalised name; None: nothing known."""
        return _code_hash(self, uscc) if uscc else self.name("employer", name)

    def name(self, kind: str, name: str | None) -> str | None:
        """Of a name of a firm or project, normalised; None if nothing is left of it."""
        return _name_hash(self, kind, name) if name else None

    def person(self, person: str) -> str:
        """Who acted, for an envelope's `actor`: the person's account never stands in clear."""
        return self.hash("person", person)[:16]


@lru_cache(maxsize=4096)
def _code_hash(matcher: Matcher, uscc: str) -> str:
    """Remembered, as `_name_hash`: the few employers of a city come again and again."""
    return matcher.hash("uscc", normalised_id(uscc))


@lru_cache(maxsize=8192)
def _name_hash(matcher: Matcher, kind: str, name: str) -> str | None:
    plain = normalised_name(name)
    return matcher.hash(kind, plain) if plain else None


def normalised_id(text: str) -> str:
    """Upper case letters and digits of NFKC text: `41012519900306991x` and full-width are one."""
    plain = (text if text.isascii() else unicodedata.normalize("NFKC", text)).upper()
    return plain if plain.isalnum() else "".join(char for char in plain if char.isalnum())


def normalised_name(text: str) -> str:
    """A firm's or project's name without spaces, punctuation and variants of `有限公司`."""
    plain = unicodedata.normalize("NFKC", text).casefold()
    word = plain if plain.isalnum() else _NOT_A_WORD.sub("", plain)
    return word.replace("有限责任公司", "有限公司")


class Sealer:
    """Seals the texts of one case (or of one unit's or the city's stream).

    `subject`: the case id, bound to every text as associated data. `key`: 32 random bytes, of
    this subject only. The nonce is derived from key, place and text, so sealing the same text at
    the same place again gives the same bytes (an event published twice stays one event), while
    the same text elsewhere gives others.
    """

    def __init__(self, subject: str, key: bytes, matcher: Matcher) -> None:
        if len(key) != KEY_BYTES:
            raise ValueError(f"a case's key has {KEY_BYTES} bytes")
        self.subject = subject
        self.matcher = matcher
        self._key = key
        self._aad = subject.encode()
        self._cipher = AESGCM(key)

    @cached_property
    def _mac(self) -> _Mac:
        return _Mac(self._key)

    def _nonce(self, plain: bytes, place: str) -> bytes:
        return self._mac.digest(place.encode() + b"\x00" + plain)[:_NONCE_BYTES]

    def seal(self, text: str, place: str) -> str:
        """`sealed:1:<base64url of nonce and ciphertext>`; `place` names event and field."""
        return self.seal_bytes(text.encode(), place)

    def seal_bytes(self, plain: bytes, place: str) -> str:
        """The same of text that is UTF-8 already."""
        nonce = self._nonce(plain, place)
        sealed = nonce + self._cipher.encrypt(nonce, plain, self._aad)
        return _TOKEN + b2a_base64(sealed, newline=False).translate(_URL_SAFE, b"=").decode()

    def open(self, token: str) -> str:
        """The text of a sealed token. Raises CannotOpen."""
        if not token.startswith(_TOKEN):
            raise CannotOpen("not a sealed text of a known version")
        body = token[len(_TOKEN) :]
        try:
            raw = base64.urlsafe_b64decode(body + "=" * (-len(body) % 4))
            plain = self._cipher.decrypt(raw[:_NONCE_BYTES], raw[_NONCE_BYTES:], self._aad)
        except (InvalidTag, ValueError):
            raise CannotOpen(f"it does not open under the key of {self.subject}") from None
        return plain.decode()

    def seal_fields(
        self, model: type[BaseModel], data: dict[str, Any], place: str = ""
    ) -> dict[str, Any]:
        """A copy of an event's data with every `Sealed` field of its type sealed.

        `data`: JSON values that `model` accepts; `place`: the event's id. What is not text where
        text is due is left for the model to refuse. An employer's name stays plain beside a USCC.
        """
        sealed = dict(data)
        for part in sealed_parts(model):
            value = data.get(part.name)
            if value is None or (part.name == "name" and _is_registered(model, data)):
                continue
            sealed[part.name] = self._seal_value(part, value, f"{place}/{part.name}")
        return sealed

    def _seal_value(self, part: SealedPart, value: Any, place: str) -> Any:
        if isinstance(value, (list, tuple)):
            return [
                self._seal_value(part, item, f"{place}/{index}") for index, item in enumerate(value)
            ]
        if part.model is None:
            return self.seal(value, place) if isinstance(value, str) else value
        return self.seal_fields(part.model, value, place) if isinstance(value, dict) else value


class FirstSealer(Sealer):
    """Seals what is first sealed under a key that was made for it, within one process.

    Its nonces are counted (SP 800-38D, 8.2.1): none comes twice, which is all that they must be
    under a key that nobody else has used, and a count costs a tenth of a hash. Later texts of the
    subject are sealed by `Sealer`, whose nonces of 96 bits do not meet these few.
    """

    _count = 0

    def _nonce(self, plain: bytes, place: str) -> bytes:
        self._count += 1
        return self._count.to_bytes(_NONCE_BYTES, "big")


def _is_registered(model: type[BaseModel], data: dict[str, Any]) -> bool:
    return model is Employer and data.get("uscc") is not None
