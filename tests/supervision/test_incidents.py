"""Extreme incidents (T50), opinion (T52) and illegal demands: hours that no holiday stops."""

from __future__ import annotations

from shared import events as ev
from shared.events import Event
from tests.supervision.spec import Told, assigned, closed, local

INCIDENT = ev.ExtremeIncidentReported(kind="sealed:x", place="sealed:y")


def reported(at: str = "2022-02-03 20:15") -> tuple[Told, Event]:
    case = assigned("2022-01-28 16:00")
    return case, case.at(at, INCIDENT)


def filed(case: Told, at: str, incident: Event, step: str) -> None:
    fields = {"incident": incident.id, "step": step}
    case.at(at, ev.IncidentReportFiled.model_validate(fields))


class TestIncident:
    def test_three_clocks_and_the_convener_at_once(self) -> None:
        case, _ = reported()
        assert case.due("T50", step="phone") == "2022-02-03 20:45"
        assert case.due("T50", step="written") == "2022-02-03 22:15"
        assert case.due("T50", step="update") == "2022-02-04 00:15"
        assert case.alerts("T50") == [("2022-02-03 20:15", "L7")]
        (alert,) = [data for data in case.of(ev.AlertRaised) if data.timer == "T50"]
        assert {"市长", "市公安局", "市委网信办"} <= set(alert.recipients)
        assert local(alert.due_at) == "2022-02-03 20:15"
        assert [data.to for data in case.of(ev.CaseEscalated)] == ["convener"]
        notices = [data for data in case.of(ev.SupervisionNoticeIssued) if data.timer == "T50"]
        assert len(notices) == 1

    def test_no_lower_level_follows_under_the_phone_report(self) -> None:
        case, _ = reported()
        case.until("2022-02-20 00:00")
        assert case.alerts("T50", step="phone") == [("2022-02-03 20:15", "L7")]
        assert case.alerts("T50", step="written") == [("2022-02-03 22:15", "L3")]

    def test_updates_go_on_every_four_hours_reported_or_not(self) -> None:
        case, incident = reported()
        filed(case, "2022-02-03 23:00", incident, "update")
        case.until("2022-02-04 08:15")
        dues = [local(data.due_at) for data in case.deadlines("T50", step="update")]
        assert dues == [
            "2022-02-04 00:15",
            "2022-02-04 04:15",
            "2022-02-04 08:15",
            "2022-02-04 12:15",
        ]
        assert case.alerts("T50", step="update") == [
            ("2022-02-04 04:15", "L3"),
            ("2022-02-04 08:15", "L3"),
        ]
        filed(case, "2022-02-04 09:00", incident, "update")
        assert case.cleared("T50", step="update") == [
            ("2022-02-04 09:00", "L3"),
            ("2022-02-04 09:00", "L3"),
        ]

    def test_until_it_is_cleared(self) -> None:
        case, incident = reported()
        filed(case, "2022-02-03 20:30", incident, "phone")
        filed(case, "2022-02-03 21:30", incident, "written")
        case.at("2022-02-03 23:00", ev.ExtremeIncidentVerified(incident=incident.id))
        assert "T50" in case.running()
        case.at("2022-02-03 23:30", ev.ExtremeIncidentCleared(incident=incident.id))
        assert "T50" not in case.running()
        case.until("2022-02-10 00:00")
        assert len(case.deadlines("T50", step="update")) == 1
        case.at("2022-02-10 09:00", ev.SupervisionNoticeReplied())
        assert ("2022-02-10 09:00", "L7") in case.cleared("T50")

    def test_two_incidents_have_their_own_clocks(self) -> None:
        case, first = reported()
        second = case.at("2022-02-03 21:00", INCIDENT)
        case.at("2022-02-03 21:30", ev.ExtremeIncidentCleared(incident=first.id))
        assert case.due("T50", item=second.id, step="update") == "2022-02-04 01:00"
        assert "T50" in case.running()
        assert [level for _, level in case.alerts("T50")] == ["L7", "L7"]

    def test_recorded_late_no_update_that_is_over_is_asked_for(self) -> None:
        case = assigned("2022-02-07 09:00")
        case.at("2022-02-09 10:00", INCIDENT, happened="2022-02-08 09:00")
        dues = [local(data.due_at) for data in case.deadlines("T50", step="update")]
        assert dues == ["2022-02-08 13:00", "2022-02-09 13:00"]
        assert set(case.times(ev.DeadlineSet)[-4:]) == {"2022-02-09 10:00"}

    def test_it_does_not_end_with_the_case(self) -> None:
        case = closed("2022-01-28 16:00")
        case.at("2022-02-03 20:15", INCIDENT)
        assert case.alerts("T50") == [("2022-02-03 20:15", "L7")]


class TestOpinion:
    def raised(self) -> Told:
        case = assigned("2022-01-28 16:00")
        case.at("2022-02-03 20:15", ev.OpinionAlertRaised(url_hash="h", spread="local"))
        return case

    def test_verified_planned_answered(self) -> None:
        case = self.raised()
        dues = {str(d.item).split("|")[0]: local(d.due_at) for d in case.deadlines("T52")}
        assert dues == {
            "verify": "2022-02-03 20:45",
            "plan": "2022-02-04 00:15",
            "reply": "2022-02-04 20:15",
        }

    def test_overdue_it_is_red_at_once_and_no_more(self) -> None:
        case = self.raised().until("2022-02-20 00:00")
        assert case.alerts("T52") == [
            ("2022-02-03 20:45", "L3"),
            ("2022-02-04 00:15", "L3"),
            ("2022-02-04 20:15", "L3"),
        ]

    def test_each_step_stops_its_clock(self) -> None:
        case = self.raised()
        for at, step in (
            ("2022-02-03 20:30", "verify"),
            ("2022-02-03 23:00", "plan"),
            ("2022-02-04 10:00", "reply"),
        ):
            case.at(at, ev.OpinionStepDone.model_validate({"step": step}))
        assert "T52" not in case.running()
        assert case.until("2022-02-10 00:00").alerts("T52") == []

    def test_an_alert_is_called_off_by_its_address(self) -> None:
        case = self.raised()
        case.at("2022-02-03 20:20", ev.OpinionAlertRaised(url_hash="k", spread="national"))
        case.at("2022-02-03 20:25", ev.OpinionAlertCleared(url_hash="h"))
        items = {clock.item for clock in case.stream.state.clocks if clock.timer == "T52"}
        assert items == {"verify|k", "plan|k", "reply|k"}
        case.at("2022-02-03 20:26", ev.OpinionAlertCleared())
        assert "T52" not in case.running()


def test_an_illegal_demand_changes_no_clock() -> None:
    case = assigned("2022-01-28 16:00")
    before, decided = case.running(), list(case.decided)
    case.at("2022-01-28 16:00", ev.IllegalDemandRecorded(police_doc_no="公1"))
    assert case.running() == before
    assert case.decided == decided
