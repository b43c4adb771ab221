"""The services and commands on a Kafka with TLS, logins and access lists, and a database by TLS."""

from __future__ import annotations

import asyncio
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import asyncpg
import httpx
import pytest
from aiokafka.errors import KafkaConnectionError, TopicAuthorizationFailedError

from infra import topics
from infra.access import Grant
from infra.stack import LocalStack
from infra.stack.process import free_ports
from shared.broker import NotAdmitted, Unavailable, connection, missed
from shared.identity import identify
from shared.log import CASE_EVENTS, GOVERNANCE_EVENTS, Producer, Reader
from shared.settings import SCHEMAS, SERVICES, Settings
from tests.conftest import settings_for
from tests.live.intake_desk import Desk, complaint, until, yesterday
from tests.live.rig import Process
from tests.live.secured import Authority, Guarded, guarded, tls_door

pytestmark = pytest.mark.live

NAMESPACE = "guarded_"
COMMAND = Path(sys.executable).parent / "qingqian"


class City:
    """The four services, each with its own user, on one guarded installation."""

    def __init__(self, broker: Guarded, base: Settings) -> None:
        self.broker = broker
        self.base = base
        self.desk = Desk(self.of("auditor"), broker.folder)  # It writes the keys.
        self.started: list[Process] = []
        self.services = {name: self.process(name, self.of(name)) for name in SERVICES}

    def of(self, name: str, **changes: object) -> Settings:
        """The settings of a user, with some changed and unchecked."""
        return self.broker.settings(self.base, f"qingqian-{name}").model_copy(update=changes)

    def process(self, name: Any, settings: Settings) -> Process:
        """A service that is started with these settings."""
        journal = self.broker.folder / f"{name}-{len(self.started)}.log"
        made = Process(name, f"services.{name}", "0", settings, journal, {})
        made.start()
        self.started.append(made)
        return made

    async def ready(self) -> None:
        for name, process in self.services.items():

            async def answers(process: Process = process) -> bool:
                assert process.alive, process.words()[-3000:]
                try:
                    async with httpx.AsyncClient() as http:
                        return (await http.get(f"{process.url}/readyz")).status_code == 200
                except httpx.TransportError:
                    return False

            await until(answers, f"{name} is ready", 90)


@pytest.fixture(scope="module")
async def city(stack: LocalStack) -> AsyncIterator[City]:
    folder = Path(tempfile.mkdtemp(prefix="qingqian-guarded-"))
    try:
        with guarded(folder) as broker:
            async with tls_door(broker.authority, stack.database_url) as url:
                trusted = f"?sslmode=verify-full&sslrootcert={broker.authority.file}"
                base = settings_for(stack, NAMESPACE, folder / "data")
                base = base.model_copy(update={"database": f"{url}{trusted}"})
                await broker.grant(NAMESPACE)
                await topics.ensure(broker.settings(base, "qingqian-operator"))
                made = City(broker, base)
                try:
                    await made.ready()
                    yield made
                finally:
                    for process in made.started:
                        process.kill()
                    await made.desk.close()
        connection = await asyncpg.connect(stack.database_url)
        for schema in SCHEMAS:
            await connection.execute(f'DROP SCHEMA IF EXISTS "{NAMESPACE}{schema}" CASCADE')
        await connection.close()
    finally:
        shutil.rmtree(folder, ignore_errors=True)


async def ended(process: Process) -> int:
    """The exit code of a service that ends by itself."""
    assert process.running is not None
    return await asyncio.to_thread(process.running.wait, 60)


async def command(settings: Settings, *arguments: str) -> subprocess.CompletedProcess[str]:
    """A command of the command line with these settings."""
    return await asyncio.to_thread(
        subprocess.run,
        [str(COMMAND), *arguments],
        env=os.environ | settings.environment(),
        capture_output=True,
        text=True,
        timeout=60,
    )


async def test_a_complaint_is_assigned_and_seen_by_four_users_of_their_own(
    city: City, tmp_path: Path
) -> None:
    desk = city.desk
    case_id = (await desk.post(complaint("guarded"))).json()["case_id"]
    path = f"/v1/cases/{case_id}/events"
    clerk = {"unit": "市人社局", "role": "clerk"}
    accepted = await desk.fact(path, "ComplaintAccepted", by=clerk, occurred_at=yesterday())
    assert accepted.status_code == 202, accepted.text

    async with httpx.AsyncClient(base_url=city.base.url("reporting")) as http:

        async def told() -> bool:
            answer = await http.get(
                f"/v1/cases/{case_id}/timeline", headers=desk.bearer("operator")
            )
            return "CaseAssigned" in answer.text and "DeadlineSet" in answer.text

        await until(told, "routing's and supervision's decisions are shown", 60)

    done = await command(city.of("operator"), "topics")
    assert (done.returncode, done.stdout.count("as declared: ")) == (0, 5), done.stderr
    exported = tmp_path / "log.jsonl"
    done = await command(city.of("auditor"), "export", str(exported))
    assert done.returncode == 0, done.stderr
    assert case_id in exported.read_text("utf-8")
    done = await command(city.of("auditor"), "audit", "--json")
    assert (done.returncode, done.stdout) == (0, ""), done.stderr
    spoken = [process.words() for process in city.services.values()]
    assert not any("secret-of" in words for words in spoken)


