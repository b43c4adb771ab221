"""Every metric, declared once, with the reason it exists.

Labels come from closed sets only, never a case, a person or an id. Times are in seconds. The
names of the contract come first: dashboards and alerts of others rely on them.
"""

from __future__ import annotations

from typing import Final

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
from prometheus_client.exposition import choose_encoder
from prometheus_client.gc_collector import GCCollector
from prometheus_client.platform_collector import PlatformCollector
from prometheus_client.process_collector import ProcessCollector

REGISTRY: Final = CollectorRegistry(auto_describe=True)
"""Ours, so that what a library registers by itself is not published as a promise of ours."""

ProcessCollector(registry=REGISTRY)
PlatformCollector(registry=REGISTRY)
GCCollector(registry=REGISTRY)

# --- contract 2 ----------------------------------------------------------------------------------

LAG: Final = Gauge(
    "qingqian_lag_seconds",
    "Age of the last folded record while more records wait, else 0: how stale the answers are.",
    registry=REGISTRY,
)
UNDECIDED: Final = Gauge(
    "qingqian_undecided_streams",
    "Streams whose due decisions are not on the log yet: above 0 for long, somebody is not told.",
    registry=REGISTRY,
)
OVERDUE: Final = Gauge(
    "qingqian_overdue_cases",
    "Open cases with a missed deadline: what the campaign is about.",
    registry=REGISTRY,
)
PARKED: Final = Counter(
    "qingqian_parked",
    "Records that could not be read, by reason: each is a foreign or broken writer.",
    ["reason"],
    registry=REGISTRY,
)
REASONS: Final = (
    "complaint",
    "float",
    "foreign_writer",
    "malformed_attribute",
    "malformed_data",
    "missing_attribute",
    "not_json",
    "not_object",
    "nul",
    "number",
    "unknown_attribute",
    "unknown_type",
    "unreadable_policy",
    "wrong_key",
    "wrong_partition",
    "wrong_stream",
)
# Rates see a counter's first step only where it stood at 0 before: each label is there from the
# start.
for _reason in REASONS:
    PARKED.labels(_reason)
LATE: Final = Histogram(
    "qingqian_decision_late_seconds",
    "From the instant a decision was owed to its recording: the promise of punctuality.",
    buckets=(1, 2, 5, 6, 8, 10, 15, 30, 60, 300, 3600, 86_400),
    registry=REGISTRY,
)
CLOCK: Final = Gauge(
    "qingqian_clock_seconds",
    "The clock that decides, as seconds since 1970: on the log clock it moves by leaps.",
    registry=REGISTRY,
)
EVENTS: Final = Counter(
    "qingqian_events",
    "Events acknowledged by the log, by type, counted once by their writer: the traffic.",
    ["type"],
    registry=REGISTRY,
)
ALERTS: Final = Counter(
    "qingqian_alerts",
    "AlertRaised acknowledged by the log, by level: whether the ladder is being climbed.",
    ["level"],
    registry=REGISTRY,
)
for _level in ("L1", "L2", "L3", "L4", "L5", "L6", "L7"):
    ALERTS.labels(_level)

# --- the log and its readers ----------------------------------------------------------------------

READY: Final = Gauge(
    "qingqian_ready",
    "1 when the service can do its work as of this scrape, 0 when its /readyz would say 503.",
    registry=REGISTRY,
)
LAG_RECORDS: Final = Gauge(
    "qingqian_lag_records",
    "Records between position and end, by partition: which partition is behind.",
    ["partition"],
    registry=REGISTRY,
)
FOLDED: Final = Counter(
    "qingqian_records_folded",
    "Records taken in, by what they were (foreign, own, duplicate, old, parked, or passed by as "
    "nothing to this service): the work done.",
    ["kind"],
    registry=REGISTRY,
)
BATCH_SECONDS: Final = Histogram(
    "qingqian_batch_seconds",
    "From a batch's arrival to its acknowledgement, by part: where the time goes.",
    ["part"],
    buckets=(0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 10),
    registry=REGISTRY,
)
BATCH_RECORDS: Final = Histogram(
    "qingqian_batch_records",
    "Records in a batch: small under load means that batching does not work.",
    buckets=(1, 5, 10, 50, 100, 500, 1000, 2000),
    registry=REGISTRY,
)
ROUND_SECONDS: Final = Histogram(
    "qingqian_round_seconds",
    "One round of the sweep: above its period, deadlines fall late.",
    buckets=(0.01, 0.05, 0.1, 0.5, 1, 5, 30),
    registry=REGISTRY,
)
LOST_OWNERSHIP: Final = Counter(
    "qingqian_ownership_lost",
    "Writes refused because another worker owns the partition: a zombie was stopped.",
    registry=REGISTRY,
)
RETRIES: Final = Counter(
    "qingqian_retries",
    "Attempts repeated after a passing fault, by what failed (kafka, database).",
    ["dependency"],
    registry=REGISTRY,
)
for _dependency in ("kafka", "database"):
    RETRIES.labels(_dependency)
