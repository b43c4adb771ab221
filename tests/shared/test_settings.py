"""Settings: read once, frozen, and nonsense is refused with one line that names the variable."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from pydantic import ValidationError

from shared.settings import PREFIX, SERVICES, SettingsError, load, names


@pytest.fixture(autouse=True)
def _clean(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.startswith(PREFIX)]:
        monkeypatch.delenv(name)


def test_the_defaults_are_those_that_others_rely_on() -> None:
    settings = load()

    assert settings.host == "127.0.0.1"
    assert [settings.port(service) for service in SERVICES] == [8101, 8102, 8103, 8104]
    assert settings.data_dir == Path(".qingqian")
    assert (settings.clock, settings.policy, settings.namespace) == ("wall", "dengfeng-2021-35", "")
    assert settings.topic("case-events") == "case-events"


def test_the_namespace_is_the_prefix_of_everything_that_is_shared(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("QINGQIAN_NAMESPACE", "t7_")
    settings = load()

    assert settings.topic("case-events.parked") == "t7_case-events.parked"
    assert settings.schema("vault") == "t7_vault"
    assert settings.group("routing").startswith("t7_")
    assert settings.group("routing") != settings.group("supervision")


@pytest.mark.parametrize(
    ("name", "value", "reason"),
    [
        ("QINGQIAN_KAFKA", "localhost", "not host:port"),
        ("QINGQIAN_KAFKA", "localhost:0", "not host:port"),
        ("QINGQIAN_KAFKA", "a:1,b", "'b' is not host:port"),
        ("QINGQIAN_DATABASE", "mysql://x/y", "wanted a PostgreSQL URL"),
        ("QINGQIAN_DATABASE", "postgresql://127.0.0.1:5432", "names no database"),
        ("QINGQIAN_DATABASE", "postgresql://127.0.0.1:x/q", "wanted a URL"),
        ("QINGQIAN_HOST", "not a host", "neither an address nor a host name"),
        ("QINGQIAN_INTAKE_PORT", "0", "greater than or equal to 1"),
        ("QINGQIAN_INTAKE_PORT", "eighty", "valid integer"),
        ("QINGQIAN_CLOCK", "sun", "'wall' or 'log'"),
        ("QINGQIAN_POLICY", "../etc/passwd", "name of a policy book"),
        ("QINGQIAN_NAMESPACE", 'x"; DROP', "beginning with a letter"),
        ("QINGQIAN_LOG_LEVEL", "loud", "'debug', 'info'"),
    ],
)
def test_nonsense_is_refused_in_one_line_that_names_the_variable(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str, reason: str
) -> None:
    monkeypatch.setenv(name, value)

    with pytest.raises(SettingsError) as caught:
        load()

    line = str(caught.value)
    assert line.startswith(f"{name}: ")
    assert reason in line
    assert "\n" not in line


LOGIN = {"KAFKA_USER": "qingqian-intake", "KAFKA_PASSWORD_FILE": "password"}


@pytest.mark.parametrize(
    ("given", "reason"),
    [
        ({"KAFKA_SECURITY_PROTOCOL": "tls"}, r"PROTOCOL: Input should be 'plaintext', 'ssl', "),
        ({"KAFKA_SASL_MECHANISM": "GSSAPI"}, "MECHANISM: Input should be 'SCRAM-SHA-512', "),
        ({"KAFKA_CA_FILE": "ca"}, "CA_FILE is set, but .* is plaintext and uses none"),
        ({"KAFKA_USER": "u"}, "USER is set, but .* is plaintext .* set that to sasl_ssl, or unset"),
        ({"KAFKA_PASSWORD_FILE": "password"}, "PASSWORD_FILE is set, but .* is plaintext"),
        ({"KAFKA_CERTIFICATE_FILE": "ca"}, "CERTIFICATE_FILE is set, but .* to ssl or sasl_ssl"),
        ({"KAFKA_SECURITY_PROTOCOL": "ssl"}, "CA_FILE is not set, but .* is ssl and needs it"),
        ({"KAFKA_SECURITY_PROTOCOL": "sasl_ssl"} | LOGIN, "CA_FILE is not set, but .* is sasl_ssl"),
        (
            {"KAFKA_SECURITY_PROTOCOL": "ssl", "KAFKA_CA_FILE": "ca"} | LOGIN,
            "USER is set, but .* is ssl and uses none",
        ),
        (
            {"KAFKA_SECURITY_PROTOCOL": "sasl_ssl", "KAFKA_CA_FILE": "ca", "KAFKA_USER": "u"},
            "PASSWORD_FILE is not set, but .* Fix: set it to a file that holds",
        ),
        (
            {"KAFKA_SECURITY_PROTOCOL": "sasl_plaintext", "KAFKA_PASSWORD_FILE": "password"},
            "USER is not set, but .* is sasl_plaintext and needs it",
        ),
        (
            {"KAFKA_SECURITY_PROTOCOL": "ssl", "KAFKA_CA_FILE": "ca", "KAFKA_KEY_FILE": "ca"},
            "CERTIFICATE_FILE and QINGQIAN_KAFKA_KEY_FILE only one is set. Fix: set both",
        ),
        (
            {"KAFKA_SECURITY_PROTOCOL": "sasl_plaintext", "KAFKA": "localhost:1,kafka.city:9092"}
            | LOGIN,
            "names kafka.city: a login in clear is for a broker on this machine alone",
        ),
        (
            {"KAFKA_SECURITY_PROTOCOL": "ssl", "KAFKA_CA_FILE": "none.pem"},
            r"CA_FILE: .*none.pem cannot be read \(No such file or directory\). Fix: name a file",
        ),
        (
            {"DATABASE": "postgresql://u:hush@h/q?sslmode=verify-full&sslrootcert=none.pem"},
            r"^QINGQIAN_DATABASE: sslrootcert: none.pem cannot be read \(No such file",
        ),
    ],
)
def test_a_way_to_the_servers_that_contradicts_itself_is_refused_in_one_line(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, given: dict[str, str], reason: str
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "ca").touch()
    (tmp_path / "password").write_text("hush")
    for name, value in given.items():
        monkeypatch.setenv(f"{PREFIX}{name}", value)

    with pytest.raises(SettingsError, match=reason) as caught:
        load()
    assert str(caught.value).startswith((PREFIX, f"of {PREFIX}"))
    assert "\n" not in str(caught.value)
    assert "hush" not in str(caught.value)


@pytest.mark.parametrize(
    "given",
    [
        {"KAFKA_SECURITY_PROTOCOL": "SASL_SSL", "KAFKA_CA_FILE": "ca"} | LOGIN,
        {"KAFKA_SECURITY_PROTOCOL": "sasl_plaintext"} | LOGIN,
        {"KAFKA_SECURITY_PROTOCOL": "ssl", "KAFKA_CA_FILE": "ca"},
        {
            "KAFKA_SECURITY_PROTOCOL": "ssl",
            "KAFKA_CA_FILE": "ca",
            "KAFKA_CERTIFICATE_FILE": "ca",
            "KAFKA_KEY_FILE": "ca",
        },
    ],
)
def test_a_way_to_the_broker_is_handed_on_and_holds_no_secret(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, given: dict[str, str]
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "ca").touch()
    (tmp_path / "password").write_text("hush")
    for name, value in given.items():
        monkeypatch.setenv(f"{PREFIX}{name}", value)
    settings = load()
    assert "hush" not in repr(settings)
    assert "hush" not in repr(settings.environment())
    for name in given:
        monkeypatch.delenv(f"{PREFIX}{name}")
    for name, value in settings.environment().items():
        monkeypatch.setenv(name, value)
    assert load() == settings


def test_two_services_cannot_have_one_port(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("QINGQIAN_ROUTING_PORT", "8101")

    with pytest.raises(SettingsError, match="QINGQIAN_ROUTING_PORT is 8101, which intake has"):
        load()


def test_a_misspelt_variable_is_named_with_the_right_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("QINGQIAN_KAKFA", "127.0.0.1:9092")

    with pytest.raises(SettingsError, match=r"QINGQIAN_KAKFA.*did you mean QINGQIAN_KAFKA\?"):
        load()


def test_an_empty_variable_counts_as_not_set(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("QINGQIAN_KEYS_FILE", "")

    assert load().keys_path == Path(".qingqian/keys.json")


def test_settings_are_frozen() -> None:
    settings = load()

    with pytest.raises(ValidationError, match="frozen"):
        settings.namespace = "other_"


def test_a_child_process_given_the_environment_reads_the_same(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("QINGQIAN_NAMESPACE", "t9_")
    monkeypatch.setenv("QINGQIAN_CLOCK", "log")
    monkeypatch.setenv("QINGQIAN_KEYS_FILE", "/somewhere/keys.json")
    settings = load()

    handed_on = settings.environment()

    assert set(handed_on) <= set(names())
    for name in names():
        monkeypatch.delenv(name, raising=False)
    for name, value in handed_on.items():
        monkeypatch.setenv(name, value)
    assert load() == settings


@pytest.mark.parametrize("name", ["port", "schema"])
def test_a_service_that_is_none_of_ours_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match=r"no s(ervice|chema) 'billing'"):
        getattr(load(), name)("billing")
