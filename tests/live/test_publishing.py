"""Reporting publishes on a real log: each issue once, signed, whoever is killed on the way."""

from __future__ import annotations

import asyncio
import re
from collections import Counter
from datetime import UTC, date, datetime, timedelta

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import load_pem_public_key

from infra import export
from infra.audit import Audit, audit_file
from infra.audit.pool import Proof, Rules
from infra.audit.remade import remake
from services.reporting.bulletins import content_hash
from services.reporting.signing import signing_key
from shared.calendar import at_hour, end_of
from shared.checkpoint import Heads
from shared.envelope import decode, derived_id, encode
from shared.events import BulletinIssued, CheckpointSigned, ClockAdopted, Event
from shared.log import GOVERNANCE_EVENTS
from shared.policy import read_book
from shared.settings import Settings
from shared.streams import GOVERNANCE
from tests.live.intake_desk import until
from tests.live.rig import BOOK, Process, Rig
from tests.live.rig import governance as governed
from tests.live.test_reporting import Caller, publish, reporting
from tests.reporting import histories

pytestmark = pytest.mark.live

FIRST_OUT = at_hour(date(2021, 11, 17), 9)
SECOND_OUT = at_hour(date(2021, 11, 24), 9)
CAMPAIGN_ENDS = end_of(date(2022, 4, 30))
SECONDS = 60.0


async def governance(rig: Rig) -> list[Event]:
    """What stands on `governance-events`."""
    end = (await rig.reader.ends(GOVERNANCE_EVENTS, (0,)))[0]
    return [
        decode(record.value)
        async for batch in rig.reader.range(GOVERNANCE_EVENTS, 0, 0, end)
        for record in batch
    ]


async def published(rig: Rig) -> list[Event]:
    """What reporting has written, in order."""
    return [event for event in await governance(rig) if event.data.writer == "reporting"]


async def begin(rig: Rig, until_: datetime) -> list[Event]:
    """A governed log on which half a campaign stands; its clock shows `until_`."""
    events = histories.tell(31, 60)
    await rig.govern("log", histories.policy().adopted_at)
    await publish(rig, [event for event in events if event.recordedtime <= until_])
    await rig.advance(until_)
    return events


def public_key(settings: Settings) -> Ed25519PublicKey:
    key = load_pem_public_key(settings.checkpoint_public_path.read_bytes())
    assert isinstance(key, Ed25519PublicKey)
    return key


async def audited(rig: Rig, name: str) -> Audit:
    """The log against checkpoints, pinned positions and what its publications say; its made-up
    decisions are not judged.
    """
    path = rig.folder / name
    with path.open("wb") as out:
        await export.write(rig.settings, out.writelines)
    proof = Proof((public_key(rig.settings),), strict=True)
    return await asyncio.to_thread(audit_file, path, Rules({}, proof=proof, publications=remake))


async def test_an_issue_comes_out_once_and_is_signed(rig: Rig, token: str) -> None:
    """Not before its hour; then whole, with the same hash as whoever makes it again."""
    await begin(rig, FIRST_OUT - timedelta(seconds=1))
    process = reporting(rig)
    process.start()
    caller = Caller(rig, process, token)
    await caller.ready()
    assert await published(rig) == []
    standing = await rig.readiness(process)
    assert datetime.fromisoformat(standing["next_due"]) == FIRST_OUT

    await rig.advance(FIRST_OUT)
    await rig.quiet([process], clock=FIRST_OUT, seconds=SECONDS)

    found = await published(rig)
    assert Counter(event.type for event in found) == {
        "LedgerSnapshotTaken": 6,
        "RankingPublished": 2,
        "BulletinIssued": 1,
        "CheckpointSigned": 1,
    }
    bulletin = next(event for event in found if event.type == "BulletinIssued")
    again = await caller.get("/v1/bulletins/1.json")
    assert isinstance(bulletin.data, BulletinIssued)
    assert bulletin.data.hash == again["hash"] == again["published"]["hash"]
    content = {key: again[key] for key in again.keys() - {"hash", "meta", "published"}}
    assert content_hash(content) == bulletin.data.hash, "as the documentation says"
    assert (bulletin.recordedtime, bulletin.time) == (FIRST_OUT, bulletin.data.as_of)
    audit = await audited(rig, "once.jsonl")
    assert audit.clean, [finding.sentence for finding in audit.findings]