REPUBLISHED: Final = Counter(
    "qingqian_decisions_republished",
    "Decisions sent again because their acknowledgement was lost: duplicates on the log.",
    registry=REGISTRY,
)
GAPS: Final = Counter(
    "qingqian_gap_records",
    "Records that the group's offsets had skipped and the position brought back.",
    registry=REGISTRY,
)
REBALANCES: Final = Counter(
    "qingqian_rebalances",
    "Assignments of partitions received: many mean that workers die or freeze.",
    registry=REGISTRY,
)
STREAMS_CACHED: Final = Gauge(
    "qingqian_streams_cached",
    "Streams held in memory: bounded, so a growing process is not their fault.",
    registry=REGISTRY,
)
PARTITIONS_OWNED: Final = Gauge(
    "qingqian_partitions_owned",
    "Partitions this worker owns: their sum over the workers must be the topic's.",
    registry=REGISTRY,
)

# --- reporting -----------------------------------------------------------------------------------

CHECKPOINT_SECONDS: Final = Gauge(
    "qingqian_checkpoint_seconds",
    "Instant of the last signed checkpoint, seconds since 1970: what came since could be changed.",
    registry=REGISTRY,
)
LOG_REWRITTEN: Final = Gauge(
    "qingqian_log_rewritten",
    "1 once the log was found without what a checkpoint had signed: somebody changed the record.",
    registry=REGISTRY,
)

# --- intake --------------------------------------------------------------------------------------

COMPLAINTS: Final = Counter(
    "qingqian_complaints",
    "Complaints answered, by status (received, duplicate, rejected): what the platforms send us.",
    ["status"],
    registry=REGISTRY,
)
OUTBOX: Final = Gauge(
    "qingqian_outbox_complaints",
    "Complaints stored and not yet acknowledged by the log: above 0 for long, the log is silent.",
    registry=REGISTRY,
)

TO_ERASE: Final = Gauge(
    "qingqian_erasures_due",
    "Ended cases whose persons are to be erased by the book's period and are not yet: above 0 for "
    "long, data are kept longer than the city has said.",
    registry=REGISTRY,
)
HELD: Final = Gauge(
    "qingqian_erasures_held",
    "Ended cases past that period that a legal proceeding, or the case they were merged into, "
    "keeps: a person erases them or ends the proceeding.",
    registry=REGISTRY,
)

FEED_LINES: Final = Counter(
    "qingqian_feed_lines",
    "Lines answered, by source of the book and status: which platform sends what, and how much.",
    ["source", "status"],
    registry=REGISTRY,
)
FEED_DAY: Final = Gauge(
    "qingqian_feed_day_lines",
    "Lines of the current civil day by source and outcome: I-02, received is the sum of the rest.",
    ["source", "outcome"],
    registry=REGISTRY,
)
FEED_DELAY: Final = Gauge(
    "qingqian_feed_delay_seconds",
    "Median from received_at to recording, of today's lines by source: the platform's own delay.",
    ["source"],
    registry=REGISTRY,
)
QUARANTINED: Final = Gauge(
    "qingqian_quarantine_waiting",
    "Refused lines that wait for a person, by source: a worker may stand behind each.",
    ["source"],
    registry=REGISTRY,
)
FEED_MISSING: Final = Gauge(
    "qingqian_feed_missing_lines",
    "Complaints taken in that are neither on the log nor in the outbox: above 0, one was lost.",
    registry=REGISTRY,
)

# --- reporting: notifications --------------------------------------------------------------------

NOTIFIED: Final = Counter(
    "qingqian_notifications",
    "Attempts to deliver a notification, by channel and outcome (sent, retry, held).",
    ["channel", "outcome"],
    registry=REGISTRY,
)
UNNOTIFIED: Final = Gauge(
    "qingqian_notifications_pending",
    "Notifications that stand and are not delivered, by channel: growing, an endpoint is dead.",
    ["channel"],
    registry=REGISTRY,
)
OLDEST_UNNOTIFIED: Final = Gauge(
    "qingqian_notifications_waiting_since_seconds",
    "Unix time since which the oldest one waits that may be sent now, by channel; 0: none waits. "
    "Whom an endpoint, or one bad message, leaves untold.",
    ["channel"],
    registry=REGISTRY,
)

# --- HTTP: rate, errors, duration -----------------------------------------------------------------

HTTP_SECONDS: Final = Histogram(
    "qingqian_http_request_seconds",
    "Duration of a request by route and status: rate, errors and duration in one.",
    ["method", "route", "status"],
    buckets=(0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10),
    registry=REGISTRY,
)
HTTP_ACTIVE: Final = Gauge(
    "qingqian_http_requests_active",
    "Requests being answered: saturation.",
    registry=REGISTRY,
)


def exposition(accept: str | None = None) -> tuple[bytes, str]:
    """All metrics and their content type: OpenMetrics for whom accepts it, else classic text."""
    encode, content_type = choose_encoder(accept or "")
    return encode(REGISTRY), content_type
