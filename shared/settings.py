"""Settings: what differs between two installations, from the environment, checked at the door.

Every name has the prefix ``QINGQIAN_``. A value that makes no sense, and a name that nobody reads,
stop the process with one clear line; nothing is guessed and nothing is read twice.
"""

from __future__ import annotations

import difflib
import os
import re
from pathlib import Path
from typing import Annotated, Final, Literal, Self
from urllib.parse import parse_qsl, urlsplit

from pydantic import (
    AfterValidator,
    AwareDatetime,
    BeforeValidator,
    Field,
    ValidationError,
    model_validator,
)
from pydantic_settings import BaseSettings, SettingsConfigDict

PREFIX: Final = "QINGQIAN_"
SERVICES: Final = ("intake", "routing", "supervision", "reporting")
SCHEMAS: Final = ("intake", "vault", "routing", "supervision", "reporting", "outbox")

LOOPBACK: Final = ("127.0.0.1", "localhost")
"""Hosts that are this machine: what is said to them leaves it by no network."""

_HOST = re.compile(r"[A-Za-z0-9]([A-Za-z0-9.-]*[A-Za-z0-9])?")
_NAMESPACE = re.compile(r"([a-z][a-z0-9_]{0,39})?")
_WORKER = re.compile(r"[A-Za-z0-9_-]{1,40}")
_POLICY = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*")


class SettingsError(ValueError):
    """The environment does not make sense; the message is one line for the operator."""


def _bootstrap(value: str) -> str:
    for server in value.split(","):
        host, _, port = server.strip().rpartition(":")
        if not _HOST.fullmatch(host) or not port.isdigit() or not 0 < int(port) < 65536:
            raise ValueError(f"'{server.strip()}' is not host:port (as in 127.0.0.1:19092)")
    return ",".join(server.strip() for server in value.split(","))


def _lower(value: object) -> object:
    """Kafka's own configuration has its protocols in capitals."""
    return value.lower() if isinstance(value, str) else value


def _database(value: str) -> str:
    example = "postgresql://user:password@127.0.0.1:15432/qingqian"
    try:
        url = urlsplit(value)
        port = url.port
    except ValueError as error:
        raise ValueError(f"{error}; wanted a URL such as {example}") from None
    if url.scheme not in ("postgresql", "postgres"):
        raise ValueError(f"wanted a PostgreSQL URL such as {example}")
    if not url.path.strip("/"):
        raise ValueError(f"names no database; wanted a URL such as {example}")
    if port == 0:
        raise ValueError("port 0 is no port that a server can be reached at")
    return value


def _host(value: str) -> str:
    if not _HOST.fullmatch(value) and value not in ("::", "::1"):
        raise ValueError(f"'{value}' is neither an address nor a host name (as in 127.0.0.1)")
    return value


def _namespace(value: str) -> str:
    if not _NAMESPACE.fullmatch(value):
        raise ValueError("at most 40 of a-z, 0-9 and _, beginning with a letter; or empty")
    return value


def _policy(value: str) -> str:
    if not _POLICY.fullmatch(value):
        raise ValueError("wanted the name of a policy book (as in dengfeng-2021-35)")
    return value


def _worker(value: str) -> str:
    if not _WORKER.fullmatch(value):
        raise ValueError("at most 40 of A-Z, a-z, 0-9, _ and -")
    return value


Port = Annotated[int, Field(ge=1, le=65535)]


def _variable(name: str) -> str:
    return f"{PREFIX}{name.upper()}"


_PROTOCOL: Final = _variable("kafka_security_protocol")
_OF_TLS: Final = ("kafka_ca_file", "kafka_certificate_file", "kafka_key_file")
_OF_LOGIN: Final = ("kafka_user", "kafka_password_file")
_WANTED: Final = {
    "kafka_ca_file": "the PEM file of the authority that signs the brokers' certificates",
    "kafka_user": "the user's name at the brokers",
    "kafka_password_file": "a file that holds the user's password",
}


