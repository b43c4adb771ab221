"""Every source is answered (I-03): its reply clock (T10), merged or not, and what is owed."""

from __future__ import annotations

from shared import events as ev
from tests.supervision.spec import (
    OFFICE,
    assigned,
    closed,
    followed_up,
    local,
    paid,
    received,
    reviewed,
    when,
)


class TestSources:
    def test_a_reply_is_due_the_working_day_before(self) -> None:
        case = received(
            "2021-11-18 09:00", source="12345", external_due_at=when("2021-11-25 18:00")
        )
        assert case.due("T10") == "2021-11-25 00:00"
        midnight = received("2021-11-18 09:00", external_due_at=when("2021-11-26 00:00"))
        assert midnight.due("T10") == "2021-11-25 00:00"
        monday = received("2021-11-18 09:00", external_due_at=when("2021-11-22 12:00"))
        assert monday.due("T10") == "2021-11-20 00:00"

    def test_without_a_date_only_the_hotline_has_five_days(self) -> None:
        assert received("2021-11-18 09:00", source="12345").due("T10") == "2021-11-26 00:00"
        assert received("2021-11-18 09:00", source="mayor").due("T10") is None

    def test_only_its_own_reply_stops_it(self) -> None:
        case = received("2021-11-18 09:00", source="12345")
        case.at("2021-11-19 09:00", ev.SourceReplied(source="12345", source_ref="2"))
        assert "T10" in case.running()
        case.at("2021-11-19 10:00", ev.SourceReplied(source="12345", source_ref="1"))
        assert "T10" not in case.running()

    def test_after_a_merge_it_goes_on_under_the_master(self) -> None:
        merged = received("2021-11-18 09:00", source="12345", source_ref="B")
        merged.at("2021-11-18 09:00", ev.ComplaintMerged(cause="f", master="m", match="match:x"))
        assert merged.running() == set()
        master = assigned("2021-11-15 09:00", tier="NAT", source="national")
        master.at("2021-11-24 09:00", _added(registered_at="2021-11-18 09:00"))
        (deadline,) = master.deadlines("T10")
        assert deadline.source_ref == "B"
        assert local(deadline.started_at) == "2021-11-18 09:00"
        assert local(deadline.due_at) == "2021-11-26 00:00"

    def test_a_merge_by_a_person_much_later_gives_no_new_time(self) -> None:
        master = assigned("2021-11-15 09:00")
        master.at("2021-12-20 09:00", _added(registered_at="2021-11-18 09:00"))
        assert master.due("T10") == "2021-11-26 00:00"

    def test_each_source_is_owed_one_reply_at_closing(self) -> None:
        case = assigned("2021-11-15 09:00", tier="NAT", source="national")
        case.at("2021-11-18 09:00", _added(registered_at="2021-11-18 09:00"))
        paid(case, "2021-11-19 09:00")
        reviewed(case, "2021-11-19 10:00")
        followed_up(case, "2021-11-19 11:00")
        owed = [
            (data.source, data.source_ref, data.conclusion) for data in case.of(ev.SourceReplyOwed)
        ]
        assert owed == [("national", "1", "PAID_IN_FULL"), ("12345", "B", "PAID_IN_FULL")]
        assert "T10" in case.running(), "the reply itself is still due"

    def test_also_one_that_was_answered_before(self) -> None:
        """In hand, was the answer; how it ended is owed at each closing."""
        case = closed("2021-11-15 09:00")
        case.at("2021-11-16 09:00", ev.SourceReplied(source="window", source_ref="1"))
        case.at("2021-11-18 09:00", ev.FalseClosureFound(), by=OFFICE)
        reviewed(case, "2021-11-19 10:00")
        followed_up(case, "2021-11-19 11:00")
        assert [data.conclusion for data in case.of(ev.SourceReplyOwed)] == ["PAID_IN_FULL"] * 2

    def test_whoever_is_turned_away_is_answered_too(self) -> None:
        case = received("2021-11-18 09:00", source="12345")
        case.at("2021-11-19 09:00", ev.ComplaintNotAccepted(reason="NOT_WAGES"))
        assert [data.conclusion for data in case.of(ev.SourceReplyOwed)] == ["NOT_ACCEPTED"]

    def test_one_already_answered_is_told_that_it_was_passed_on(self) -> None:
        case = received("2021-11-18 09:00", source="12345")
        case.at("2021-11-19 09:00", ev.SourceReplied(source="12345", source_ref="1"))
        case.at("2021-11-19 10:00", ev.ComplaintTransferredOut(to_body="sealed:x"))
        assert [d.conclusion for d in case.of(ev.SourceReplyOwed)] == ["TRANSFERRED_OUT"]


def _added(registered_at: str) -> ev.ClaimLinesAdded:
    return ev.ClaimLinesAdded(
        cause="found",
        from_case="B",
        source="12345",
        source_ref="B",
        tier="CITY",
        received_at=when("2021-11-18 09:00"),
        registered_at=when(registered_at),
        lines=(ev.ClaimLine(line="1"),),
        same={"1": "1"},
    )


def test_merged_again_after_a_revoked_merge_nothing_is_counted_twice() -> None:
    case = assigned("2021-11-15 09:00")
    for at in ("2021-11-18 09:00", "2021-11-19 09:00"):
        case.at(at, _added("2021-11-18 09:00").model_copy(update={"same": {}}))
    assert [line.line for line in case.stream.state.lines] == ["1", "2"]
    assert len(case.deadlines("T10")) == 1
    case.at("2021-11-20 09:00", ev.ComplaintTransferredOut(to_body="sealed:x"))
    assert [data.source_ref for data in case.of(ev.SourceReplyOwed)] == ["1", "B"]
