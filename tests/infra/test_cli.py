"""The command line: quick to start, one line for a user's mistake, the contract's exit codes."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from infra import simulator
from infra.stack.process import free_ports
from shared.settings import PREFIX, SERVICES

ROOT = Path(__file__).parents[2]
COMMANDS = (
    "up", "down", "doctor", "feed", "route", "dry-run", "audit", "export", "import", "play",
    "rebuild", "whatif", "explain", "demo", "bench", "topics",
)  # fmt: skip


def qingqian(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run the command as a user would, with no settings but those given."""
    clean = {name: value for name, value in os.environ.items() if not name.startswith(PREFIX)}
    return subprocess.run(
        [sys.executable, "-m", "infra.cli", *arguments],
        capture_output=True,
        text=True,
        cwd=ROOT,
        env=clean | environment,
        timeout=60,
        check=False,
    )


def free_addresses() -> dict[str, str]:
    """Settings by which a stack would start on ports that nobody has."""
    kafka, postgres, *ports = free_ports(6)
    return {
        "QINGQIAN_KAFKA": f"127.0.0.1:{kafka}",
        "QINGQIAN_DATABASE": f"postgresql://qingqian:qingqian@127.0.0.1:{postgres}/qingqian",
        **{f"QINGQIAN_{n.upper()}_PORT": str(p) for n, p in zip(SERVICES, ports, strict=True)},
    }


def test_every_command_of_the_contract_is_there() -> None:
    shown = qingqian("--help")

    assert shown.returncode == 0
    listed = set(re.findall(r"^  ([a-z-]+)  ", shown.stdout, flags=re.M))
    assert set(COMMANDS) <= listed


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (("nonsense",), "nonsense"),
        (("route", "/no/such/file.jsonl"), "/no/such/file.jsonl"),
        (("route",), "FILE.jsonl"),
        (("whatif",), "--policy"),
        (("rebuild", "billing"), "billing"),
        (("demo", "--size", "huge"), "huge"),
        (("audit", "--log", "/no/such/log.jsonl"), "/no/such/log.jsonl"),
    ],
)
def test_a_usage_error_is_one_line_and_exit_2(arguments: tuple[str, ...], named: str) -> None:
    done = qingqian(*arguments)

    assert done.returncode == 2
    assert done.stdout == ""
    assert len(done.stderr.splitlines()) == 1
    assert named in done.stderr
    assert "Traceback" not in done.stderr
    command = "qingqian" if arguments[0] == "nonsense" else f"qingqian {arguments[0]}"
    assert done.stderr.endswith(f"; see {command} --help\n")


@pytest.mark.parametrize("case", ["", "  "])
def test_a_case_without_a_name_is_told_so_before_anything_is_read(case: str) -> None:
    done = qingqian("explain", case, QINGQIAN_KAFKA="127.0.0.1:1")

    assert (done.returncode, done.stdout) == (2, "")
    (line,) = done.stderr.splitlines()
    assert "CASE_ID is empty" in line
    assert "DF-QX-" in line


def test_a_reader_that_has_gone_is_no_finding(tmp_path: Path) -> None:
    """`qingqian route FILE | head -1`, where the output is more than a pipe holds."""
    file = tmp_path / "complaints.jsonl"
    lines = [json.dumps(item.data) for item in simulator.received(1, "small")]
    file.write_text("\n".join(lines * 5), "utf-8")
    with subprocess.Popen(
        [sys.executable, "-m", "infra.cli", "route", str(file)], cwd=ROOT, text=True,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    ) as route:  # fmt: skip
        assert route.stdout is not None
        assert route.stderr is not None
        assert json.loads(route.stdout.readline())["ref"]
        route.stdout.close()
        assert (route.stderr.read(), route.wait(60)) == ("", 0)


def ended_while_it_reads(told: signal.Signals, copy: Path, *shell: str) -> tuple[str, str, int]:
    """What `qingqian audit` says when it is told to end while its broker is silent."""
    with socket.create_server(("127.0.0.1", 0)) as broker:
        broker.settimeout(60)
        place = f"127.0.0.1:{broker.getsockname()[1]}"
        with subprocess.Popen(
            [*shell, sys.executable, "-m", "infra.cli", "audit"], cwd=ROOT, text=True,
            env=os.environ | {"QINGQIAN_KAFKA": place, "TMPDIR": str(copy)},
            stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        ) as reading, broker.accept()[0]:  # fmt: skip
            assert [item.is_dir() for item in copy.iterdir()] == [True]
            reading.send_signal(told)
            return (*reading.communicate(timeout=60), reading.returncode)


# As in a terminal, however this test itself was started.
_HEARS_CTRL_C = (
    sys.executable,
    "-c",
    "import os, signal, sys; signal.signal(signal.SIGINT, signal.SIG_DFL);"
    "os.execv(sys.argv[1], sys.argv[1:])",
)


@pytest.mark.parametrize("told", [signal.SIGTERM, signal.SIGINT])
def test_a_copy_of_the_log_goes_with_a_command_that_is_told_to_end(
    tmp_path: Path, told: signal.Signals
) -> None:
    assert ended_while_it_reads(told, tmp_path, *_HEARS_CTRL_C) == ("", "", 130)
    assert list(tmp_path.iterdir()) == []


def test_a_background_job_that_hears_no_ctrl_c_is_told_to_end_all_the_same(tmp_path: Path) -> None:
    """A shell without job control starts it so."""
    ignored = ("sh", "-c", 'trap "" INT; exec "$0" "$@"')
    assert ended_while_it_reads(signal.SIGTERM, tmp_path, *ignored) == ("", "", 130)
    assert list(tmp_path.iterdir()) == []


