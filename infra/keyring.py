"""The keys of an installation in clear: written once, and which one somebody speaks with."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

import orjson

from infra.obstacles import require_book, require_folder
from infra.problem import Unready
from shared.keys import generate, write
from shared.policy import adopt
from shared.roles import By
from shared.settings import Settings, load


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


def ensure_keys(settings: Settings) -> bool:
    """Write a key for each role and unit of the policy book, unless there is a file; True if so."""
    if settings.keys_path.exists():
        return False
    # Roles and units are wanted, no rule: the instant of adoption does not matter here.
    book = adopt(require_book(settings), datetime.fromisoformat("2021-11-10T00:00Z"), "keys")
    write(settings.keys_path, generate(book)[0])
    return True


def run() -> int:
    """``qingqian keys``: see that there are keys, and say where."""
    settings = load()
    if settings.keys_file is None:
        require_folder(settings)
    made = ensure_keys(settings)
    print(f"{'written' if made else 'there already'}: {settings.keys_path}")
    return 0


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