async def test_a_forged_bulletin_is_named_and_passes_no_issue_over(rig: Rig, token: str) -> None:
    """Written under the issue's own id, ahead of it, with the campaign's end for a cut-off."""
    await begin(rig, FIRST_OUT - timedelta(seconds=1))
    forged = BulletinIssued(issue_no=1, as_of=CAMPAIGN_ENDS, hash="sha256:made up", positions={})
    at = FIRST_OUT - timedelta(seconds=1)
    name = derived_id(GOVERNANCE, "BulletinIssued", forged.natural_key())
    event = Event(id=name, subject=GOVERNANCE, time=at, recordedtime=at, data=forged)
    await (await rig.producer.send(GOVERNANCE_EVENTS, GOVERNANCE, encode(event)))
    process = reporting(rig)
    process.start()
    await Caller(rig, process, token).ready()
    for hour in (FIRST_OUT, SECOND_OUT):
        await rig.advance(hour)
        await rig.quiet([process], clock=hour, seconds=SECONDS)

    ids = Counter(event.id for event in await published(rig))
    assert set(ids.values()) == {1}
    ranked = [event.data for event in await published(rig) if event.type == "RankingPublished"]
    assert [getattr(data, "issue_no", None) for data in ranked] == [1, 1, 2, 2]
    assert derived_id(GOVERNANCE, "BulletinIssued", "2") in ids
    audit = await audited(rig, "forged.jsonl")
    assert {finding.event_id for finding in audit.findings} == {name}
    assert {finding.finding for finding in audit.findings} == {"wrong", "premature"}


async def test_a_clock_without_a_book_is_not_ready(rig: Rig, token: str) -> None:
    """Between the two records of an adoption it says so, and nothing is due."""
    at = datetime.now(UTC)
    await rig.producer.publish([governed("clock", ClockAdopted(clock="wall"), at)])
    process = reporting(rig)
    process.start()

    async def told() -> bool:
        reason = (await rig.readiness(process)).get("reason")
        return reason == "no policy book and clock are adopted yet"

    await until(told, "it says what it waits for", SECONDS)
    await rig.adopt(read_book(BOOK), at)
    await rig.quiet([process], seconds=SECONDS)


async def test_of_two_processes_one_publishes(rig: Rig, token: str) -> None:
    await begin(rig, SECOND_OUT)
    pair = [reporting(rig), reporting(rig)]
    for process in pair:
        process.start()
    await rig.quiet(pair, clock=SECOND_OUT, seconds=SECONDS)
    ids = Counter(event.id for event in await published(rig))
    assert set(ids.values()) == {1}
    assert sum(event.type == "BulletinIssued" for event in await published(rig)) == 2

    pair[0].kill()
    await rig.advance(at_hour(date(2021, 12, 1), 9))
    await rig.quiet(pair[1:], clock=at_hour(date(2021, 12, 1), 9), seconds=SECONDS)
    found = await published(rig)
    assert set(Counter(event.id for event in found).values()) == {1}
    assert sum(event.type == "BulletinIssued" for event in found) == 3
    assert (await audited(rig, "pair.jsonl")).clean


@pytest.mark.parametrize("point", ["half_published", "before_signing"])
async def test_killed_while_publishing_it_publishes_the_rest(
    rig: Rig, token: str, point: str
) -> None:
    await begin(rig, FIRST_OUT)
    killed = rig.worker("reporting", module="tests.live.killed_reporting", KILLED_AT=point)
    killed.start()
    assert killed.running is not None
    assert killed.running.wait(SECONDS) == -9
    left = await published(rig)
    assert left
    assert (left[-1].type == "BulletinIssued") == (point == "before_signing")

    process = reporting(rig)
    process.start()
    await rig.quiet([process], clock=FIRST_OUT, seconds=SECONDS)
    await rig.advance(SECOND_OUT)
    await rig.quiet([process], clock=SECOND_OUT, seconds=SECONDS)

    found = await published(rig)
    assert set(Counter(event.id for event in found).values()) == {1}
    assert found[: len(left)] == left
    assert [event.type for event in found].count("BulletinIssued") == 2
    signed = [event.data for event in found if isinstance(event.data, CheckpointSigned)]
    assert len(signed) == 2
    assert all(data.marks for data in signed)
    assert (await audited(rig, "killed.jsonl")).clean


