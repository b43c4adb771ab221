"""Who listens where: every port of the stack is looked at before anything is started.

A demo has its data in a folder of its own within the data folder, and the ports of the stack: the
two cannot run at a time, and each is told of the other by name.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from infra.problem import Unready
from infra.stack.process import Child, adopt, record_myself, require_free, running
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


def demo_folder(data_dir: Path) -> Path:
    """Where a demo of this data folder has everything of its own."""
    return data_dir / "demo"


def record_demo(data_dir: Path, settings: Settings) -> None:
    """Write down that this process is the demo of a data folder, and which ports it will hold."""
    folder = demo_folder(data_dir)
    folder.mkdir(parents=True, exist_ok=True)
    folder.chmod(0o755)  # Whatever the umask: as root, PostgreSQL's own user passes through it.
    ports = [each.port for each in listeners(settings)]
    record_myself("demo", folder, {"ports": ports})


def demo_of(data_dir: Path) -> Child | None:
    """The running demo of a data folder."""
    return adopt("demo", demo_folder(data_dir))


def in_the_way(demo: Child, settings: Settings) -> bool:
    """Whether a demo holds, or will hold, a port that these settings name."""
    return any(each.port in demo.facts["ports"] for each in listeners(settings))


def require_no_demo(settings: Settings) -> None:
    """Raise Unready where a demo of this data folder has the ports."""
    demo = demo_of(settings.data_dir)
    if demo is not None and in_the_way(demo, settings):
        raise Unready(f"a demo of this folder is running, pid {demo.pid}. {end_of(demo)}")


def end_of(demo: Child) -> str:
    """How a person ends it."""
    return f"Fix: end it with Ctrl-C in its terminal, or with: kill {demo.pid}"


def require_no_stack(settings: Settings) -> None:
    """Raise Unready where the stack of this data folder has the ports that a demo needs."""
    wanted = {each.port for each in listeners(settings)}
    children = running(settings.data_dir.resolve() / "run")
    names = [child.name for child in children if child.facts.get("port") in wanted]
    if names:
        raise Unready(
            f"this folder's own stack is running ({', '.join(names)}) on the ports that a demo "
            f"needs. Fix: qingqian down ends it (its data stays), then the same command again"
        )
