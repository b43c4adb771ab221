"""How Kafka is spoken to: made in one place, with what the settings say and nothing else."""

from __future__ import annotations

import ast
import ssl
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import faust
import pytest
from aiokafka.errors import ClusterAuthorizationFailedError, KafkaError
from cryptography import x509
from faust.transport.drivers.aiokafka import credentials_to_aiokafka_auth

from shared.broker import connection, denial, denied
from shared.reconciler.fetched import brokers
from shared.settings import Settings, SettingsError
from tests.live.secured import Authority

ROOT = Path(__file__).parents[2]
CLIENTS = {"AIOKafkaProducer", "AIOKafkaConsumer", "AIOKafkaAdminClient", "AIOKafkaClient"}


@pytest.fixture
def files(tmp_path: Path) -> dict[str, Path]:
    authority = Authority(tmp_path, "authority")
    certificate, key = authority.issue("us", x509.DNSName("us"))
    password = tmp_path / "password"
    password.write_text("hush=,pass word\r\n", "utf-8")
    return {"ca": authority.file, "certificate": certificate, "key": key, "password": password}


def by_login(files: dict[str, Path], **changes: object) -> Settings:
    given = {
        "kafka_security_protocol": "sasl_ssl",
        "kafka_ca_file": files["ca"],
        "kafka_user": "qingqian-intake",
        "kafka_password_file": files["password"],
    }
    return Settings.model_validate(given | changes)


def test_in_clear_a_client_is_given_nothing_more_than_before() -> None:
    assert connection(Settings(kafka="127.0.0.1:1")) == {
        "bootstrap_servers": "127.0.0.1:1",
        "security_protocol": "PLAINTEXT",
    }
    assert brokers(Settings(kafka="127.0.0.1:1,127.0.0.1:2")) == {
        "broker": ["kafka://127.0.0.1:1", "kafka://127.0.0.1:2"],
        "broker_credentials": None,
    }


def test_with_a_login_it_is_given_all_of_it(files: dict[str, Path]) -> None:
    given = connection(by_login(files, kafka_sasl_mechanism="SCRAM-SHA-256"))
    context = given.pop("ssl_context")

    assert given == {
        "bootstrap_servers": "127.0.0.1:19092",
        "security_protocol": "SASL_SSL",
        "sasl_mechanism": "SCRAM-SHA-256",
        "sasl_plain_username": "qingqian-intake",
        "sasl_plain_password": "hush=,pass word",
    }
    assert (context.check_hostname, context.verify_mode) == (True, ssl.CERT_REQUIRED)
    assert context.minimum_version >= ssl.TLSVersion.TLSv1_2
    assert len(context.get_ca_certs()) == 1


def test_what_an_editor_puts_around_a_password_is_no_part_of_it(files: dict[str, Path]) -> None:
    files["password"].write_bytes(b"\xef\xbb\xbfhush\r\n")
    assert connection(by_login(files))["sasl_plain_password"] == "hush"


def test_a_new_client_has_the_new_password(files: dict[str, Path]) -> None:
    settings = by_login(files)
    assert connection(settings)["sasl_plain_password"] == "hush=,pass word"
    files["password"].write_text("another", "utf-8")
    assert connection(settings)["sasl_plain_password"] == "another"


