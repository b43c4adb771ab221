"""The keys of the local stack in clear: which one somebody speaks with."""

from __future__ import annotations

from collections.abc import Mapping

import orjson

from infra.problem import Unready
from shared.roles import By
from shared.settings import Settings


class KeyRing:
    """Keys by unit and role; whoever has none of their own acts through the operator's."""

    def __init__(self, tokens: Mapping[tuple[str, str], str]) -> None:
        self._tokens = tokens

    def headers(self, by: By) -> dict[str, str]:
        """`Authorization` for who acts."""
        token = self._tokens.get((by.unit, by.role)) or self._tokens["operator", "operator"]
        return {"authorization": f"Bearer {token}"}

    def has(self, by: By) -> bool:
        """Whether there is a key of this very unit and role."""
        return (by.unit, by.role) in self._tokens


def read_keys(settings: Settings) -> KeyRing:
    """The ring of this installation. Raises Unready naming the file."""
    path = settings.keys_path
    try:
        entries = orjson.loads(path.read_bytes())["keys"]
        tokens = {(entry["unit"], entry["role"]): entry["key"] for entry in entries}
    except FileNotFoundError:
        raise Unready(f"no keys at {path}: is the stack up? Fix: qingqian up") from None
    except (OSError, orjson.JSONDecodeError, KeyError, TypeError) as error:
        raise Unready(f"{path} is no file of keys in clear ({type(error).__name__})") from None
    if ("operator", "operator") not in tokens:
        raise Unready(f"{path} has no key of the operator")
    return KeyRing(tokens)
