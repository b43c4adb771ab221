"""`make readme`: the parts of the README that the program itself writes.

The demo's transcript (a real run, clocks and durations masked), the event table by writer, the
metrics table. A test runs the same command and compares, so the README cannot go stale.
"""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import shared.reconciler.sensor  # noqa: F401 - registers Faust's own metrics
from shared import metrics
from shared.events import SERVICES, TYPES

READMES = (Path("README.md"), Path("README.zh-CN.md"))
DEMO = ("make", "--no-print-directory", "demo", "EXIT=1", "SIZE=small")

_MASKS = (
    (re.compile(r"\x1b\[[0-9;?]*[a-zA-Z]"), ""),
    (re.compile(r"\b\d+(\.\d+)? ?(s|ms|min|seconds|minutes)\b"), "… s"),
    (re.compile(r"\b\d+:\d\d(:\d\d)?(?=\s*$)", re.MULTILINE), "…"),
    # One more or less: a merge and a group of the same instant reach a case in either order.
    (re.compile(r"\b\d+ events\b"), "… events"),
    (re.compile(r"\bof key [0-9a-f]{16}\b"), "of key …"),
    (re.compile(r"127\.0\.0\.1:\d+"), "127.0.0.1:…"),
    (re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f-]{22,}"), "…"),
)
_FIRST = ("setup:", "waiting for ", "fetching Kafka", "preparing a quick start")
"""What is told only at a first start, or where something takes long."""


def masked(text: str) -> str:
    """A transcript without what differs between two runs: durations, ports, ids, keys, colours,
    and the number of events.
    """
    for pattern, instead in _MASKS:
        text = pattern.sub(instead, text)
    lines = [line.rstrip() for line in text.splitlines()]
    return "\n".join(line for line in lines if not line.startswith(_FIRST)).strip() + "\n"


def transcript() -> str:
    """What the demo prints, masked. Raises CalledProcessError if it does not end well."""
    done = subprocess.run(DEMO, stdout=subprocess.PIPE, text=True, check=True)
    return masked(done.stdout)


def first_sentence(doc: str | None) -> str:
    """The first line of a docstring, as a table's cell."""
    line = (doc or "").strip().splitlines()[0] if doc else ""
    return line.replace("|", "\\|")


def event_table() -> str:
    """Every type by its one writer."""
    rows = ["| Writer | Event | Streams | Meaning |", "| --- | --- | --- | --- |"]
    for service in SERVICES:
        for name, model in TYPES.items():
            if model.writer == service:
                streams = ", ".join(model.streams)
                own = model.__dict__.get("__doc__")
                rows.append(f"| {service} | `{name}` | {streams} | {first_sentence(own)} |")
    return "\n".join(rows) + "\n"


def metric_table() -> str:
    """Every metric of ours with its reason."""
    rows = ["| Metric | Labels | Why |", "| --- | --- | --- |"]
    for collector in sorted(_declared(), key=lambda item: str(item[0])):
        rows.append("| `{}` | {} | {} |".format(*collector))
    return "\n".join(rows) + "\n"


def _declared() -> list[tuple[str, str, str]]:
    found = []
    for name, collector in metrics.REGISTRY._names_to_collectors.items():
        labels = getattr(collector, "_labelnames", None)
        family = getattr(collector, "_name", None)
        if labels is None or not str(family).startswith("qingqian_"):
            continue
        suffix = "_total" if collector.__class__.__name__ == "Counter" else ""
        if name == f"{family}{suffix}":
            found.append((name, ", ".join(labels), getattr(collector, "_documentation", "")))
    return found


SECTIONS: dict[str, Callable[[], str]] = {
    "demo": transcript,
    "events": event_table,
    "metrics": metric_table,
}


def section(text: str, name: str) -> str:
    """What stands between a section's marks; fenced text without its fence."""
    begin, end = f"<!-- {name}:begin -->\n", f"<!-- {name}:end -->"
    body = text.partition(begin)[2].partition(end)[0]
    return body.removeprefix("```text\n").removesuffix("```\n")


def with_section(text: str, name: str, body: str) -> str:
    """The text with a section's body replaced. Raises ValueError where the marks are missing."""
    begin, end = f"<!-- {name}:begin -->\n", f"<!-- {name}:end -->"
    if begin not in text or end not in text:
        raise ValueError(f"the marks of section `{name}` are missing")
    head, _, rest = text.partition(begin)
    tail = rest.partition(end)[2]
    fenced = f"```text\n{body}```\n" if name == "demo" else body
    return f"{head}{begin}{fenced}{end}{tail}"


def main() -> None:
    wanted = sys.argv[1:] or list(SECTIONS)
    bodies = {name: SECTIONS[name]() for name in wanted}
    for path in READMES:
        text = path.read_text("utf-8")
        for name, body in bodies.items():
            text = with_section(text, name, body)
        path.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