class Settings(BaseSettings):
    """Everything that an installation may choose; frozen, so that a run has one answer.

    Read it with :func:`load`, which turns what is wrong into one line.
    """

    model_config = SettingsConfigDict(
        env_prefix=PREFIX, frozen=True, extra="forbid", env_ignore_empty=True
    )

    kafka: Annotated[str, AfterValidator(_bootstrap)] = "127.0.0.1:19092"
    """Kafka's bootstrap servers, ``host:port[,host:port]``."""
    kafka_security_protocol: Annotated[
        Literal["plaintext", "ssl", "sasl_plaintext", "sasl_ssl"], BeforeValidator(_lower)
    ] = "plaintext"
    """How Kafka is spoken to: in clear; by TLS; and each with a login. One in clear is for a broker
    on this machine alone."""
    kafka_ca_file: Path | None = None
    """Certificates (PEM) of the authorities that may have signed the brokers'; wanted with TLS."""
    kafka_certificate_file: Path | None = None
    """Our own certificate (PEM, with its chain), where the brokers ask for one; default none."""
    kafka_key_file: Path | None = None
    """The private key (PEM, without a passphrase) of our certificate."""
    kafka_sasl_mechanism: Literal["SCRAM-SHA-512", "SCRAM-SHA-256", "PLAIN"] = "SCRAM-SHA-512"
    """How the login is proved."""
    kafka_user: str | None = None
    """Whom to log in at Kafka as."""
    kafka_password_file: Path | None = None
    """File that holds that user's password, and nothing else: it stands in no environment."""
    database: Annotated[str, AfterValidator(_database)] = (
        "postgresql://qingqian:qingqian@127.0.0.1:15432/qingqian"
    )
    """URL of the PostgreSQL database; each service has a schema of its own in it. By TLS with
    ``?sslmode=verify-full&sslrootcert=FILE``."""
    host: Annotated[str, AfterValidator(_host)] = "127.0.0.1"
    """Address that the services listen on."""
    intake_port: Port = 8101
    routing_port: Port = 8102
    supervision_port: Port = 8103
    reporting_port: Port = 8104
    data_dir: Path = Path(".qingqian")
    """Folder of the local stack: data, logs, keys, exports."""
    clock: Literal["wall", "log"] = "wall"
    """Adopted at the first start, kept for life: the real clock, or one that moves on the log."""
    clock_start: AwareDatetime | None = None
    """Where the log clock begins at the first start; default the campaign's first day, 00:00."""
    policy: Annotated[str, AfterValidator(_policy)] = "dengfeng-2021-35"
    """Policy book that intake adopts at the first start."""
    namespace: Annotated[str, AfterValidator(_namespace)] = ""
    """Prefix of every topic, consumer group and schema: several systems on one broker."""
    keys_file: Path | None = None
    """API keys as written by ``qingqian up``; default ``keys.json`` in the data folder."""
    master_key_file: Path | None = None
    """Key that wraps the vault's keys; default ``master.key`` in the data folder."""
    checkpoint_key_file: Path | None = None
    """Ed25519 key (PEM) that signs checkpoints; default ``checkpoint.pem`` in the data folder."""
    token_keys_file: Path | None = None
    """JWKS file of the city's login: its tokens are accepted as bearer tokens; default none."""
    token_issuer: str = "qingqian"
    """`iss` that a token must have."""
    token_audience: str = "qingqian"
    """`aud` that a token must have."""
    channels_file: Path | None = None
    """Where notifications go (YAML); default ``channels.yaml`` in the data folder, if it exists."""
    channel_secrets_file: Path | None = None
    """Signing secrets of the webhooks (JSON); default ``channel-secrets.json`` there."""
    worker_id: Annotated[str, AfterValidator(_worker)] = "0"
    """Name of this worker among those of its service; a restarted one keeps its partitions."""
    status_rate: Annotated[str, Field(pattern=r"^[1-9]\d{0,5}/(second|minute|hour)$")] = "30/minute"
    """How often one address may ask the public status page."""
    log_level: Literal["debug", "info", "warning", "error"] = "info"

    @model_validator(mode="after")
    def _ports_differ(self) -> Self:
        taken: dict[int, str] = {}
        for service in SERVICES:
            port = self.port(service)
            if port in taken:
                raise ValueError(
                    f"{PREFIX}{service.upper()}_PORT is {port}, which {taken[port]} has already"
                )
            taken[port] = service
        return self

    @model_validator(mode="after")
    def _kafka_is_spoken_to_in_one_way(self) -> Self:
        """What is set and would not be used is refused: it would be thought to protect."""
        protocol = self.kafka_security_protocol
        tls, login = protocol in ("ssl", "sasl_ssl"), protocol in ("sasl_plaintext", "sasl_ssl")
        for names, used, by in ((_OF_TLS, tls, "ssl or sasl_ssl"), (_OF_LOGIN, login, "sasl_ssl")):
            for name in names:
                if getattr(self, name) is not None and not used:
                    raise ValueError(
                        f"{_variable(name)} is set, but {_PROTOCOL} is {protocol} and uses none. "
                        f"Fix: set that to {by}, or unset {_variable(name)}"
                    )
        wanted = ("kafka_ca_file",) * tls + _OF_LOGIN * login
        for name in wanted:
            if getattr(self, name) is None:
                raise ValueError(
                    f"{_variable(name)} is not set, but {_PROTOCOL} is {protocol} and needs it. "
                    f"Fix: set it to {_WANTED[name]}"
                )
        if (self.kafka_certificate_file is None) != (self.kafka_key_file is None):
            raise ValueError(
                f"of {_variable('kafka_certificate_file')} and {_variable('kafka_key_file')} only "
                f"one is set. Fix: set both, or neither"
            )
        away = {server.rpartition(":")[0] for server in self.kafka.split(",")} - set(LOOPBACK)
        if protocol == "sasl_plaintext" and away:
            raise ValueError(
                f"{_PROTOCOL} is sasl_plaintext, but {PREFIX}KAFKA names {min(away)}: a login in "
                f"clear is for a broker on this machine alone. Fix: set it to sasl_ssl"
            )
        return self

    @property
    def keys_path(self) -> Path:
        """File of the API keys."""
        return self.keys_file or self.data_dir / "keys.json"

    @property
    def master_key_path(self) -> Path:
        """File of the key that wraps the vault's keys."""
        return self.master_key_file or self.data_dir / "master.key"

    @property
    def checkpoint_key_path(self) -> Path:
        """File of the key that signs checkpoints of the log."""
        return self.checkpoint_key_file or self.data_dir / "checkpoint.pem"

    @property
    def checkpoint_public_path(self) -> Path:
        """File of its public half, which an auditor takes along: made beside it."""
        return self.checkpoint_key_path.with_suffix(".pub")

    @property
    def channels_path(self) -> Path:
        """File of the channels that notifications go to."""
        return self.channels_file or self.data_dir / "channels.yaml"

    @property
    def channel_secrets_path(self) -> Path:
        """File of the secrets that webhooks are signed with."""
        return self.channel_secrets_file or self.data_dir / "channel-secrets.json"

    def topic(self, name: str) -> str:
        """Name of a topic on the broker, as in ``topic("case-events")``."""
        return f"{self.namespace}{name}"

    def group(self, service: str) -> str:
        """Name of a service's consumer group on the broker."""
        return f"{self.namespace}qingqian-{service}"

    def schema(self, service: str) -> str:  # type: ignore[override]
        """Name of a service's schema in the database.

        ``vault`` is intake's second one, ``outbox`` reporting's: what a log cannot rebuild.
        """
        if service not in SCHEMAS:
            raise ValueError(f"no schema '{service}': one of {', '.join(SCHEMAS)}")
        return f"{self.namespace}{service}"

    def port(self, service: str) -> int:
        """Port on which a service listens."""
        match service:
            case "intake":
                return self.intake_port
            case "routing":
                return self.routing_port
            case "supervision":
                return self.supervision_port
            case "reporting":
                return self.reporting_port
            case _:
                raise ValueError(f"no service '{service}': one of {', '.join(SERVICES)}")

    def url(self, service: str) -> str:
        """Where a service is reached from this machine, without a slash at the end."""
        host = {"0.0.0.0": "127.0.0.1", "::": "[::1]", "::1": "[::1]"}.get(self.host, self.host)
        return f"http://{host}:{self.port(service)}"

    def environment(self) -> dict[str, str]:
        """These settings as environment variables, to hand on to a child process."""
        values = self.model_dump(mode="json", exclude_none=True)
        return {_variable(name): str(value) for name, value in values.items()}


