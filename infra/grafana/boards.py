"""The Grafana boards: one for the campaign and one a service, written as JSON beside this file.

`python -m infra.grafana.boards` writes them; a test holds the files to this module and every
PromQL name to the registry, so that no panel asks for a metric that nobody publishes.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).parent / "dashboards"


@dataclass(frozen=True)
class Panel:
    """One chart: title, what to look for, unit, and (PromQL, legend) pairs."""

    title: str
    reads: str
    unit: str
    queries: tuple[tuple[str, str], ...]
    kind: str = "timeseries"


def _quantiles(metric: str, job: str, by: str = "") -> tuple[tuple[str, str], ...]:
    group = f"le, {by}" if by else "le"
    legend = f" {{{{{by}}}}}" if by else ""
    return tuple(
        (
            f"histogram_quantile({q}, sum by ({group}) "
            f'(rate({metric}_bucket{{job="{job}"}}[$__rate_interval])))',
            f"p{round(q * 100)}{legend}",
        )
        for q in (0.5, 0.99)
    )


def _http(job: str) -> list[Panel]:
    name = "qingqian_http_request_seconds"
    return [
        Panel(
            "Requests",
            "Rate by route: what clients ask for",
            "reqps",
            (
                (
                    f'sum by (route) (rate({name}_count{{job="{job}"}}[$__rate_interval]))',
                    "{{route}}",
                ),
            ),
        ),
        Panel(
            "Errors",
            "Refusals and errors by status; 5xx should be none",
            "reqps",
            (
                (
                    f'sum by (status) (rate({name}_count{{job="{job}",status=~"4..|5.."}}'
                    "[$__rate_interval]))",
                    "{{status}}",
                ),
            ),
        ),
        Panel("Duration", "How long an answer takes", "s", _quantiles(name, job)),
        Panel(
            "In flight",
            "Requests being answered: saturation",
            "short",
            ((f'qingqian_http_requests_active{{job="{job}"}}', "{{instance}}"),),
        ),
    ]


def _follower(job: str) -> list[Panel]:
    return [
        Panel(
            "Ready",
            "0: it runs and cannot do its work; /readyz says why",
            "short",
            ((f'qingqian_ready{{job="{job}"}}', "{{instance}}"),),
        ),
        Panel(
            "Behind the log",
            "Seconds; 0 when everything is folded",
            "s",
            ((f'qingqian_lag_seconds{{job="{job}"}}', "{{instance}}"),),
        ),
        Panel(
            "Records waiting",
            "By partition: one alone points to one broken stream",
            "short",
            ((f'sum by (partition) (qingqian_lag_records{{job="{job}"}})', "p{{partition}}"),),
        ),
        Panel(
            "Records folded",
            "Own echoes, foreign events, duplicates, parked; a second",
            "cps",
            (
                (
                    "sum by (kind) (rate(qingqian_records_folded_total"
                    f'{{job="{job}"}}[$__rate_interval]))',
                    "{{kind}}",
                ),
            ),
        ),
    ]


def _batches(job: str) -> Panel:
    return Panel(
        "A batch, by part",
        "Where the time goes",
        "s",
        _quantiles("qingqian_batch_seconds", job, "part"),
    )


def _reconciler(job: str) -> list[Panel]:
    return [
        *_follower(job),
        _batches(job),
        Panel(
            "Punctuality",
            "From the instant a decision was owed to its recording",
            "s",
            _quantiles("qingqian_decision_late_seconds", job),
        ),
        Panel(
            "Decisions due, not yet on the log",
            "Above 0 for long: somebody is not told",
            "short",
            ((f'qingqian_undecided_streams{{job="{job}"}}', "{{instance}}"),),
        ),
        Panel(
            "A round of the sweep",
            "Must stay below its period of one second",
            "s",
            _quantiles("qingqian_round_seconds", job),
        ),
        Panel(
            "Partitions by worker",
            "Their sum is 12",
            "short",
            ((f'qingqian_partitions_owned{{job="{job}"}}', "{{instance}}"),),
        ),
        Panel(
            "Trouble",
            "Rebalances, lost ownership, retries, decisions sent again",
            "short",
            (
                (
                    f'sum(increase(qingqian_rebalances_total{{job="{job}"}}[10m]))',
                    "rebalances",
                ),
                (
                    f'sum(increase(qingqian_ownership_lost_total{{job="{job}"}}[10m]))',
                    "ownership lost",
                ),
                (
                    f'sum by (dependency) (increase(qingqian_retries_total{{job="{job}"}}[10m]))',
                    "retries {{dependency}}",
                ),
                (
                    f'sum(increase(qingqian_decisions_republished_total{{job="{job}"}}[10m]))',
                    "sent again",
                ),
            ),
        ),
        Panel(
            "Memory",
            "Resident; the cache of streams is bounded",
            "bytes",
            ((f'process_resident_memory_bytes{{job="{job}"}}', "{{instance}}"),),
        ),
    ]


def _notifications() -> list[Panel]:
    since = "qingqian_notifications_waiting_since_seconds"
    return [
        Panel(
            "Notifications 告知",
            "Attempts by channel and outcome; retry without sent: an endpoint is dead",
            "short",
            (
                (
                    "sum by (channel, outcome) (increase(qingqian_notifications_total[10m]))",
                    "{{channel}} {{outcome}}",
                ),
                ("max by (channel) (qingqian_notifications_pending)", "{{channel}} pending"),
            ),
        ),
        Panel(
            "Oldest notification that waits",
            "Of those that may be sent now; above half an hour somebody is not told",
            "s",
            ((f"time() - max by (channel) ({since} > 0)", "{{channel}}"),),
        ),
    ]


def _campaign() -> list[Panel]:
    return [
        Panel(
            "Overdue cases 逾期",
            "Open cases with a missed deadline",
            "short",
            (("max(qingqian_overdue_cases)", "overdue"),),
            "stat",
        ),
        Panel(
            "Escalations 预警",
            "Alerts raised, by level: L4 督办函, L6 副召集人, L7 召集人",
            "short",
            (
                (
                    "sum by (level) (increase(qingqian_alerts_total[1h]))",
                    "{{level}}",
                ),
            ),
        ),
        Panel(
            "Complaints 线索",
            "Received, duplicate, rejected",
            "short",
            (("sum by (status) (increase(qingqian_complaints_total[1h]))", "{{status}}"),),
        ),
        Panel(
            "Decisions and acts by type",
            "What happens to the cases",
            "short",
            (("topk(12, sum by (type) (increase(qingqian_events_total[1h])))", "{{type}}"),),
        ),
        Panel(
            "Referrals and closings",
            "移送、办结、不予办结、重办",
            "short",
            (
                (
                    "sum by (type) (increase(qingqian_events_total"
                    '{type=~"CaseClosed|ClosureRefused|CaseReopened|CaseReferredToPublicSecurity"}'
                    "[1h]))",
                    "{{type}}",
                ),
            ),
        ),
        Panel(
            "Parked records",
            "What could not be read, by reason",
            "short",
            (("sum by (reason) (increase(qingqian_parked_total[1h]))", "{{reason}}"),),
        ),
        Panel(
            "The clock that decides",
            "Wall or log clock",
            "dateTimeAsIso",
            (("max(qingqian_clock_seconds) * 1000", "clock"),),
            "stat",
        ),
    ]


def _intake() -> list[Panel]:
    waiting = Panel(
        "Complaints waiting for the log",
        "Stored, not yet acknowledged",
        "short",
        (("qingqian_outbox_complaints", "{{instance}}"),),
    )
    lines = Panel(
        "Lines by source",
        "What each platform sends: a source that falls silent, or sends rejects or the same again",
        "reqps",
        (
            (
                "sum by (source, status) (rate(qingqian_feed_lines_total[$__rate_interval]))",
                "{{source}} {{status}}",
            ),
        ),
    )
    quarantine = Panel(
        "Quarantine",
        "Refused lines that wait for a person, and complaints that are missing (none)",
        "short",
        (
            ("max by (source) (qingqian_quarantine_waiting) > 0", "{{source}}"),
            ("max(qingqian_feed_missing_lines)", "missing"),
        ),
    )
    delay = Panel(
        "Delay of the platforms",
        "Median from receiving to recording, of today's lines by source",
        "s",
        (("max by (source) (qingqian_feed_delay_seconds) > 0", "{{source}}"),),
    )
    today = Panel(
        "Today's lines (I-02)",
        "By outcome: what is not open was accepted, merged, transferred, refused or returned",
        "short",
        (("sum by (outcome) (max by (source, outcome) (qingqian_feed_day_lines))", "{{outcome}}"),),
    )
    feeds = [lines, quarantine, delay, today]
    return [*_http("intake"), waiting, *feeds, *_follower("intake")]


def _checkpoints() -> list[Panel]:
    return [
        Panel(
            "Last checkpoint",
            "What was recorded since could be changed unnoticed",
            "dateTimeAsIso",
            (("max(qingqian_checkpoint_seconds) * 1000", "signed"),),
            "stat",
        ),
        Panel(
            "Log rewritten",
            "1: the log lacks what a checkpoint signed",
            "short",
            (("max(qingqian_log_rewritten)", "rewritten"),),
            "stat",
        ),
    ]


BOARDS: dict[str, tuple[str, list[Panel]]] = {
    "campaign": ("清欠 · Campaign 专项行动", _campaign()),
    "intake": ("清欠 · Intake 受理", _intake()),
    "routing": ("清欠 · Routing 交办", _reconciler("routing")),
    "supervision": ("清欠 · Supervision 督办", _reconciler("supervision")),
    "reporting": (
        "清欠 · Reporting 通报",
        [
            *_http("reporting"),
            *_follower("reporting"),
            _batches("reporting"),
            *_notifications(),
            *_checkpoints(),
        ],
    ),
}


def board(name: str) -> dict[str, Any]:
    """A board as Grafana's JSON, with a fixed uid."""
    title, panels = BOARDS[name]
    return {
        "uid": f"qingqian-{name}",
        "title": title,
        "tags": ["qingqian"],
        "editable": False,
        "schemaVersion": 39,
        "refresh": "30s",
        "time": {"from": "now-6h", "to": "now"},
        "timezone": "Asia/Shanghai",
        "panels": [_panel(number, panel) for number, panel in enumerate(panels)],
    }


def _panel(number: int, panel: Panel) -> dict[str, Any]:
    source = {"type": "prometheus", "uid": "prometheus"}
    return {
        "type": panel.kind,
        "title": panel.title,
        "description": panel.reads,
        "datasource": source,
        "gridPos": {"h": 8, "w": 12, "x": 12 * (number % 2), "y": 8 * (number // 2)},
        "fieldConfig": {"defaults": {"unit": panel.unit, "min": 0}, "overrides": []},
        "targets": [
            {
                "refId": chr(65 + index),
                "datasource": source,
                "expr": query,
                "legendFormat": legend,
            }
            for index, (query, legend) in enumerate(panel.queries)
        ],
    }


def text(name: str) -> str:
    """The file's content."""
    return json.dumps(board(name), ensure_ascii=False, indent=1) + "\n"


def main() -> None:
    FOLDER.mkdir(exist_ok=True)
    for name in BOARDS:
        (FOLDER / f"{name}.json").write_text(text(name), encoding="utf-8")


if __name__ == "__main__":
    main()
