"""Tokens of the city's login: what is accepted, and what is not."""

from __future__ import annotations

import base64
import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from shared.keys import Keys, KeysError
from shared.settings import Settings
from shared.tokens import Tokens, load_tokens

SIGNING = Ed25519PrivateKey.generate()
ISSUER, AUDIENCE = "https://login.example", "qingqian"


def document(*keys: dict[str, Any]) -> str:
    return json.dumps({"keys": list(keys)})


def public(kid: str = "k1") -> dict[str, Any]:
    raw = base64.urlsafe_b64encode(SIGNING.public_key().public_bytes_raw()).decode().rstrip("=")
    return {"kty": "OKP", "crv": "Ed25519", "x": raw, "kid": kid}


def claims(**changes: Any) -> dict[str, Any]:
    now = datetime.now(UTC)
    found = {
        "iss": ISSUER,
        "aud": AUDIENCE,
        "sub": "zhang-san",
        "iat": now,
        "exp": now + timedelta(minutes=5),
        "unit": "410185109",
        "role": "township",
    }
    return {name: value for name, value in (found | changes).items() if value is not None}


def signed(key: Any = SIGNING, algorithm: str = "EdDSA", kid: str = "k1", **changes: Any) -> str:
    return jwt.encode(claims(**changes), key, algorithm=algorithm, headers={"kid": kid})


@pytest.fixture
def tokens(tmp_path: Path) -> Tokens:
    file = tmp_path / "jwks.json"
    file.write_text(document(public()))
    found = load_tokens(
        Settings(token_keys_file=file, token_issuer=ISSUER, token_audience=AUDIENCE)
    )
    assert found is not None
    return found


def test_a_token_speaks_for_its_unit_role_and_person(tokens: Tokens) -> None:
    key = Keys({}, tokens).of(f"Bearer {signed(sources=['window'])}")
    assert key is not None
    assert (key.unit, key.role, key.may_post("window")) == ("410185109", "township", True)
    assert not key.may_post("national")
    assert not key.acts_for_all
    assert key.by("somebody else").person == "zhang-san", (
        "the token's person, not the caller's word"
    )


PAST = datetime.now(UTC) - timedelta(hours=1)


@pytest.mark.parametrize(
    "token",
    [
        signed(exp=PAST),
        signed(exp=None),
        signed(nbf=datetime.now(UTC) + timedelta(hours=1)),
        signed(iss="https://elsewhere.example"),
        signed(aud="another"),
        signed(sub=None),
        signed(kid="k2"),
        signed(role="emperor"),
        signed(unit=None),
        signed(sources="*"),
        signed(Ed25519PrivateKey.generate()),
        signed("k" * 40, "HS256"),
        signed("", "none"),
        "a.b.c",
        signed(unit="x" * 9000),
    ],
)
def test_a_token_that_is_not_valid_here_and_now_speaks_for_nobody(
    tokens: Tokens, token: str
) -> None:
    assert tokens.of(token) is None


def test_the_public_key_is_no_secret_to_sign_with(tokens: Tokens) -> None:
    secret = SIGNING.public_key().public_bytes_raw()
    assert tokens.of(signed(secret + b"\0" * 8, "HS256")) is None


def test_without_a_jwks_file_no_token_is_accepted() -> None:
    assert load_tokens(Settings()) is None
    assert Keys({}).of(f"Bearer {signed()}") is None


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("{", "not a JWKS file"),
        ('{"keys": []}', "not a JWKS file"),
        (document({k: v for k, v in public().items() if k != "kid"}), "has no kid"),
        (document({"kty": "oct", "k": "c2VjcmV0", "kid": "s"}), "not of a public kind"),
    ],
)
def test_a_jwks_file_that_cannot_be_used_stops_the_start(
    tmp_path: Path, text: str, why: str
) -> None:
    file = tmp_path / "jwks.json"
    file.write_text(text)
    with pytest.raises(KeysError, match=why):
        load_tokens(Settings(token_keys_file=file))


def test_a_missing_jwks_file_stops_the_start(tmp_path: Path) -> None:
    with pytest.raises(KeysError, match="no JWKS file"):
        load_tokens(Settings(token_keys_file=tmp_path / "none.json"))
