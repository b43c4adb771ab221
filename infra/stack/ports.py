"""Who listens where: every port of the stack is looked at before anything is started."""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import urlsplit

from infra.stack.process import require_free, running
from shared.settings import PREFIX, SERVICES, Settings


@dataclass(frozen=True)
class Listener:
    """A process of the stack and the address that the settings give it.

    `name`: what the run folder calls it; `variable`: the setting that moves it.
    """

    name: str
    title: str
    host: str
    port: int
    variable: str


def listeners(settings: Settings) -> list[Listener]:
    """Every process of the stack; of several Kafka servers the first."""
    host, _, port = settings.kafka.split(",")[0].rpartition(":")
    database = urlsplit(settings.database)
    address = database.hostname or "127.0.0.1", database.port or 5432
    return [
        Listener("kafka", "Kafka", host, int(port), f"{PREFIX}KAFKA"),
        Listener("postgres", "PostgreSQL", *address, f"{PREFIX}DATABASE"),
        *(
            Listener(name, name, settings.host, settings.port(name), f"{PREFIX}{name.upper()}_PORT")
            for name in SERVICES
        ),
    ]


def require_ports(settings: Settings) -> None:
    """Raise Unready where somebody else holds a port that a process still to be started needs."""
    ours = {child.name for child in running(settings.data_dir.resolve() / "run")}
    for each in listeners(settings):
        if each.name not in ours:
            require_free(each.port, each.title, each.variable, each.host)