def test_a_setting_that_makes_no_sense_is_one_line_and_exit_2() -> None:
    done = qingqian("topics", QINGQIAN_KAKFA="127.0.0.1:1")

    assert done.returncode == 2
    assert done.stderr.splitlines() == [
        "qingqian: QINGQIAN_KAKFA is no setting of Qingqian; did you mean QINGQIAN_KAFKA?"
    ]


@pytest.mark.parametrize("command", ["up", "keys", "demo"])
@pytest.mark.parametrize(
    ("setting", "value", "told"),
    [
        ("QINGQIAN_POLICY", "nope", "no policy book `nope` under shared/policies. Fix: set "),
        ("QINGQIAN_DATA_DIR", "a-file", "a-file is a file, so "),
    ],
)
def test_a_setting_that_nothing_can_be_started_with_starts_nothing(
    command: str, setting: str, value: str, told: str, tmp_path: Path
) -> None:
    (tmp_path / "a-file").touch()
    given = {"QINGQIAN_DATA_DIR": str(tmp_path / "data")} | free_addresses()
    given |= {setting: value if setting == "QINGQIAN_POLICY" else str(tmp_path / value)}

    done = qingqian(command, **given)

    assert done.returncode == 2
    assert done.stdout == ""
    assert len(done.stderr.splitlines()) == 1
    assert told in done.stderr
    assert f"Fix: set {setting} to" in done.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["a-file"]

    doctor = qingqian("doctor", **given)

    assert doctor.returncode == 2
    failed = [line for line in doctor.stdout.splitlines() if line.startswith("FAIL")]
    assert len(failed) == 1
    assert told in failed[0]


@pytest.mark.parametrize("command", ["up", "demo"])
def test_a_local_database_without_a_password_starts_nothing(command: str, tmp_path: Path) -> None:
    given = {"QINGQIAN_DATA_DIR": str(tmp_path / "data")} | free_addresses()
    url = given["QINGQIAN_DATABASE"].replace(":qingqian@", "@")

    done = qingqian(command, **given | {"QINGQIAN_DATABASE": url})

    assert (done.returncode, len(done.stderr.splitlines())) == (2, 1)
    assert done.stderr.startswith("qingqian: QINGQIAN_DATABASE has no password")
    assert not (tmp_path / "data" / "postgres").exists()


@pytest.mark.parametrize("command", ["up", "demo"])
def test_a_local_stack_is_not_started_to_be_spoken_to_by_login(
    command: str, tmp_path: Path
) -> None:
    password = tmp_path / "password"
    password.write_text("hush")
    given = {"QINGQIAN_DATA_DIR": str(tmp_path / "data")} | free_addresses()
    given |= {
        "QINGQIAN_KAFKA_SECURITY_PROTOCOL": "sasl_plaintext",
        "QINGQIAN_KAFKA_USER": "somebody",
        "QINGQIAN_KAFKA_PASSWORD_FILE": str(password),
    }

    done = qingqian(command, **given)

    assert (done.returncode, done.stdout) == (2, "")
    (line,) = done.stderr.splitlines()
    assert line.startswith("qingqian: QINGQIAN_KAFKA_SECURITY_PROTOCOL is sasl_plaintext: a local")


def test_a_taken_port_of_a_service_starts_nothing(tmp_path: Path) -> None:
    addresses = free_addresses()
    port = addresses["QINGQIAN_SUPERVISION_PORT"]
    with socket.create_server(("127.0.0.1", int(port))):
        for command in ("up", "demo"):
            done = qingqian(command, QINGQIAN_DATA_DIR=str(tmp_path / "data"), **addresses)

            assert done.returncode == 2
            assert done.stdout == ""
            (line,) = done.stderr.splitlines()
            assert f"port {port} for supervision is taken by " in line
            assert f"pid {os.getpid()}" in line
            assert "QINGQIAN_SUPERVISION_PORT" in line
            assert not list(tmp_path.glob("data/*"))


def test_the_image_of_the_services_needs_nothing_of_the_local_stack_for_its_commands() -> None:
    probe = "import sys, infra.keyring, infra.topics, infra.ready; print(*sorted(sys.modules))"
    done = subprocess.run(
        [sys.executable, "-c", probe], capture_output=True, text=True, cwd=ROOT, check=True
    )

    assert not set(done.stdout.split()) & {"psutil", "infra.stack"}


def test_a_broker_that_is_not_there_is_one_line_with_the_fix() -> None:
    done = qingqian("topics", QINGQIAN_KAFKA="127.0.0.1:1")

    assert done.returncode == 2
    assert len(done.stderr.splitlines()) == 1
    assert "Fix: qingqian up" in done.stderr


def test_down_where_nothing_runs_says_so(tmp_path: Path) -> None:
    done = qingqian("down", QINGQIAN_DATA_DIR=str(tmp_path))

    assert (done.returncode, done.stdout) == (0, "nothing was running\n")


def test_starting_the_command_line_loads_nothing_heavy() -> None:
    probe = "import sys, infra.cli; print(*sorted(sys.modules))"
    done = subprocess.run(
        [sys.executable, "-c", probe], capture_output=True, text=True, cwd=ROOT, check=True
    )
    loaded = set(done.stdout.split())

    assert "typer" in loaded
    assert not loaded & {"pydantic", "faust", "aiokafka", "fastapi", "asyncpg", "rich", "httpx"}
