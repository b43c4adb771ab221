"""How Kafka is spoken to: what every client of it is made with, and why a broker takes none of it.

The client library tells a wrong password, a certificate that it does not trust and a server that is
not there in the same words. Which of these it was is asked of the brokers once more, by hand.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Final
from unicodedata import category

from aiokafka.conn import AIOKafkaConnection, create_conn
from aiokafka.errors import (
    AuthenticationFailedError,
    ClusterAuthorizationFailedError,
    GroupAuthorizationFailedError,
    IllegalSaslStateError,
    KafkaConnectionError,
    KafkaError,
    SaslAuthenticationFailed,
    TopicAuthorizationFailedError,
    UnsupportedSaslMechanismError,
)
from aiokafka.protocol.metadata import MetadataRequest

from shared.settings import PREFIX, Settings, SettingsError

DENIED: Final = (
    ClusterAuthorizationFailedError,
    GroupAuthorizationFailedError,
    TopicAuthorizationFailedError,
)
"""The broker knows us, and its access list does not let us do this."""

_LOGIN_REFUSED: Final = (SaslAuthenticationFailed, AuthenticationFailedError)

_GREETING_SECONDS: Final = 3.0


class Unavailable(Exception):
    """The broker does not answer: a passing fault, to be tried again."""


class NotAdmitted(Exception):
    """The broker does not take us as we are set up: for the operator to mend, never by trying
    again. One line, which names the setting and holds no secret.
    """


def connection(settings: Settings) -> dict[str, Any]:
    """The arguments that every Kafka client is made with: where the brokers are, and how they are
    spoken to. The files are read at each call, so that a new client has a new password.

    Raises SettingsError where a file does not hold what it should.
    """
    given: dict[str, Any] = {
        "bootstrap_servers": settings.kafka,
        "security_protocol": settings.kafka_security_protocol.upper(),
    }
    if settings.kafka_ca_file is not None:
        given["ssl_context"] = _tls(settings, settings.kafka_ca_file)
    if settings.kafka_user is not None and settings.kafka_password_file is not None:
        given["sasl_mechanism"] = settings.kafka_sasl_mechanism
        given["sasl_plain_username"] = settings.kafka_user
        given["sasl_plain_password"] = _password(settings.kafka_password_file)
    return given


def _tls(settings: Settings, authorities: Path) -> ssl.SSLContext:
    """Trusts these authorities alone, and only who has the host's name."""
    try:
        context = ssl.create_default_context(cafile=authorities)
    except (OSError, ssl.SSLError) as error:
        raise _unfit("CA_FILE", authorities, error) from None
    certificate, key = settings.kafka_certificate_file, settings.kafka_key_file
    if certificate is not None and key is not None:
        try:
            # An empty passphrase, or the library would ask for one at the terminal.
            context.load_cert_chain(certificate, key, password="")
        except (OSError, ssl.SSLError, ValueError) as error:
            raise _unfit("CERTIFICATE_FILE", f"{certificate} with {key}", error) from None
    return context


def _password(file: Path) -> str:
    try:
        # An editor may have put a byte order mark before it.
        password = file.read_text("utf-8-sig").strip("\r\n")
    except (OSError, ValueError) as error:
        raise _unfit("PASSWORD_FILE", file, error) from None
    if not password:
        raise SettingsError(f"{PREFIX}KAFKA_PASSWORD_FILE: {file} is empty")
    if any(category(sign) == "Cc" for sign in password):
        raise SettingsError(
            f"{PREFIX}KAFKA_PASSWORD_FILE: {file} holds more than one line, or a control "
            f"character. Fix: the password alone, in one line"
        )
    return password


def _unfit(name: str, what: object, error: Exception) -> SettingsError:
    reason = error.reason if isinstance(error, ssl.SSLError) and error.reason else None
    if reason is None:
        # A decoding error quotes the bytes that it met.
        reason = getattr(error, "strerror", None) or type(error).__name__
    return SettingsError(f"{PREFIX}KAFKA_{name}: {what} cannot be used ({reason})")


async def missed(
    settings: Settings,
    error: BaseException,
    topics: Iterable[str] = (),
    made_with: Mapping[str, Any] | None = None,
) -> NotAdmitted | Unavailable:
    """What to raise where a client came to nothing with `error` (of the library, or an OSError).

    `topics`: names on the broker of what was asked for. `made_with`: the `connection` that the
    client has had for long: what its files held then may hold no more.
    """
    if isinstance(error, DENIED):
        return denied(settings, error)
    given = dict(made_with or connection(settings))
    del given["bootstrap_servers"]
    if (found := await _examined(settings, given, list(topics))) is not None:
        return found
    if isinstance(error, KafkaConnectionError) and "bootstrap" in str(error):
        return Unavailable("no broker answers")
    return Unavailable(f"{type(error).__name__}: {error}".removesuffix(": "))