def names() -> tuple[str, ...]:
    """Every environment variable that is read, in the order of the fields."""
    return tuple(_variable(name) for name in Settings.model_fields)


def load() -> Settings:
    """Read the settings from the environment.

    Raises :class:`SettingsError` with one line naming the variable and what is wrong with it.
    """
    known = names()
    for name in sorted(os.environ):
        if name.startswith(PREFIX) and name not in known:
            near = difflib.get_close_matches(name, known, n=1)
            hint = f"; did you mean {near[0]}?" if near else ""
            raise SettingsError(f"{name} is no setting of Qingqian{hint}")
    try:
        settings = Settings()
        for name in (*_OF_TLS, *_OF_LOGIN[1:]):
            _require_file(_variable(name), getattr(settings, name))
        for key, value in parse_qsl(urlsplit(settings.database).query):
            if key in ("sslrootcert", "sslcert", "sslkey"):
                _require_file(f"{PREFIX}DATABASE: {key}", Path(value))
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        where = f"{_variable(str(first['loc'][0]))}: " if first["loc"] else ""
        reason = first["msg"].removeprefix("Value error, ")
        raise SettingsError(f"{where}{reason}") from None
    return settings


def _require_file(name: str, path: Path | None) -> None:
    if path is None:
        return
    try:
        path.read_bytes()
    except OSError as error:
        raise SettingsError(
            f"{name}: {path} cannot be read ({error.strerror}). "
            f"Fix: name a file that this user may read"
        ) from None