async def test_each_user_has_its_own_topics_and_no_others(city: City) -> None:
    with pytest.raises(NotAdmitted, match="does not let qingqian-auditor write to any topic"):
        await Producer(city.of("auditor"), "intake").start()
    reporting = Producer(city.of("reporting"), "reporting")
    await reporting.start()
    try:
        with pytest.raises(TopicAuthorizationFailedError):
            await (await reporting.send(CASE_EVENTS, "case-1", b"{}"))
        with pytest.raises(NotAdmitted, match="qingqian-reporting use topic guarded_case-events"):
            await asyncio.wait_for(reporting.watch(), 1)
    finally:
        await reporting.stop()
    with pytest.raises(NotAdmitted, match="qingqian-platform use topic guarded_case-events"):
        await identify(city.of("platform"), CASE_EVENTS)
    done = await command(city.of("platform"), "topics")
    assert done.returncode == 2
    assert done.stderr.startswith("qingqian: Kafka at localhost:")
    assert "does not let qingqian-platform use topic guarded_" in done.stderr


@pytest.fixture(scope="module")
def stranger(city: City) -> Path:
    """The certificate of an authority that signed nothing here."""
    return Authority(city.broker.folder, "stranger").file


def misled(city: City, case: str, name: str, stranger: Path) -> tuple[Settings, str]:
    """Settings that are wrong in one point, and how it is told."""
    wrong = city.broker.folder / "wrong.password"
    wrong.write_text("no-such-secret", "utf-8")
    port = city.broker.login_port
    cases: dict[str, tuple[dict[str, object], str]] = {
        "password": (
            {"kafka_password_file": wrong},
            f"Kafka at localhost:{port} refuses the login of qingqian-{name} by SCRAM-SHA-512. "
            f"Fix: QINGQIAN_KAFKA_USER and QINGQIAN_KAFKA_PASSWORD_FILE",
        ),
        "mechanism": (
            {"kafka_sasl_mechanism": "SCRAM-SHA-256"},
            f"Kafka at localhost:{port} takes no login by SCRAM-SHA-256. "
            f"Fix: QINGQIAN_KAFKA_SASL_MECHANISM",
        ),
        "authority": (
            {"kafka_ca_file": stranger},
            f"Kafka at localhost:{port} has a certificate that is not to be trusted (unable to "
            f"get local issuer certificate). Fix: QINGQIAN_KAFKA_CA_FILE",
        ),
        "host": (
            {"kafka": f"127.0.0.1:{port}"},
            f"Kafka at 127.0.0.1:{port} has a certificate that is not to be trusted (IP address "
            f"mismatch, certificate is not valid for '127.0.0.1'.)",
        ),
        "file": (
            {"kafka_ca_file": wrong},
            f"QINGQIAN_KAFKA_CA_FILE: {wrong} cannot be used (NO_CERTIFICATE_OR_CRL_FOUND)",
        ),
    }
    changes, line = cases[case]
    return city.of(name, **changes), line


CASES = ("password", "mechanism", "authority", "host", "file")


@pytest.mark.parametrize("case", CASES)
async def test_what_is_set_wrong_is_one_line_of_a_command(
    city: City, stranger: Path, case: str
) -> None:
    settings, line = misled(city, case, "operator", stranger)
    done = await command(settings, "topics")

    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith(f"qingqian: {line}")
    assert done.stderr.count("\n") == 1
    assert "secret" not in done.stderr


async def test_what_is_set_wrong_ends_a_service_with_one_line(city: City, stranger: Path) -> None:
    """Each in another way."""
    processes = {}
    for name, case in (("intake", "file"), ("supervision", "password"), ("reporting", "authority")):
        settings, line = misled(city, case, name, stranger)
        settings = settings.model_copy(update={f"{name}_port": free_ports(1)[0]})
        processes[name] = city.process(name, settings), line
    for name, (process, line) in processes.items():
        assert await ended(process) == 2, process.words()
        said = [each for each in process.words().splitlines() if each.startswith(f"{name}: ")]
        assert len(said) == 1, process.words()
        assert said[0].startswith(f"{name}: {line}")
        assert "secret" not in process.words()