@pytest.mark.parametrize(
    ("name", "content", "line"),
    [
        ("ca", b"no certificate", "KAFKA_CA_FILE: .* cannot be used .NO_CERTIFICATE"),
        ("certificate", b"no certificate", "KAFKA_CERTIFICATE_FILE: .* with .* cannot be used"),
        ("key", b"", "KAFKA_CERTIFICATE_FILE: .* with .* cannot be used"),
        ("password", b"\n", "KAFKA_PASSWORD_FILE: .* is empty"),
        ("password", b"\xff\xfehush", "KAFKA_PASSWORD_FILE: .* cannot be used .UnicodeDecodeError"),
        ("password", b"hush\nhush\n", "KAFKA_PASSWORD_FILE: .* holds more than one line"),
        ("password", b"hush\0", "KAFKA_PASSWORD_FILE: .* or a control character"),
    ],
)
def test_a_file_that_does_not_hold_what_it_should_is_told_by_its_setting(
    files: dict[str, Path], name: str, content: bytes, line: str
) -> None:
    files[name].write_bytes(content)
    ours = {"kafka_certificate_file": files["certificate"], "kafka_key_file": files["key"]}
    with pytest.raises(SettingsError, match=f"^QINGQIAN_{line}") as caught:
        connection(by_login(files, **ours))
    assert "hush" not in str(caught.value)


def test_faust_hands_the_same_on_to_its_consumer_and_its_producer(files: dict[str, Path]) -> None:
    for settings in (
        by_login(files),
        by_login(files, kafka_security_protocol="ssl", kafka_user=None, kafka_password_file=None),
        by_login(files, kafka_security_protocol="sasl_plaintext", kafka_ca_file=None),
    ):
        wanted = connection(settings)
        app = faust.App("test", **brokers(settings), topic_allow_declare=False)
        given = dict(
            credentials_to_aiokafka_auth(app.conf.broker_credentials, app.conf.ssl_context)
        )
        producer: Any = app.transport.create_producer()
        produced = dict(producer._settings_auth())
        del wanted["bootstrap_servers"]
        for found in (given, produced):
            kept = {name: value for name, value in found.items() if value is not None}
            assert kept.keys() == wanted.keys()
            if context := kept.pop("ssl_context", None):
                assert context.get_ca_certs() == wanted["ssl_context"].get_ca_certs()
            assert kept == {n: v for n, v in wanted.items() if n != "ssl_context"}
        assert "hush" not in repr(app.conf.broker_credentials)


def test_an_access_list_s_refusal_is_found_behind_what_the_library_makes_of_it() -> None:
    error = KafkaError("Unexpected error during batch delivery")
    assert denial(error) is None
    error.__cause__ = ClusterAuthorizationFailedError()
    found = denial(error)
    assert isinstance(found, ClusterAuthorizationFailedError)
    assert str(denied(Settings(), found)) == (
        "Kafka at 127.0.0.1:19092 does not let us write to any topic. "
        "Fix: the broker's access list (ACL), or QINGQIAN_KAFKA_USER"
    )


def calls() -> Iterator[tuple[str, ast.Call]]:
    """Every call in the code of the product, with its place."""
    for folder in ("shared", "services", "infra"):
        for path in sorted((ROOT / folder).rglob("*.py")):
            for node in ast.walk(ast.parse(path.read_text("utf-8"))):
                if isinstance(node, ast.Call):
                    yield f"{path.relative_to(ROOT)}:{node.lineno}", node


def name_of(function: ast.expr) -> str:
    return str(getattr(function, "attr", None) or getattr(function, "id", ""))


def unpacked(call: ast.Call) -> set[str]:
    """What is unpacked into a call's arguments: the names of functions and attributes."""
    values = [keyword.value for keyword in call.keywords if keyword.arg is None]
    return {
        name_of(value.func if isinstance(value, ast.Call) else value).lstrip("_")
        for value in values
    }


def test_no_client_of_kafka_is_made_but_with_the_connection_of_the_settings() -> None:
    made: dict[str, int] = {}
    for place, call in calls():
        name = name_of(call.func)
        if name in CLIENTS:
            made[name] = made.get(name, 0) + 1
            assert "connection" in unpacked(call), place
        if name in ("App", "_App"):
            made["App"] = made.get("App", 0) + 1
            assert "brokers" in unpacked(call), place
        given = {keyword.arg for keyword in call.keywords}
        assert not given & {"bootstrap_servers", "broker"}, place

    assert made.keys() == CLIENTS | {"App"}
