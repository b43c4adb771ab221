"""`qingqian audit`: re-decide the log with the deciders that decided it, and name what differs.

Reads the log (Kafka, or an export) and no service's table. Every stream of every service is
replayed from the bytes (design 5.5); what all streams owe is pooled and compared by id with what
is on the log. Exit 0 clean, 1 findings, 2 could not read.
"""

from __future__ import annotations

import asyncio
import gc
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter

from infra import export
from infra.audit.findings import KINDS, Finding
from infra.audit.log import LogFile
from infra.audit.pool import Rules, audit_log, real_rules
from infra.problem import Unready
from shared import settings as settings_of

__all__ = ["Audit", "audit_file", "audit_kafka", "run"]


@dataclass(frozen=True)
class Audit:
    """The answer: what was read, how long it took, and every finding in the order of the log."""

    events: int
    streams: int
    seconds: float
    findings: list[Finding]

    @property
    def clean(self) -> bool:
        return not self.findings

    def report(self) -> str:
        """A few lines for a person: counts and the verdict."""
        rate = self.events / self.seconds if self.seconds else 0.0
        head = (
            f"{self.events} events, {self.streams} streams re-decided in {self.seconds:.1f} s "
            f"({rate:.0f} events/s)"
        )
        if self.clean:
            return f"{head}\nverdict: clean"
        counts = Counter(finding.finding for finding in self.findings)
        lines = [f"  {kind}: {counts[kind]}" for kind in KINDS if counts[kind]]
        count = len(self.findings)
        verdict = f"verdict: {count} {'finding' if count == 1 else 'findings'}"
        return "\n".join([head, *lines, verdict])


def audit_file(path: Path, rules: Rules | None = None) -> Audit:
    """Audit an export. Raises Unready where it cannot be read."""
    begun = perf_counter()
    with _few_collections():
        log = LogFile(path)
        streams, findings = audit_log(log, rules or real_rules())
    return Audit(log.survey.lines, streams, perf_counter() - begun, findings)


@contextmanager
def _few_collections() -> Iterator[None]:
    """A partition in memory is many objects without cycles; looking for them is a fifth of it."""
    usual = gc.get_threshold()
    gc.set_threshold(200_000, 50, 100)
    try:
        yield
    finally:
        gc.set_threshold(*usual)


def audit_kafka() -> Audit:
    """Audit the running log up to its end as it is now. Raises Unready without a broker."""
    with tempfile.TemporaryDirectory(prefix="qingqian-audit-") as folder:
        path = Path(folder) / "log.jsonl"
        with path.open("wb") as out:
            asyncio.run(export.write(settings_of.load(), out.writelines))
        return audit_file(path)


def run(log: Path | None, as_json: bool) -> int:
    """`qingqian audit [--log FILE.jsonl] [--json]`: each finding is one JSON line on stdout.

    The report for a person follows; with `--json` it goes to stderr, so that stdout holds
    nothing but findings.
    """
    audit = audit_file(log) if log is not None else audit_kafka()
    if log is not None and not audit.events:
        raise Unready(f"{log} has no line: a log begins with its clock and its policy book")
    sys.stdout.buffer.writelines(finding.line() for finding in audit.findings)
    sys.stdout.buffer.flush()
    print(audit.report(), file=sys.stderr if as_json else sys.stdout)
    return 0 if audit.clean else 1
