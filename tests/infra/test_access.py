"""The access lists as they are handed on: to `kafka-acls.sh`, to compose, to a reader."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from infra import readme, topics
from infra.access import ACCESS, commands
from shared.settings import PREFIX, SERVICES, Settings, names

ROOT = Path(__file__).parents[2]


def section(path: Path) -> str:
    """The README's on Kafka by TLS, in either language."""
    (found,) = re.findall(
        r"^## Kafka (?:by TLS|的加密与登录)\n(.*?)^## ",
        (ROOT / path).read_text("utf-8"),
        flags=re.M | re.S,
    )
    return str(found)


def test_a_grant_is_one_call_of_kafka_s_own_tool_in_the_namespace() -> None:
    lines = list(commands(Settings.model_validate({"namespace": "t_"})))

    assert len(lines) == sum(len(grants) for grants in ACCESS.values()) == len(set(lines))
    assert (
        "--add --allow-principal User:qingqian-intake --operation Read --operation Write "
        "--topic t_case-events"
    ) in lines
    assert (
        "--add --allow-principal User:qingqian-routing --operation Read --group t_qingqian-routing"
    ) in lines


def test_nothing_is_granted_on_a_topic_that_is_not_declared() -> None:
    declared = {topic.name for topic in topics.TOPICS}
    granted = {
        grant.name for grants in ACCESS.values() for grant in grants if grant.kind == "topic"
    }
    assert granted == declared


@pytest.mark.parametrize("path", readme.READMES, ids=lambda path: path.name)
def test_the_readme_tells_every_setting_and_every_user(path: Path) -> None:
    told = section(path)
    rows = [line.split("|")[1] for line in told.splitlines() if line.startswith("| `")]
    first = [name for row in rows for name in re.findall(r"`([^`]+)`", row)]

    wanted = [name for name in names() if name.startswith(f"{PREFIX}KAFKA_")]
    assert {name for name in first if name.startswith(PREFIX)} == set(wanted)
    assert [name for name in first if not name.startswith(PREFIX)] == list(ACCESS)


@pytest.mark.parametrize("path", readme.READMES, ids=lambda path: path.name)
def test_the_override_for_compose_gives_each_container_its_user_and_its_file(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (text,) = re.findall(r"```yaml\n(.*?)```", section(path), flags=re.S)
    override: dict[str, Any] = yaml.safe_load(text)["services"]
    compose = yaml.safe_load((ROOT / "docker-compose.yml").read_text("utf-8"))["services"]
    users = dict.fromkeys(("topics", "keys"), "operator") | {name: name for name in SERVICES}

    assert override.keys() == users.keys() <= compose.keys()
    for container, name in users.items():
        assert override[container] == {
            "environment": {"QINGQIAN_KAFKA_USER": f"qingqian-{name}"},
            # Nobody else's password.
            "volumes": [
                "./kafka/ca.crt:/etc/qingqian/kafka/ca.crt:ro",
                f"./kafka/{name}.password:/etc/qingqian/kafka/password:ro",
            ],
        }
        told = dict(re.findall(r"`(QINGQIAN_KAFKA_\w+)=(\S+)`", section(path)))
        assert set(told) <= set(compose[container]["environment"])
        given = override[container]["environment"] | told | {"QINGQIAN_KAFKA": "k.example.org:9093"}
        for key, value in given.items():
            monkeypatch.setenv(key, value)
        read = Settings()
        assert read.kafka_user in ACCESS
        files = (read.kafka_ca_file, read.kafka_password_file)
        mounted = [volume.split(":")[1] for volume in override[container]["volumes"]]
        assert [str(file) for file in files] == mounted
