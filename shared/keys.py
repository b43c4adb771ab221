"""API keys: who calls, for which unit, in which role, for which sources.

Beside keys an installation may accept the tokens of the city's own login (`shared.tokens`).

A key is 32 random bytes, so its SHA-256 alone can stand in a file: there is nothing to guess. The
file of an installation holds hashes; only the local stack's `.qingqian/keys.json` holds the keys
themselves, so that its owner can use them. The keys file is read once, at the start.
"""

from __future__ import annotations

import hashlib
import os
import secrets
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Protocol, get_args

import orjson

from shared.policy import Policy
from shared.roles import CYBERSPACE, JOINT_MEETING, LABOUR, OFFICE, POLICE, By, Role

ALL: Final = "*"
_PREFIX: Final = "qq_"


class KeysError(ValueError):
    """The keys file cannot be read; the message names it and what is wrong."""


@dataclass(frozen=True)
class Key:
    """One caller. `sources`: those it may post complaints of; `acts_for_all`: may name any `by`.

    `person`: whose it is; a key of a unit has none, and its caller says who acts.
    """

    name: str
    unit: str
    role: Role
    sources: tuple[str, ...] = ()
    acts_for_all: bool = False
    person: str | None = None

    def may_post(self, source: str) -> bool:
        return ALL in self.sources or source in self.sources

    def account(self, person: str | None = None) -> str:
        """The account that acts: the caller's own where it is known, else as said, else the key."""
        return self.person or person or self.name

    def by(self, person: str | None = None) -> By:
        """Who acts with this key."""
        return By(self.unit, self.role, self.account(person))


class Verifier(Protocol):
    """Knows callers by another kind of token (`shared.tokens`)."""

    def of(self, token: str) -> Key | None: ...


class Keys:
    """The keys of an installation by their hash; `tokens`: who else is known."""

    def __init__(self, by_hash: dict[str, Key], tokens: Verifier | None = None) -> None:
        self._by_hash = by_hash
        self._tokens = tokens

    def __len__(self) -> int:
        return len(self._by_hash)

    def of(self, authorization: str | None) -> Key | None:
        """The caller of an `Authorization: Bearer …` header; None for no or an unknown key."""
        scheme, _, token = (authorization or "").partition(" ")
        if scheme.lower() != "bearer" or not token:
            return None
        token = token.strip()
        if self._tokens is not None and token.count(".") == 2:
            return self._tokens.of(token)
        return self._by_hash.get(_digest(token))


def _digest(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()


def generate(policy: Policy) -> tuple[dict[str, Any], dict[str, Any]]:
    """Fresh keys, one for each role and unit of the book: `(clear, hashed)` documents.

    Both are `{"keys": [{"name", "unit", "role", "sources", "acts_for_all", …}]}`; the first has
    each `key`, the second only its `sha256`.
    """
    clear, hashed = [], []
    for entry in _callers(policy):
        token = _PREFIX + secrets.token_urlsafe(32)
        fields: dict[str, Any] = {
            "name": entry.name,
            "unit": entry.unit,
            "role": entry.role,
            "sources": list(entry.sources),
            "acts_for_all": entry.acts_for_all,
        }
        clear.append({**fields, "key": token})
        hashed.append({**fields, "sha256": _digest(token)})
    return {"keys": clear}, {"keys": hashed}


def key_of(policy: Policy, by: By) -> Key | None:
    """The key that an installation with this book has for a unit and role, if it has one."""
    found = (key for key in _callers(policy) if (key.unit, key.role) == (by.unit, by.role))
    return next(found, None)


def write(path: Path, document: dict[str, Any]) -> None:
    """Write a keys file that only its owner may read, whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(path.name + ".new")
    with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
        file.write(orjson.dumps(document, option=orjson.OPT_INDENT_2))
    draft.replace(path)


def load(path: Path, tokens: Verifier | None = None) -> Keys:
    """The keys of a file with `key` or `sha256` in each entry. Raises KeysError."""
    try:
        document = orjson.loads(path.read_bytes())
        entries = document["keys"]
        return Keys({_hash_of(entry): _key(entry) for entry in entries}, tokens)
    except FileNotFoundError:
        raise KeysError(f"{path}: no keys file; `qingqian up` writes one") from None
    except (orjson.JSONDecodeError, KeyError, TypeError, ValueError) as error:
        raise KeysError(f"{path}: not a keys file ({type(error).__name__}: {error})") from None


def clear_key(path: Path, role: Role, unit: str | None = None) -> str:
    """A key in clear from the local stack's file, for commands that call the services.

    Raises KeysError if the file has none for that role (and unit).
    """
    try:
        entries = orjson.loads(path.read_bytes())["keys"]
    except (OSError, orjson.JSONDecodeError, KeyError, TypeError) as error:
        raise KeysError(f"{path}: not a keys file ({type(error).__name__})") from None
    for entry in entries:
        if entry["role"] == role and unit in (None, entry["unit"]) and "key" in entry:
            return str(entry["key"])
    raise KeysError(f"{path}: no key for role {role}" + (f" of {unit}" if unit else ""))


def _hash_of(entry: dict[str, Any]) -> str:
    return _digest(entry["key"]) if "key" in entry else str(entry["sha256"])


def _key(entry: dict[str, Any]) -> Key:
    if entry["role"] not in get_args(Role):
        raise ValueError(f"no role {entry['role']}")
    return Key(
        name=str(entry["name"]),
        unit=str(entry["unit"]),
        role=entry["role"],
        sources=tuple(entry.get("sources", ())),
        acts_for_all=bool(entry.get("acts_for_all", False)),
    )


def _callers(policy: Policy) -> list[Key]:
    """A key for each role of each unit (方案 三), each platform, and the operator."""
    organisation = policy.content.organisation
    callers = [
        Key("operator", "operator", "operator", (ALL,), acts_for_all=True),
        Key("platform", "platform", "platform", (ALL,)),
        Key("clerk", LABOUR, "clerk", ("window", "screening")),
        Key("office", OFFICE, "office", ("board", "mayor")),
        Key("inspector", LABOUR, "inspector"),
        Key("police", POLICE, "police", ("110",)),
        Key("vice_convener", JOINT_MEETING, "vice_convener"),
        Key("convener", JOINT_MEETING, "convener"),
        Key("auditor", "市纪委监委", "auditor"),
    ]
    callers += [Key(f"platform-{name}", name, "platform", (name,)) for name in organisation.sources]
    callers += [Key(code, code, "task_force", ("screening",)) for code in policy.task_forces]
    callers += [Key(code, code, "township", ("screening",)) for code in policy.townships]
    callers += [
        Key(f"leader-{name}", name, "leader", ("opinion",) if name == CYBERSPACE else ())
        for name in organisation.departments
    ]
    return callers
