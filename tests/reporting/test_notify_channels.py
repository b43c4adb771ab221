"""The channels by themselves: a file on a real disk, webhooks to a real listener."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import orjson
import pytest
import stamina

from infra.stack.process import free_ports
from services.reporting.notify.channels import ChannelsError, load
from services.reporting.notify.file import FileChannel
from services.reporting.notify.message import Message
from services.reporting.notify.webhook import ATTEMPTS, Webhook, WebhookChannel
from shared.settings import Settings
from tests.reporting.receiver import SECRET, Receiver, receiving


def messages(count: int, first: int = 0) -> list[Message]:
    return [
        Message(f"m{n}", {"type": "qingqian.alert", "data": {"sentence": f"第{n}件逾期。"}})
        for n in range(first, first + count)
    ]


@pytest.fixture(autouse=True)
def _no_waiting() -> Any:
    """Attempts in a row come without pauses; how many there are stays."""
    with stamina.set_testing(True, attempts=ATTEMPTS, cap=True):
        yield


# --- file -----------------------------------------------------------------------------------------


def lines(path: Path) -> list[str]:
    return [orjson.loads(line)["id"] for line in path.read_bytes().splitlines()]


class TestFile:
    async def test_a_line_each_and_none_twice(self, tmp_path: Path) -> None:
        path = tmp_path / "new" / "out.jsonl"
        channel = FileChannel(path)
        receipts = await channel.deliver(messages(3))
        assert [receipt.outcome for receipt in receipts] == ["sent"] * 3
        await channel.deliver(messages(4))
        assert lines(path) == ["m0", "m1", "m2", "m3"]
        assert "第0件逾期。" in path.read_text("utf-8")
        await channel.close()

    async def test_written_and_not_marked_it_is_found_again(self, tmp_path: Path) -> None:
        """As after a kill: a new process knows nothing but the file."""
        path = tmp_path / "out.jsonl"
        first = FileChannel(path)
        await first.deliver(messages(2))
        await first.close()
        second = FileChannel(path)
        assert (await second.deliver(messages(3)))[0].outcome == "sent"
        await second.close()
        assert lines(path) == ["m0", "m1", "m2"]

    async def test_a_line_cut_short_is_written_whole(self, tmp_path: Path) -> None:
        path = tmp_path / "out.jsonl"
        first = FileChannel(path)
        await first.deliver(messages(2))
        await first.close()
        whole = path.read_bytes()
        for cut in range(1, len(whole.splitlines(keepends=True)[1])):
            path.write_bytes(whole[:-cut])
            channel = FileChannel(path)
            await channel.deliver(messages(2))
            await channel.close()
            assert path.read_bytes() == whole

    async def test_two_processes_do_not_write_one_file(self, tmp_path: Path) -> None:
        path = tmp_path / "out.jsonl"
        old, new = FileChannel(path), FileChannel(path)
        await old.deliver(messages(1))
        assert [receipt.outcome for receipt in await new.deliver(messages(2))] == ["retry"] * 2
        await old.close()
        assert [receipt.outcome for receipt in await new.deliver(messages(2))] == ["sent"] * 2
        assert lines(path) == ["m0", "m1"]
        await new.close()

    async def test_a_disk_that_refuses_loses_nothing(self, tmp_path: Path) -> None:
        path = tmp_path / "out.jsonl"
        path.mkdir()
        channel = FileChannel(path)
        assert [receipt.outcome for receipt in await channel.deliver(messages(1))] == ["retry"]
        path.rmdir()
        assert [receipt.outcome for receipt in await channel.deliver(messages(1))] == ["sent"]
        await channel.close()


# --- webhook --------------------------------------------------------------------------------------


@pytest.fixture
async def receiver() -> AsyncIterator[Receiver]:
    async with receiving() as found:
        yield found


async def delivered(receiver: Receiver, count: int, *secrets: str) -> list[str]:
    """The outcomes of so many messages."""
    signers = tuple(Webhook(secret) for secret in secrets or (SECRET,))
    channel = WebhookChannel(receiver.url, signers, timeout=5)
    try:
        return [receipt.outcome for receipt in await channel.deliver(messages(count))]
    finally:
        await channel.close()


class TestWebhook:
    async def test_signed_as_the_standard_says(self, receiver: Receiver) -> None:
        assert await delivered(receiver, 2) == ["sent", "sent"]
        assert receiver.ids == ["m0", "m1"]
        assert receiver.seen[0][1]["data"]["sentence"] == "第0件逾期。"

    async def test_with_another_secret_it_does_not_verify(self, receiver: Receiver) -> None:
        assert await delivered(receiver, 1, "whsec_" + "b3RoZXI=" * 4) == ["retry"]
        assert receiver.seen == []

    async def test_while_a_secret_is_changed_both_sign(self, receiver: Receiver) -> None:
        assert await delivered(receiver, 1, "whsec_" + "b3RoZXI=" * 4, SECRET) == ["sent"]

    async def test_a_short_fault_is_tried_again_under_the_same_id(self, receiver: Receiver) -> None:
        receiver.replies = [(503, {}), (500, {})]
        assert await delivered(receiver, 1) == ["sent"]
        assert receiver.ids == ["m0"] * 3

    async def test_one_message_that_is_refused_holds_up_no_other(self, receiver: Receiver) -> None:
        receiver.replies = [(400, {})]
        assert await delivered(receiver, 3) == ["retry", "sent", "sent"]
        assert receiver.ids == ["m0", "m1", "m2"]

    async def test_an_endpoint_that_fails_is_left_alone(self, receiver: Receiver) -> None:
        receiver.replies = [(500, {})] * 100
        assert await delivered(receiver, 5) == ["retry", "retry", "held", "held", "held"]
        assert receiver.ids == ["m0"] * ATTEMPTS + ["m1"] * ATTEMPTS

    async def test_what_says_when_is_asked_then(self, receiver: Receiver) -> None:
        receiver.replies = [(429, {"retry-after": "90"})]
        channel = WebhookChannel(receiver.url, (Webhook(SECRET),), timeout=5)
        first, second = await channel.deliver(messages(2))
        await channel.close()
        assert (first.outcome, first.after, second.outcome) == ("retry", 90, "held")
        assert receiver.ids == ["m0"]

    async def test_what_is_gone_is_not_asked_again(self, receiver: Receiver) -> None:
        receiver.replies = [(410, {})]
        channel = WebhookChannel(receiver.url, (Webhook(SECRET),), timeout=5)
        receipts = await channel.deliver(messages(3))
        await channel.close()
        assert [receipt.gone for receipt in receipts] == [True] * 3
        assert receiver.ids == ["m0"]

    async def test_a_redirect_is_not_followed(self, receiver: Receiver) -> None:
        receiver.replies = [(302, {"location": receiver.url})]
        assert await delivered(receiver, 1) == ["retry"]
        assert receiver.ids == ["m0"]

    async def test_nobody_listens(self) -> None:
        nobody = Receiver(url=f"http://127.0.0.1:{free_ports(1)[0]}/hook")
        assert await delivered(nobody, 3) == ["retry", "retry", "held"]


# --- configuration --------------------------------------------------------------------------------

HOOK = "{name: hook, kind: webhook, url: 'https://example.invalid/hook'}"


def configured(folder: Path, text: str, secrets: Any = None) -> Settings:
    (folder / "channels.yaml").write_text(text, "utf-8")
    if secrets is not None:
        (folder / "channel-secrets.json").write_bytes(orjson.dumps(secrets))
    return Settings.model_validate({"data_dir": folder})


def test_no_file_no_channel(tmp_path: Path) -> None:
    assert load(Settings.model_validate({"data_dir": tmp_path})) == []


def test_channels_for_some_recipients_and_kinds(tmp_path: Path) -> None:
    text = "channels: [{name: f, kind: file, path: out.jsonl, to: [TF1], kinds: [notice]}]"
    (outlet,) = load(configured(tmp_path, text))
    assert outlet.takes("TF1", "notice")
    assert not outlet.takes("TF1", "alert")
    assert not outlet.takes("TF2", "notice")


@pytest.mark.parametrize(
    ("text", "secrets", "said"),
    [
        ("channels: [{name: f, kind: fax}]", None, "channels"),
        ("channels: [{name: F!, kind: file, path: x}]", None, "name"),
        ("channels: [", None, "line"),
        ("channels: [{name: f, kind: file, path: x}, {name: f, kind: file, path: y}]", None, "one"),
        (f"channels: [{HOOK}]", None, "no list of secrets"),
        (f"channels: [{HOOK}]", {"hook": []}, "no list of secrets"),
        (f"channels: [{HOOK}]", {"hook": ["whsec_"]}, "malformed"),
        (f"channels: [{HOOK}]", {"hook": ["whsec_!"]}, "malformed"),
        (f"channels: [{HOOK}]", {"hook": ["whsec_c2hvcnQ="]}, "malformed"),
        (f"channels: [{HOOK}]", [], "object"),
    ],
)
def test_what_makes_no_sense_is_one_clear_line(
    tmp_path: Path, text: str, secrets: Any, said: str
) -> None:
    with pytest.raises(ChannelsError, match=said) as found:
        load(configured(tmp_path, text, secrets))
    assert "\n" not in str(found.value)
    assert "!" not in str(found.value), "no part of a secret is told"
