"""`qingqian audit`: re-decide the log with the deciders that decided it, and name what differs.

Reads the log (Kafka, or an export) and no service's table. Every stream of every service is
replayed from the bytes (design 5.5); what all streams owe is pooled and compared by id with what
is on the log. What was published is made again from the same bytes (design 8). Exit 0 clean, 1
findings, 2 could not read.
"""

from __future__ import annotations

import gc
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from time import perf_counter

import orjson
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import load_pem_public_key

from infra import export, loop
from infra.audit.findings import KINDS, Finding
from infra.audit.log import LogFile
from infra.audit.pool import Proof, Rules, audit_log, real_rules
from infra.audit.remade import Remade
from infra.problem import Unready
from shared import settings as settings_of
from shared.checkpoint import holds, key_id
from shared.events import CheckpointSigned

__all__ = ["Audit", "audit_file", "audit_kafka", "run"]


@dataclass(frozen=True)
class Audit:
    """The answer: what was read, how long it took, and every finding in the order of the log."""

    events: int
    streams: int
    seconds: float
    findings: list[Finding]
    signed: Mapping[str, int]
    """Checkpoints by the key that they say they are of."""
    proof: Proof = field(default_factory=Proof)
    remade: Remade = field(default_factory=Remade)

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
        head += "".join(f"\n{line}" for line in (*self._checkpoints(), *self._bulletins()))
        if self.clean:
            return f"{head}\nverdict: clean"
        counts = Counter(finding.finding for finding in self.findings)
        lines = [f"  {kind}: {counts[kind]}" for kind in KINDS if counts[kind]]
        count = len(self.findings)
        verdict = f"verdict: {count} {'finding' if count == 1 else 'findings'}"
        return "\n".join([head, *lines, verdict])

    def _checkpoints(self) -> Iterator[str]:
        """Whose they are: roots are compared for all, signatures only under the key at hand."""
        known = {key_id(key) for key in self.proof.keys}
        for name, count in self.signed.items():
            what = "checkpoint" if count == 1 else "checkpoints"
            if name in known:
                how = "of the key given" if self.proof.strict else "of this installation's key"
            else:
                how = "not of a key given" if self.proof.strict else "signature not checked (--key)"
            yield f"{count} {what} of key {name[:16]}: {how}"
        if not self.signed:
            yield "no checkpoint: that nobody changed the log is not proved"

    def _bulletins(self) -> Iterator[str]:
        """How many were made again, or why none was."""
        made = self.remade
        if made.hindrance is not None:
            yield f"publications not made again: {made.hindrance}"
        elif made.issues:
            what = "bulletin" if made.issues == 1 else "bulletins"
            yield f"{made.issues} {what} made again from the log in {made.seconds:.1f} s"
        if not made.ledgers:
            yield "ledgers not compared: spreadsheets are compressed otherwise on this machine"


def audit_file(path: Path, rules: Rules | None = None) -> Audit:
    """Audit an export. Raises Unready where it cannot be read."""
    begun = perf_counter()
    rules = rules or real_rules(Proof(_own_key()))
    with _few_collections():
        log = LogFile(path)
        found = audit_log(log, rules)
    seconds = perf_counter() - begun - found.remade.seconds
    return Audit(
        log.survey.lines,
        found.streams,
        seconds,
        found.findings,
        found.signed,
        rules.proof,
        found.remade,
    )


def _own_key() -> tuple[Ed25519PublicKey, ...]:
    """The public key of the installation on this machine, if there is one."""
    path = settings_of.load().checkpoint_public_path
    return (read_key(path),) if path.exists() else ()


def read_key(path: Path) -> Ed25519PublicKey:
    """An Ed25519 public key in PEM. Raises Unready naming the file."""
    try:
        key = load_pem_public_key(path.read_bytes())
    except OSError as error:
        raise Unready(f"{path} cannot be read: {error.strerror}") from None
    except (ValueError, UnsupportedAlgorithm):
        key = None
    if not isinstance(key, Ed25519PublicKey):
        raise Unready(f"{path} holds no Ed25519 public key in PEM (checkpoint.pub is one)")
    return key


@contextmanager
def _few_collections() -> Iterator[None]:
    """A partition in memory is many objects without cycles; looking for them is a fifth of it."""
    usual = gc.get_threshold()
    gc.set_threshold(200_000, 50, 100)
    try:
        yield
    finally:
        gc.set_threshold(*usual)


def audit_kafka(rules: Rules | None = None) -> Audit:
    """Audit the running log up to its end as it is now. Raises Unready without a broker."""
    with tempfile.TemporaryDirectory(prefix="qingqian-audit-") as folder:
        path = Path(folder) / "log.jsonl"
        with path.open("wb") as out:
            loop.run(export.write(settings_of.load(), out.writelines))
        return audit_file(path, rules)


def read_checkpoints(path: Path, keys: Sequence[Ed25519PublicKey]) -> list[CheckpointSigned]:
    """A kept answer of `GET /v1/checkpoints`. Raises Unready naming the file and what is wrong.

    One of another key than these is refused: it would prove nothing.
    """
    try:
        items = orjson.loads(path.read_bytes())["items"]
        names = ("positions", "roots", "signature", "key_id")
        kept = [
            CheckpointSigned.model_validate({name: item[name] for name in names}) for item in items
        ]
    except OSError as error:
        raise Unready(f"{path} cannot be read: {error.strerror}") from None
    except (ValueError, KeyError, TypeError):
        raise Unready(f"{path} is no answer of GET /v1/checkpoints") from None
    for data in kept:
        if not any(holds(data, key) for key in keys):
            raise Unready(f"{path}: a checkpoint of key {data.key_id[:16]} does not hold (--key)")
    return kept


def run(
    log: Path | None,
    as_json: bool,
    keys: Sequence[Path] = (),
    checkpoints: Path | None = None,
) -> int:
    """`qingqian audit [--log FILE.jsonl] [--key FILE]... [--checkpoints FILE] [--json]`.

    A finding is a line on stdout. With `--key` every checkpoint must have been signed with it (or
    one of several), and none may be missing; without it those that say they are of this machine's
    installation must hold, and others are only counted. The report for a person follows; with
    `--json` it goes to stderr, so that stdout holds nothing but findings.
    """
    given = tuple(map(read_key, keys))
    public = given or _own_key()
    kept = tuple(read_checkpoints(checkpoints, public)) if checkpoints is not None else ()
    rules = real_rules(Proof(public, bool(given), kept))
    audit = audit_file(log, rules) if log is not None else audit_kafka(rules)
    if log is not None and not audit.events:
        raise Unready(f"{log} has no line: a log begins with its clock and its policy book")
    sys.stdout.buffer.writelines(finding.line() for finding in audit.findings)
    sys.stdout.buffer.flush()
    print(audit.report(), file=sys.stderr if as_json else sys.stdout)
    return 0 if audit.clean else 1
