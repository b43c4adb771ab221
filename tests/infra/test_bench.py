"""The bench: what it says of figures, and that what it measures on is what it claims to be."""

from __future__ import annotations

import io
import re
from datetime import timedelta
from pathlib import Path

import orjson
import pytest
from rich.console import Console

from infra import bench
from infra.bench import (
    crowd,
    extraction,
    forwarder,
    intake,
    likeness,
    restart,
    sweeping,
    visibility,
)
from infra.bench.figures import Figure, Limit, Peer, failed, number, show, write
from infra.bench.mix import Mix, campaign
from infra.bench.rig import ADOPTION_ID, book, raw_book
from infra.bench.sizes import FORMS, VARIABLE, Sizes, chosen
from infra.problem import Unready
from services.intake.complaint import check, read
from services.supervision.decider import STREAMS
from shared.envelope import decode
from shared.policy import read_book
from shared.reconciler.rows import load_row
from shared.settle import Books, settle_to

PEER = Peer("a peer", "its settings", (100.0, 90.0, 400.0))


@pytest.fixture(scope="module")
def mix() -> Mix:
    return campaign(3)


# --- figures --------------------------------------------------------------------------------------


def test_the_median_of_the_runs_counts() -> None:
    figure = Figure("f", "x/s", (10.0, 500.0, 50.0), Limit("at least", 0.5), PEER)
    assert figure.value == 50.0
    assert figure.ratio == 0.5
    assert figure.met


@pytest.mark.parametrize(
    ("limit", "met"),
    [
        (Limit("at least", 0.51), False),
        (Limit("at least", 0.5), True),
        (Limit("at most", 0.5), True),
        (Limit("at most", 0.49), False),
    ],
)
def test_with_a_peer_the_limit_is_of_the_ratio(limit: Limit, met: bool) -> None:
    assert Figure("f", "x/s", (50.0,), limit, PEER).met is met


def test_without_a_peer_the_limit_is_of_the_value() -> None:
    assert Figure("f", "MB", (299.0,), Limit("at most", 300)).met is True
    assert Figure("f", "MB", (301.0,), Limit("at most", 300)).met is False


def test_what_is_extrapolated_is_never_said_to_be_met() -> None:
    figure = Figure("f", "MB", (1.0,), Limit("at most", 300), counts=False)
    assert figure.met is None
    assert figure.verdict == "extrapolated"
    assert figure.document()["judged"] is False


def test_a_figure_that_could_not_be_had_is_not_met() -> None:
    figure = failed("f", "x/s", ExceptionGroup("group", [ValueError("the\nreason")]))
    assert figure.met is False
    assert figure.failure == "ValueError: the reason"
    assert figure.document() == {
        "name": "f", "unit": "x/s", "met": False, "failure": "ValueError: the reason",
    }  # fmt: skip


def test_the_document_says_what_the_limit_is_of() -> None:
    found = Figure("f", "x/s", (50.0,), Limit("at least", 0.25), PEER, "a note").document()
    assert found["limit"] == {"of": "ratio", "sense": "at least", "value": 0.25}
    assert found["ratio"] == 0.5
    assert found["peer"]["settings"] == "its settings"
    assert Figure("f", "", (1.0,), Limit("at least", 0.9)).document()["limit"]["of"] == "value"


def test_a_remark_of_several_figures_is_printed_once() -> None:
    out = io.StringIO()
    figures = [Figure(name, "ms", (1.0,), note="seen by both") for name in ("p50", "p99")]
    show(figures, "title", Console(file=out, width=120))
    assert out.getvalue().count("seen by both") == 1
    assert "p50, p99: seen by both" in out.getvalue()


@pytest.mark.parametrize(
    ("value", "text"), [(12345.6, "12,346"), (12.34, "12.3"), (0.2714, "0.271"), (300.0, "300")]
)
def test_numbers_are_short(value: float, text: str) -> None:
    assert number(value) == text


def test_the_file_is_whole_or_not_there(tmp_path: Path) -> None:
    path = tmp_path / "new" / "bench.json"
    write(path, {"figures": []})
    assert orjson.loads(path.read_bytes()) == {"figures": []}
    assert [child.name for child in path.parent.iterdir()] == ["bench.json"]


# --- forms ----------------------------------------------------------------------------------------