async def test_an_acknowledgement_that_was_lost_publishes_nothing_twice(
    rig: Rig, token: str
) -> None:
    await begin(rig, FIRST_OUT)
    process = rig.worker("reporting", module="tests.live.killed_reporting", KILLED_AT="unanswered")
    process.start()
    await rig.quiet([process], clock=FIRST_OUT, seconds=SECONDS)
    assert '"waiting"' in process.words()
    found = await published(rig)
    assert set(Counter(event.id for event in found).values()) == {1}
    assert [event.type for event in found][-2:] == ["BulletinIssued", "CheckpointSigned"]


async def test_who_starts_with_nothing_goes_on_from_the_log(rig: Rig, token: str) -> None:
    await begin(rig, FIRST_OUT)
    process = reporting(rig)
    process.start()
    await rig.quiet([process], clock=FIRST_OUT, seconds=SECONDS)
    process.kill()
    async with rig.database() as connection:
        await connection.execute(f'DROP SCHEMA "{rig.settings.schema("reporting")}" CASCADE')
    process.start()
    await rig.quiet([process], clock=FIRST_OUT, seconds=SECONDS)
    assert len(await published(rig)) == 10

    await rig.advance(SECOND_OUT)
    await rig.quiet([process], clock=SECOND_OUT, seconds=SECONDS)
    assert (await audited(rig, "lost.jsonl")).clean


async def test_a_log_that_lacks_what_was_signed_is_not_signed_again(rig: Rig, token: str) -> None:
    """As if records had been changed since: the checkpoint on the log has another root."""
    await begin(rig, FIRST_OUT - timedelta(days=1))
    await put_checkpoint(rig, signing_key(rig.settings))

    process = reporting(rig)
    process.start()
    await rig.advance(FIRST_OUT)
    await rig.quiet([process], clock=FIRST_OUT, seconds=SECONDS)

    found = await published(rig)
    assert [event.type for event in found].count("BulletinIssued") == 1
    assert [event.type for event in found].count("CheckpointSigned") == 1
    await until(lambda: _says_rewritten(rig, process), "it says that the log was rewritten")
    assert '"log_rewritten"' in process.words()
    told = (await rig.readiness(process))["reason"]
    assert told == "the log lacks what its checkpoints signed; qingqian audit names it"
    assert process.alive


async def test_what_another_key_signed_binds_nobody_here(rig: Rig, token: str) -> None:
    """A log that was imported, or a forged checkpoint: ours are signed all the same."""
    await begin(rig, FIRST_OUT - timedelta(days=1))
    await put_checkpoint(rig, Ed25519PrivateKey.generate())
    process = reporting(rig)
    process.start()
    await rig.advance(FIRST_OUT)
    await rig.quiet([process], clock=FIRST_OUT, seconds=SECONDS)
    found = [event.type for event in await published(rig)]
    assert found.count("CheckpointSigned") == 2
    assert found[-1] == "CheckpointSigned"
    assert not await _says_rewritten(rig, process)
    answer = await Caller(rig, process, token).get("/v1/checkpoints")
    assert len(answer["items"]) == 1


async def put_checkpoint(rig: Rig, key: Ed25519PrivateKey) -> None:
    """A checkpoint of a log that this one is not."""
    heads = Heads()
    heads.append(GOVERNANCE_EVENTS, 0, b"what stood there before")
    data = heads.sign(key)
    at = FIRST_OUT - timedelta(days=1)
    name = derived_id(GOVERNANCE, "CheckpointSigned", data.natural_key())
    event = Event(id=name, subject=GOVERNANCE, time=at, recordedtime=at, data=data)
    await (await rig.producer.send(GOVERNANCE_EVENTS, GOVERNANCE, encode(event)))


async def _says_rewritten(rig: Rig, process: Process) -> bool:
    text = (await rig.http.get(f"{process.url}/metrics")).text
    return re.search(r"^qingqian_log_rewritten 1\.0$", text, re.MULTILINE) is not None


async def test_a_checkpoint_follows_each_day_of_the_wall_clock(rig: Rig, token: str) -> None:
    """The log began yesterday, so a day has ended; a second start owes none."""
    await rig.govern("wall", datetime.now(UTC) - timedelta(days=1))
    process = reporting(rig)
    process.start()

    async def signed() -> bool:
        return [event.type for event in await published(rig)] == ["CheckpointSigned"]

    await until(signed, "the day's checkpoint is signed", SECONDS)
    process.kill()
    process.start()
    await rig.quiet([process], seconds=SECONDS)
    assert await signed()
