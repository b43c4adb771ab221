"""Who may do what on the log: the access lists of the users, declared once, here.

One writer for each type of event (design 3) is a rule of the services; the broker, which knows no
types, can still see to it that each user has its own topics and nothing else. Everything that is
not granted is denied. An import is no user's work: it is done once, into an empty log, by whoever
administers the broker.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final, Literal

from infra.topics import TOPICS
from shared.log import (
    CASE_EVENTS,
    CASE_EVENTS_PARKED,
    FEED_COMPLAINTS,
    FEED_COMPLAINTS_PARKED,
    GOVERNANCE_EVENTS,
)
from shared.settings import Settings, load

Operation = Literal["Read", "Write", "Create", "Describe", "DescribeConfigs"]


@dataclass(frozen=True)
class Grant:
    """What a user may do with one topic or consumer group; `name` is as the settings give it.

    Reading and writing include to describe.
    """

    kind: Literal["topic", "group"]
    name: str
    operations: tuple[Operation, ...]


_SETTINGS: Final = Settings.model_construct()


def _may(operation: Operation, *topics: str) -> tuple[Grant, ...]:
    return tuple(Grant("topic", topic, (operation,)) for topic in topics)


def _joins(service: str) -> Grant:
    return Grant("group", _SETTINGS.group(service), ("Read",))


def _decides(service: str) -> tuple[Grant, ...]:
    """Of routing and supervision."""
    return (
        *_may("Read", GOVERNANCE_EVENTS),
        Grant("topic", CASE_EVENTS, ("Read", "Write")),
        *_may("Write", CASE_EVENTS_PARKED),
        _joins(service),
    )


ACCESS: Final[Mapping[str, tuple[Grant, ...]]] = {
    "qingqian-intake": (
        Grant("topic", CASE_EVENTS, ("Read", "Write")),
        Grant("topic", GOVERNANCE_EVENTS, ("Read", "Write")),
        *_may("Read", FEED_COMPLAINTS),
        *_may("Write", FEED_COMPLAINTS_PARKED),
        _joins("intake-feed"),
    ),
    "qingqian-routing": _decides("routing"),
    "qingqian-supervision": _decides("supervision"),
    "qingqian-reporting": (
        *_may("Read", CASE_EVENTS),
        Grant("topic", GOVERNANCE_EVENTS, ("Read", "Write")),
    ),
    # `qingqian topics`; it reads no record.
    "qingqian-operator": tuple(
        Grant("topic", topic.name, ("Create", "Describe", "DescribeConfigs")) for topic in TOPICS
    ),
    # `qingqian audit`, `export`, `explain`, `whatif`; it changes nothing.
    "qingqian-auditor": _may("Read", CASE_EVENTS, GOVERNANCE_EVENTS),
    # One that puts its complaints on the log itself; it reads none.
    "qingqian-platform": _may("Write", FEED_COMPLAINTS),
}
"""User -> what it may do. The names are those that the settings and the manifests give them."""


def commands(settings: Settings) -> Iterator[str]:
    """What `kafka-acls.sh` is called with to grant all of it on a broker of one's own."""
    for user, grants in ACCESS.items():
        for grant in grants:
            operations = " ".join(f"--operation {name}" for name in grant.operations)
            yield (
                f"--add --allow-principal User:{user} {operations} "
                f"--{grant.kind} {settings.namespace}{grant.name}"
            )


def run() -> int:
    """``python -m infra.access``: print these calls, one a line."""
    for line in commands(load()):
        print(line, file=sys.stdout)
    return 0


if __name__ == "__main__":
    sys.exit(run())