def test_the_full_form_is_the_default(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(VARIABLE, raising=False)
    assert chosen() == FORMS["full"]
    monkeypatch.setenv(VARIABLE, "short")
    assert chosen() == FORMS["short"]


def test_an_unknown_form_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(VARIABLE, "huge")
    with pytest.raises(Unready, match="one of full, short"):
        chosen()


def test_the_full_form_measures_what_the_limits_are_of() -> None:
    full = FORMS["full"]
    assert full.runs == 3
    assert full.crowd == crowd.CROWD == 100_000
    assert (full.open_rows, full.due_rows) == (1_000_000, 10_000)
    assert full.log == 1_000_000
    assert visibility.PACE * full.seconds == 2000


@pytest.mark.parametrize("sizes", FORMS.values(), ids=FORMS)
def test_every_sweep_has_as_much_due_as_its_share(sizes: Sizes) -> None:
    assert sizes.due_rows * 100 == sizes.open_rows


# --- what is measured on --------------------------------------------------------------------------


def test_the_mix_is_a_log_of_all_writers(mix: Mix) -> None:
    events = [decode(value) for _, value in mix.records]
    assert all(event.subject == key for event, (key, _) in zip(events, mix.records, strict=True))
    assert set(mix.by_writer) == {"intake", "routing", "supervision"}
    assert sum(mix.by_writer.values()) == len(mix)
    assert sum(event.type == "ComplaintReceived" for event in events) >= mix.cases
    assert all(mix.start <= event.recordedtime <= mix.end for event in events)
    assert len({event.id for event in events}) == len(events)


def test_the_mix_is_of_the_book_that_is_adopted(mix: Mix) -> None:
    found = {decode(value).policy for _, value in mix.records} - {None}
    assert found == {book(mix.start).ref}


def test_the_calendar_goes_on_where_the_shipped_one_ends(mix: Mix) -> None:
    assert raw_book(mix.start) == read_book("dengfeng-2021-35")
    later = mix.start + timedelta(days=365 * 20)
    assert book(later).calendar.last.year == later.year + 2


def test_complaints_of_a_run_are_new_ones_that_intake_takes(mix: Mix) -> None:
    first, second = intake.lines(60, "a"), intake.lines(60, "b")
    refs = {read(line).source_ref for line in first + second}
    assert len(refs) == 120
    for line in first:
        check(read(line), mix.end, book(mix.start))


def test_each_of_the_crowd_is_a_case_of_its_own() -> None:
    bodies = crowd._bodies(200)
    assert len({(body["source"], body["source_ref"]) for body in bodies}) == 200
    assert len({claim["worker"]["id_no"] for body in bodies for claim in body["claims"]}) == 200


def test_a_waiting_stream_owes_its_step_at_its_wake_up_and_not_before() -> None:
    waiting = sweeping.Waiting(sweeping.START)
    stored = waiting.row_of("0f1d2c3b-0000-5000-8000-000000000001")
    assert waiting.model not in stored.state
    books = Books([book(sweeping.START)])
    row = load_row(STREAMS, stored)
    early = waiting.wake_at - timedelta(microseconds=1)
    assert settle_to(row.decider, row.stream, early, books) == []
    owed = settle_to(row.decider, row.stream, waiting.wake_at, books)
    assert owed
    assert {event.subject for event in owed} == {stored.subject}


def test_what_is_not_due_waits_beyond_every_sweep() -> None:
    due = [sweeping.Waiting(sweeping.START + number * sweeping.DAY) for number in range(3)]
    instants = [waiting.wake_at for waiting in due]
    assert instants == sorted(set(instants))
    assert sweeping.Waiting(sweeping.LATER).wake_at > instants[-1]


def test_percentiles_are_delays_that_were_seen() -> None:
    delays = [float(number) for number in range(100)]
    assert visibility.at(delays, 50) == 50.0
    assert visibility.at(delays, 99) == 99.0
    assert visibility.at([7.0], 99) == 7.0
    with pytest.raises(Unready, match="no case"):
        visibility.at([], 50)


def test_the_forwarder_knows_its_senders() -> None:
    assert forwarder._sender("each") == "each"
    with pytest.raises(SystemExit, match="none of faust, each, batch"):
        forwarder._sender("none")


def test_without_the_messages_the_extraction_is_said_to_be_absent(tmp_path: Path) -> None:
    figures, remark = extraction.measure(tmp_path / "messages.jsonl")
    assert [figure.name for figure in figures] == ["text: complaints read"]
    assert "not measured" in remark


@pytest.mark.skipif(not extraction.MESSAGES.exists(), reason="../shared/data is not there")
def test_the_extraction_has_its_limits() -> None:
    figures, remark = extraction.measure()
    assert {
        "text: complaints read",
        "text: claim, left out: F1",
        "text: lead, left out: precision",
    } <= {figure.name for figure in figures}
    assert "labelled messages" in remark


def test_a_look_for_likely_duplicates_opens_few_of_those_it_meets() -> None:
    figure = likeness.measure(1, 400)
    assert figure.ratio is not None
    assert figure.ratio > 0
    complaints, pairs, opened = map(int, re.findall(r"\d+", figure.note))
    assert complaints > 300
    assert 0 < opened < pairs / 4


@pytest.mark.parametrize(("limit", "code", "word"), [(2.0, 1, "NOT MET"), (0.5, 0, "met")])
def test_a_missed_limit_is_exit_code_1(
    limit: float,
    code: int,
    word: str,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    async def measured(self: bench.Bench) -> None:
        self.figures = [Figure("slow", "x/s", (1.0,), Limit("at least", limit))]

    monkeypatch.setattr(bench.Bench, "measure", measured)
    monkeypatch.setenv(VARIABLE, "short")
    monkeypatch.setenv("QINGQIAN_DATA_DIR", str(tmp_path))
    assert bench.run() == code
    found = orjson.loads((tmp_path / "bench.json").read_bytes())
    assert found["form"] == "short"
    assert [figure["met"] for figure in found["figures"]] == [not code]
    assert word in capsys.readouterr().out


def test_a_renamed_record_is_another_event_of_another_case(mix: Mix) -> None:
    for key, value in mix.records[:400]:
        if not restart._of_cases(key):
            continue
        other = decode(restart.renamed(value.decode(), 3).encode())
        event = decode(value)
        assert other.subject == restart.renamed(key, 3) != key
        assert other.id != event.id
        assert other.type == event.type
        assert (other.basis is None) == (event.basis is None)
        assert restart.renamed(value.decode(), 0) == value.decode()


def test_the_adoption_keeps_its_name() -> None:
    assert restart.renamed(f"basis {ADOPTION_ID}", 5) == f"basis {ADOPTION_ID}"
