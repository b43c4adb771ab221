"""Replaying every stream of every service, partition by partition, and pooling what they owe."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Container, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from infra.audit.findings import Finding
from infra.audit.log import Line, LogFile, Partition
from infra.audit.pinned import Cuts, misnamed, pinned_places, unpublished
from infra.audit.records import Entry, Governance, Records, governance
from infra.audit.remade import Remade, remake
from infra.audit.streams import Case, Context, examine, judge, no_policy, omitted, unowed
from infra.audit.trees import Head, Leaves, forged, heads_of, signers
from infra.export import LAYOUT
from shared.checkpoint import place_name
from shared.envelope import Unreadable, from_document, writer_of
from shared.events import CheckpointSigned, Decision, Event, Kind, Service
from shared.log import CASE_EVENTS
from shared.settle import Books, Decider
from shared.streams import CITY, GOVERNANCE, kind_of, unit_subject

Deciders = Mapping[Service, Mapping[Kind, Decider[Any]]]


@dataclass(frozen=True)
class Proof:
    """By what it is proved that nobody changed the log.

    `keys`: whose checkpoints these are; those of others are not checked, but for their roots.
    `strict`: every checkpoint must be of these keys, and what was to be published and signed by the
    end of the log must stand on it. `kept`: checkpoints that were kept elsewhere.
    """

    keys: tuple[Ed25519PublicKey, ...] = ()
    strict: bool = False
    kept: tuple[CheckpointSigned, ...] = ()


@dataclass(frozen=True)
class Rules:
    """What a log is audited by: who decides on which kind of stream, which acts can be, and how
    publications are made again.
    """

    deciders: Deciders
    acts: Callable[[str, Sequence[Entry]], list[Finding]] = lambda subject, entries: []
    proof: Proof = field(default_factory=Proof)
    publications: Callable[[LogFile, Governance], Remade] = lambda log, state: Remade()


def real_rules(proof: Proof | None = None) -> Rules:
    """The deciders of the services themselves."""
    from infra.audit.acts import impossible_acts
    from services.routing.decider import STREAMS as ROUTING
    from services.supervision.decider import STREAMS as SUPERVISION

    deciders: Deciders = {"routing": ROUTING, "supervision": SUPERVISION}
    return Rules(deciders, impossible_acts, proof or Proof(), remake)


@dataclass
class Pool:
    """Every stream replayed so far, and what found no partner in its own stream."""

    rules: Rules
    context: Context
    crossing: dict[tuple[Service, str], dict[str, Entry]]
    findings: list[Finding] = field(default_factory=list)
    unowed: list[tuple[Case, Entry]] = field(default_factory=list)
    missing: dict[str, Event] = field(default_factory=dict)
    replayed: set[str] = field(default_factory=set)
    streams: int = 0

    def replay(self, subject: str, entries: Iterable[Entry]) -> None:
        """Replay a subject for every service that has a decider for its kind of stream."""
        stream = list(entries)
        deciding = [_deciding(entry, subject) for entry in stream]
        self.replayed.add(subject)
        self.findings += self.rules.acts(subject, stream)
        for service, kinds in self.rules.deciders.items():
            decider = kinds.get(kind_of(subject))
            if decider is None:
                continue
            foreign: list[Entry] = []
            found = dict(self.crossing.get((service, subject), {}))
            for entry, writer in zip(stream, deciding, strict=True):
                if writer == service:
                    found.setdefault(entry.event.id, entry)
                else:
                    foreign.append(entry)
            if not foreign and not found and kind_of(subject) == "case":
                continue
            self._examine(Case(decider, subject, foreign, found))

    def _examine(self, case: Case) -> None:
        verdict = examine(case, self.context)
        self.streams += 1
        self.findings += verdict.findings
        self.unowed += [(case, entry) for entry in verdict.unowed]
        self.missing.update((event.id, event) for event in verdict.missing)

    def rest(self) -> None:
        """Streams of which nothing stands on the log: silent units, and deciders elsewhere."""
        units = {unit_subject(code) for book in self.context.books.adopted for code in book.units}
        others = {subject for _, subject in self.crossing}
        for subject in sorted((units | others | {CITY}) - self.replayed):
            self.replay(subject, ())

    def settle(self) -> list[Finding]:
        """Compare by id across all streams; what is left is not owed, or omitted."""
        for case, entry in self.unowed:
            computed = self.missing.pop(entry.event.id, None)
            if computed is not None:
                self.findings += judge(entry, computed, self.context, case.basis(entry))
            else:
                self.findings.append(unowed(case, entry, self.context))
        self.findings += [omitted(event) for event in self.missing.values()]
        return self.findings


def _deciding(entry: Entry, subject: str) -> Service | None:
    """Who wrote it, where this very stream decided it; None where another stream did."""
    event = entry.event
    return writer_of(event) if event.decider == subject else None


def _crossing(log: LogFile) -> dict[tuple[Service, str], dict[str, Entry]]:
    """Decisions that another stream decided than the one they stand on, by that stream."""
    found: dict[tuple[Service, str], dict[str, Entry]] = defaultdict(dict)
    for line in sorted(log.survey.crossing, key=lambda line: (line.partition, line.offset)):
        try:
            event = from_document(line.doc or {})
        except Unreadable:
            continue
        if event.decider != event.subject:
            entry = Entry(event, line.topic, line.partition, line.offset, line.appended_at)
            found[writer_of(event), event.decider].setdefault(event.id, entry)
    return dict(found)


@dataclass(frozen=True)
class Verdict:
    """Number of streams replayed, the checkpoints by key, the publications made again, and every
    finding in the log's order.
    """

    streams: int
    signed: Counter[str]
    remade: Remade
    findings: list[Finding]


def audit_log(log: LogFile, rules: Rules) -> Verdict:
    """Everything that is checked of a log."""
    state, findings = governance(log.survey)
    findings += rules.acts(GOVERNANCE, state.entries)
    pool = _pool(log, rules, state)
    proof = rules.proof
    heads = heads_of(state.entries, proof.kept)
    told = misnamed(state.entries)
    remade = rules.publications(log, state)
    # One that says other things than its hash is told so once.
    named = {finding.event_id for finding in told}
    findings += told
    findings += [item for item in remade.findings if item.event_id not in named]
    findings += forged(state.entries, proof.keys, strict=proof.strict)
    findings += unpublished(state, strict=proof.strict)
    for partition in _places(log, {*heads, *pinned_places(state.entries)}):
        findings += _partition(log, partition, state, heads, pool)
    if pool is not None:
        pool.rest()
        findings += pool.settle()
    streams = pool.streams if pool else 0
    signed = signers(state.entries)
    return Verdict(streams, signed, remade, sorted(findings, key=_place))


def _places(log: LogFile, told_of: Container[str]) -> list[Partition]:
    """The partitions of a log, and those that its governance tells of: all of one may be gone."""
    gone = {place for place in LAYOUT if place_name(*place) in told_of}
    return sorted(gone.union(log.partitions()))


def unlike_checkpoints(log: LogFile) -> list[Finding]:
    """Where a log is not what its own checkpoints signed; nothing else is looked at."""
    state, _ = governance(log.survey)
    heads, found = heads_of(state.entries), list[Finding]()
    for partition in _places(log, heads):
        leaves = Leaves(partition, heads)
        for line in log.read(partition):
            leaves.add(line)
        found += leaves.findings()
    return found


def _pool(log: LogFile, rules: Rules, state: Governance) -> Pool | None:
    """None where no book is adopted or nothing is recorded: nothing can be owed then."""
    horizon = state.time.horizon
    if not state.books or horizon is None:
        return None
    wall = state.time.kind == "wall"
    context = Context(Books(state.books), horizon, wall, log.survey.activity(wall))
    return Pool(rules, context, _crossing(log))


def _noted(lines: Iterable[Line], leaves: Leaves, cuts: Cuts) -> Iterator[Line]:
    for line in lines:
        leaves.add(line)
        cuts.add(line)
        yield line


def _partition(
    log: LogFile,
    partition: Partition,
    state: Governance,
    heads: dict[str, list[Head]],
    pool: Pool | None,
) -> list[Finding]:
    records = Records(state.time)
    leaves = Leaves(partition, heads)
    cuts = Cuts(partition, state.entries)
    lines = _noted(log.read(partition), leaves, cuts)
    records.check(lines, in_order=log.in_order(partition))
    records.findings += cuts.findings()
    told = {(finding.finding, finding.offset) for finding in records.findings}
    records.findings += [
        finding for finding in leaves.findings() if (finding.finding, finding.offset) not in told
    ]
    if pool is None:
        return records.findings + [
            no_policy(entry)
            for entry in records.entries.values()
            if isinstance(entry.event.data, Decision)
        ]
    if partition[0] == CASE_EVENTS:
        streams: dict[str, list[Entry]] = defaultdict(list)
        for entry in records.entries.values():
            streams[entry.event.subject].append(entry)
        for subject, entries in streams.items():
            pool.replay(subject, entries)
    return records.findings


def _place(finding: Finding) -> tuple[str, int, int, str]:
    number = finding.offset if finding.offset is not None else 1 << 62
    return (finding.topic or "", finding.partition or 0, number, finding.finding)
