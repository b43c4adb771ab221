"""Faust's own sensor, reduced to what tells us something, and published with our metrics."""

from __future__ import annotations

from typing import Any, Final

from faust.sensors import Monitor
from prometheus_client import Counter, Gauge, Histogram

from shared.metrics import REGISTRY

REBALANCE_SECONDS: Final = Histogram(
    "qingqian_faust_rebalance_seconds",
    "A rebalance as Faust sees it, from its start to its end: nothing is folded meanwhile.",
    buckets=(0.1, 0.5, 1, 3, 10, 30, 60),
    registry=REGISTRY,
)
COMMITS: Final = Counter(
    "qingqian_faust_commits",
    "Commits of the group's offsets, a hint only: none for long means that Faust stands still.",
    registry=REGISTRY,
)
COMMITTED: Final = Gauge(
    "qingqian_faust_committed_offset",
    "Offset that Faust committed, by partition: to be compared with our own position.",
    ["partition"],
    registry=REGISTRY,
)
READ: Final = Gauge(
    "qingqian_faust_end_offset",
    "End offset as Faust's consumer sees it, by partition.",
    ["partition"],
    registry=REGISTRY,
)


class Sensor(Monitor):
    """Rebalances, commits and offsets; what happens for each record is not measured twice."""

    def on_message_in(self, tp: Any, offset: int, message: Any) -> None:
        """Per record: ours to count."""

    def on_stream_event_in(self, tp: Any, offset: int, stream: Any, event: Any) -> None:
        """Per record: ours to count."""

    def on_stream_event_out(
        self, tp: Any, offset: int, stream: Any, event: Any, state: Any = None
    ) -> None:
        """Per record: ours to count."""

    def on_message_out(self, tp: Any, offset: int, message: Any) -> None:
        """Per record: ours to count."""

    def on_commit_completed(self, consumer: Any, state: Any) -> None:
        super().on_commit_completed(consumer, state)
        COMMITS.inc()

    def on_tp_commit(self, tp_offsets: Any) -> None:
        super().on_tp_commit(tp_offsets)
        for tp, offset in tp_offsets.items():
            COMMITTED.labels(str(tp.partition)).set(offset)

    def track_tp_end_offset(self, tp: Any, offset: int) -> None:
        super().track_tp_end_offset(tp, offset)
        READ.labels(str(tp.partition)).set(offset)

    def on_rebalance_end(self, app: Any, state: Any) -> None:
        super().on_rebalance_end(app, state)
        REBALANCE_SECONDS.observe(state["latency_end"])