def denied(settings: Settings, error: BaseException) -> NotAdmitted:
    """An access list's refusal, in one line."""
    names = ", ".join(str(item) for item in error.args)
    match error:
        case TopicAuthorizationFailedError():
            what = f"use topic {names}"
        case GroupAuthorizationFailedError():
            what = f"use group {names}"
        case _:  # What an idempotent producer is told before it has named a topic.
            what = "write to any topic"
    return NotAdmitted(
        f"Kafka at {settings.kafka} does not let {settings.kafka_user or 'us'} {what}. "
        f"Fix: the broker's access list (ACL), or {PREFIX}KAFKA_USER"
    )


def denial(error: BaseException | None) -> BaseException | None:
    """The refusal by an access list that an error is, or came from."""
    while error is not None and not isinstance(error, DENIED):
        error = error.__cause__
    return error


def told(settings: Settings, error: BaseException) -> BaseException:
    """The error; where an access list is behind it, in the operator's words."""
    denying = denial(error)
    return error if denying is None else denied(settings, denying)


async def _examined(
    settings: Settings, given: dict[str, Any], topics: list[str]
) -> NotAdmitted | Unavailable | None:
    """Greet the brokers one by one; None where none is there, or nothing is found to be wrong."""
    waiting = [_address(server) for server in settings.kafka.split(",")]
    greeted: set[tuple[str, int]] = set()
    found: NotAdmitted | Unavailable | None = None
    while waiting:
        place = waiting.pop(0)
        if place in greeted:
            continue
        greeted.add(place)
        try:
            async with asyncio.timeout(_GREETING_SECONDS):
                waiting += await _greeted(settings, given, place, topics)
        except NotAdmitted as refusal:
            return refusal
        except Unavailable as unclear:
            found = unclear
        except (TimeoutError, KafkaError, OSError):
            continue
    return found


def _address(server: str) -> tuple[str, int]:
    host, _, port = server.rpartition(":")
    return host, int(port)


async def _greeted(
    settings: Settings, given: dict[str, Any], place: tuple[str, int], topics: list[str]
) -> list[tuple[str, int]]:
    """Where the other brokers are. Raises NotAdmitted, Unavailable where the broker hangs up."""
    host, port = place
    where, protocol = f"Kafka at {host}:{port}", settings.kafka_security_protocol
    made: AIOKafkaConnection | None = None
    try:
        made = await create_conn(host, port, client_id="qingqian-greeting", **given)
        answer = await made.send(MetadataRequest(topics, allow_auto_topic_creation=False))
    except ssl.SSLCertVerificationError as error:
        raise NotAdmitted(
            f"{where} has a certificate that is not to be trusted ({error.verify_message}). "
            f"Fix: {PREFIX}KAFKA_CA_FILE, or the host in {PREFIX}KAFKA, or that certificate"
        ) from None
    except _LOGIN_REFUSED:
        raise NotAdmitted(
            f"{where} refuses the login of {settings.kafka_user} by "
            f"{settings.kafka_sasl_mechanism}. "
            f"Fix: {PREFIX}KAFKA_USER and {PREFIX}KAFKA_PASSWORD_FILE, or that user at the broker"
        ) from None
    except (UnsupportedSaslMechanismError, IllegalSaslStateError):
        raise NotAdmitted(
            f"{where} takes no login by {settings.kafka_sasl_mechanism}. "
            f"Fix: {PREFIX}KAFKA_SASL_MECHANISM, or {PREFIX}KAFKA_SECURITY_PROTOCOL"
        ) from None
    except (KafkaConnectionError, ConnectionResetError, ssl.SSLError) as error:
        did = f"breaks off ({error.reason})" if isinstance(error, ssl.SSLError) else "hangs up"
        hint = f"is its listener of another {PREFIX}KAFKA_SECURITY_PROTOCOL than {protocol}"
        if protocol.endswith("ssl") and settings.kafka_certificate_file is None:
            hint += f", or does it want a {PREFIX}KAFKA_CERTIFICATE_FILE"
        raise Unavailable(f"{where} {did}: {hint}?") from None
    finally:
        if made is not None:
            made.close()
    for code, name, *_ in answer.topics:
        if code == TopicAuthorizationFailedError.errno:
            raise denied(settings, TopicAuthorizationFailedError(name))
    return [(broker[1], broker[2]) for broker in answer.brokers]
