"""Export, import, and the audit of the running log: on the real Kafka."""

from __future__ import annotations

import base64
import os
import signal
import subprocess
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from random import Random
from types import SimpleNamespace

import orjson
import pytest
import rfc8785

from infra import export, importer
from infra.audit.log import Line, LogFile, Partition, parse
from infra.audit.pool import unlike_checkpoints
from infra.export import line_of
from infra.problem import Unready
from shared.log import Record
from shared.merkle import Tree
from shared.settings import Settings
from tests.infra.test_audit_trees import change, signed_town
from tests.infra.town import Town, live, toy_deciders


@pytest.fixture
def here(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> Settings:
    """The commands find this test's own installation."""
    for name, value in settings.environment().items():
        monkeypatch.setenv(name, value)
    return settings


@pytest.fixture
def file(tmp_path: Path) -> Path:
    town = Town(toy_deciders(), Random(7))
    live(town, 6, 30)
    path = tmp_path / "town.jsonl"
    path.write_bytes(b"".join(town.lines()))
    return path


def record(value: bytes) -> Record:
    return Record("case-events", 3, 0, 1_636_507_200_123, b"key", value)


def test_a_line_carries_the_stored_bytes(file: Path) -> None:
    for text in file.read_bytes().splitlines():
        line = parse(text, "here")
        event = text[text.index(b'"event":') + 8 : -1]
        assert line.stored == event == rfc8785.dumps(orjson.loads(event))


@pytest.mark.parametrize("value", [b'{"b": 1, "a": 2}', b"not json", b'{"a":1}\n', b"[1]", b"\xff"])
def test_a_record_that_is_not_canonical_comes_through_all_the_same(value: bytes) -> None:
    text = line_of(record(value))
    assert text.count(b"\n") == 1
    assert parse(text, "here").stored == value
    assert base64.b64decode(orjson.loads(text)["raw"]) == value


def test_when_it_was_appended_is_told_to_the_millisecond() -> None:
    doc = orjson.loads(line_of(record(b"{}")))
    assert doc["appended_at"] == "2021-11-10T01:20:00.123000Z"
    fields = "topic partition offset appended_at key event"
    assert list(doc) == fields.split()


@pytest.mark.live
def test_what_is_exported_and_imported_is_the_same_log(
    here: Settings, file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert importer.run(file) == 0
    assert "events imported" in capsys.readouterr().out
    again = tmp_path / "again.jsonl"
    assert export.run(again, None) == 0
    assert again.read_bytes() == file.read_bytes()
    assert importer.roots_of(LogFile(again)) == importer.roots_of(LogFile(file))


@pytest.mark.live
def test_an_export_into_a_pipe_leaves_it_a_pipe(here: Settings, file: Path, tmp_path: Path) -> None:
    importer.run(file)
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    with subprocess.Popen(["cat", pipe], stdout=subprocess.PIPE) as reader:
        try:
            assert export.run(pipe, None) == 0
            assert pipe.is_fifo()
            assert reader.communicate(timeout=60)[0] == file.read_bytes()
        finally:
            reader.kill()


@pytest.mark.live
def test_an_import_needs_an_empty_log(here: Settings, file: Path) -> None:
    importer.run(file)
    with pytest.raises(Unready, match="needs an empty one") as caught:
        importer.run(file)
    assert caught.value.exit_code == 2


@pytest.mark.live
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_import_that_is_stopped_half_way_says_what_is_left(
    here: Settings,
    file: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    number: signal.Signals,
) -> None:
    read = LogFile.read
    seen: list[Partition] = []

    def stopped(log: LogFile, partition: Partition) -> Iterator[Line]:
        """The second reading writes; of it the last partition is not reached."""
        if seen.count(partition) and partition == list(log.partitions())[-1]:
            os.kill(os.getpid(), number)
        seen.append(partition)
        yield from read(log, partition)

    before = signal.signal(signal.SIGINT, signal.default_int_handler)  # As in a terminal.
    try:
        with monkeypatch.context() as patched:
            patched.setattr(LogFile, "read", stopped)
            with pytest.raises(KeyboardInterrupt):
                importer.run(file)
    finally:
        signal.signal(signal.SIGINT, before)
    assert "interrupted: the log may hold a part of the file" in capsys.readouterr().err
    with pytest.raises(Unready, match="needs an empty one"):
        importer.run(file)


@pytest.mark.live
def test_an_import_says_that_a_log_is_not_what_its_checkpoints_signed(
    here: Settings, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """It is read all the same: whoever looks into it may want to see it served."""
    assert importer.run(signed_town().export(tmp_path / "log.jsonl", change)) == 0
    told = capsys.readouterr()
    assert "events imported" in told.out
    assert "this log is not what its own checkpoints signed" in told.err


def test_a_log_is_held_to_its_own_checkpoints(tmp_path: Path) -> None:
    honest = signed_town().export(tmp_path / "honest.jsonl")
    assert unlike_checkpoints(LogFile(honest)) == []
    changed = signed_town().export(tmp_path / "changed.jsonl", change)
    assert [item.finding for item in unlike_checkpoints(LogFile(changed))] == ["changed"]


def test_an_import_starts_the_servers_without_services_where_none_serves(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    started: list[str] = []
    serving: set[int] = {19092}
    monkeypatch.setattr(importer, "answers", serving.__contains__)
    monkeypatch.setattr(
        importer,
        "stack_of",
        lambda settings, keep: SimpleNamespace(start=lambda: started.append(settings.kafka)),
    )
    assert not importer._serve(Settings(kafka="127.0.0.1:19092"))
    assert not importer._serve(Settings(kafka="broker.example.org:9092"))
    by_tls = {"kafka": "127.0.0.1:29092", "kafka_security_protocol": "ssl", "kafka_ca_file": "ca"}
    assert not importer._serve(Settings.model_validate(by_tls))
    assert importer._serve(Settings(kafka="127.0.0.1:29092"))
    assert started == ["127.0.0.1:29092"]


@pytest.mark.live
def test_an_export_as_of_an_instant_is_cut_at_the_running_maximum(
    here: Settings, file: Path, tmp_path: Path
) -> None:
    importer.run(file)
    docs = [orjson.loads(text) for text in file.read_bytes().splitlines()]
    middle = sorted(datetime.fromisoformat(doc["event"]["recordedtime"]) for doc in docs)
    cut = middle[len(middle) // 2]
    expected: list[object] = []
    latest: dict[tuple[str, int], datetime] = {}
    for doc in docs:
        place = (doc["topic"], doc["partition"])
        at = datetime.fromisoformat(doc["event"]["recordedtime"])
        latest[place] = max(latest.get(place, at), at)
        if latest[place] <= cut:
            expected.append(doc)
    path = tmp_path / "cut.jsonl"
    assert export.run(path, cut.astimezone(UTC).isoformat()) == 0
    assert [orjson.loads(text) for text in path.read_bytes().splitlines()] == expected
    assert 0 < len(expected) < len(docs)


@pytest.mark.live
def test_after_an_import_the_broker_stamps_the_records_again(here: Settings, file: Path) -> None:
    importer.run(file)
    with pytest.raises(Unready, match="needs an empty one"):
        importer.run(file)  # and `topics.ensure` on its way found the topics as declared


def test_an_export_with_a_gap_is_not_imported(file: Path) -> None:
    lines = file.read_bytes().splitlines(keepends=True)
    file.write_bytes(b"".join(lines[1:]))
    with pytest.raises(Unready, match="stands where offset 0 must"):
        importer.roots_of(LogFile(file))


def test_the_root_of_a_partition_is_that_of_its_lines(file: Path) -> None:
    roots = importer.roots_of(LogFile(file))
    docs = [orjson.loads(text) for text in file.read_bytes().splitlines()]
    for (topic, partition), (size, root) in roots.items():
        events = [d["event"] for d in docs if (d["topic"], d["partition"]) == (topic, partition)]
        assert size == len(events)
        assert root == Tree(rfc8785.dumps(event) for event in events).root().hex()


@pytest.mark.parametrize("text", ["yesterday", "2021-11-10T00:00:00", ""])
def test_an_instant_without_a_zone_is_refused(text: str) -> None:
    with pytest.raises(Unready, match="RFC 3339"):
        export.instant(text, "--as-of")


def test_without_a_broker_an_export_says_what_to_do(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("QINGQIAN_KAFKA", "127.0.0.1:9")
    path = tmp_path / "none.jsonl"
    with pytest.raises(Unready, match="qingqian up"):
        export.run(path, None)
    assert not path.exists()
    assert list(tmp_path.iterdir()) == []
