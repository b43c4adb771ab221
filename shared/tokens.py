"""Bearer tokens of the city's own login: verified here, never issued.

A token is a JWT (RFC 7519) signed with one of the keys in a JWKS file (RFC 7517). It must name its
issuer, its audience and its end, and say in the claims `unit` and `role` for whom its bearer
acts; `sub` is the person's account. Symmetric algorithms are not accepted: whoever could verify
could then also sign.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, get_args

import jwt
import orjson

from shared.keys import Key, KeysError
from shared.roles import Role
from shared.settings import Settings

ALGORITHMS: Final = ("EdDSA", "ES256", "ES384", "RS256", "PS256")
_LEEWAY_SECONDS: Final = 30
"""How far the clocks of the login and of this machine may lie apart."""
_LONGEST: Final = 8_192


@dataclass(frozen=True)
class Tokens:
    """Verifies tokens of one issuer for one audience. `keys`: key id -> public key."""

    keys: dict[str, jwt.PyJWK]
    issuer: str
    audience: str

    def of(self, token: str) -> Key | None:
        """The caller that a token speaks for; None if it is not valid here and now."""
        if len(token) > _LONGEST:
            return None
        try:
            header = jwt.get_unverified_header(token)
            key = self.keys.get(str(header.get("kid")))
            if key is None or header.get("alg") not in ALGORITHMS:
                return None
            claims = jwt.decode(
                token,
                key,
                algorithms=[key.algorithm_name],
                issuer=self.issuer,
                audience=self.audience,
                leeway=_LEEWAY_SECONDS,
                options={"require": ["exp", "iss", "aud", "sub"]},
            )
        except jwt.PyJWTError:
            return None
        return _caller(claims)


def _caller(claims: dict[str, Any]) -> Key | None:
    unit, sources = claims.get("unit"), claims.get("sources", [])
    role: Any = claims.get("role")
    if not isinstance(unit, str) or not unit or role not in get_args(Role):
        return None
    if not isinstance(sources, list) or not all(isinstance(item, str) for item in sources):
        return None
    person = str(claims["sub"])
    return Key(f"token:{person}", unit, role, tuple(sources), person=person)


def load_tokens(settings: Settings) -> Tokens | None:
    """The verifier of this installation; None where no JWKS file is set. Raises KeysError."""
    path = settings.token_keys_file
    if path is None:
        return None
    return Tokens(_read(path), settings.token_issuer, settings.token_audience)


def _read(path: Path) -> dict[str, jwt.PyJWK]:
    try:
        found = jwt.PyJWKSet.from_dict(orjson.loads(path.read_bytes())).keys
    except FileNotFoundError:
        raise KeysError(f"{path}: no JWKS file") from None
    except (OSError, ValueError, TypeError, KeyError, jwt.PyJWTError) as error:
        raise KeysError(f"{path}: not a JWKS file ({error})") from None
    keys = {}
    for number, key in enumerate(found):
        if key.key_id is None:
            raise KeysError(f"{path}: keys[{number}] has no kid")
        if key.algorithm_name not in ALGORITHMS:
            raise KeysError(
                f"{path}: keys[{number}] is of {key.algorithm_name}, not of a public kind"
            )
        keys[key.key_id] = key
    return keys