async def test_doctor_speaks_to_the_broker_as_the_services_do(city: City, stranger: Path) -> None:
    wrong, line = misled(city, "password", "auditor", stranger)
    right = city.of("auditor")
    done = await asyncio.gather(command(right, "doctor"), command(wrong, "doctor"))
    well, ill = (each.stdout for each in done)
    assert f"at localhost:{city.broker.login_port} by sasl_ssl as qingqian-auditor\n" in well
    assert f"\nFAIL  kafka: {line}" in ill
    assert "secret" not in well + ill


async def test_a_certificate_of_ours_is_login_enough(city: City) -> None:
    certificate, key = city.broker.authority.issue("qingqian-auditor")
    ours = {
        "kafka": f"localhost:{city.broker.certificate_port}",
        "kafka_security_protocol": "ssl",
        "kafka_user": None,
        "kafka_password_file": None,
    }
    settings = city.of("auditor", **ours)
    reader = Reader(
        settings.model_copy(update={"kafka_certificate_file": certificate, "kafka_key_file": key}),
        "test",
    )
    await reader.start()
    assert (await reader.ends(GOVERNANCE_EVENTS, (0,)))[0] > 0
    await reader.stop()
    with pytest.raises(Unavailable, match="does it want a QINGQIAN_KAFKA_CERTIFICATE_FILE"):
        await Reader(settings, "test").start()


@pytest.mark.parametrize("right", [True, False])
async def test_a_password_may_also_be_shown_within_tls(city: City, right: bool) -> None:
    wrong = city.broker.folder / "auditor.wrong"
    wrong.write_text("no-such-secret", "utf-8")
    settings = city.of("auditor", kafka_sasl_mechanism="PLAIN")
    if right:
        reader = Reader(settings, "test")
        await reader.start()
        assert (await reader.ends(GOVERNANCE_EVENTS, (0,)))[0] > 0
        await reader.stop()
    else:
        settings = settings.model_copy(update={"kafka_password_file": wrong})
        with pytest.raises(NotAdmitted, match="refuses the login of qingqian-auditor by PLAIN"):
            await Reader(settings, "test").start()


async def test_a_client_that_has_an_old_password_is_not_taken_for_one_that_waits(
    city: City,
) -> None:
    """Once the file has another, what the client was made with is asked about."""
    settings = city.of("auditor")
    before = connection(settings) | {"sasl_plain_password": "of-last-year"}
    error = KafkaConnectionError("no node is left")

    assert isinstance(await missed(settings, error), Unavailable)
    assert isinstance(await missed(settings, error, (), before), NotAdmitted)


async def test_in_clear_at_a_door_of_tls_the_setting_is_named(city: City) -> None:
    plain = city.base.model_copy(update={"kafka": f"localhost:{city.broker.login_port}"})
    done = await command(plain, "topics")

    assert done.returncode == 2
    assert "another QINGQIAN_KAFKA_SECURITY_PROTOCOL than plaintext?" in done.stderr


async def test_a_database_that_is_not_to_be_trusted_ends_a_service(
    city: City, stranger: Path
) -> None:
    trusted = str(city.broker.authority.file)
    settings = city.of("intake", intake_port=free_ports(1)[0])
    database = settings.database.replace(trusted, str(stranger))
    process = city.process("intake", settings.model_copy(update={"database": database}))

    assert await ended(process) == 2, process.words()
    line = "intake: the database's certificate is not to be trusted (unable to get"
    assert line in process.words()


async def test_a_right_that_is_taken_away_ends_the_service_that_needs_it(city: City) -> None:
    """Last: routing and intake can do nothing more without it."""
    gone = Grant("topic", CASE_EVENTS, ("Write",))
    await city.broker.revoke(NAMESPACE, "qingqian-intake", gone)
    await city.broker.revoke(
        NAMESPACE, "qingqian-routing", Grant("group", "qingqian-routing", ("Read",))
    )
    refused = await city.desk.post(complaint("refused"))
    assert refused.status_code == 503
    for name, what in (
        ("intake", "topic guarded_case-events"),
        ("routing", "group guarded_qingqian-routing"),
    ):
        process = city.services[name]
        assert await ended(process) == 2, process.words()[-2000:]
        line = f"does not let qingqian-{name} use {what}. Fix: the broker's access list (ACL)"
        assert line in process.words(), process.words()[-2000:]
