"""The timeline's sentences: one for every type, clear, in two languages, without what is sealed."""

from __future__ import annotations

import re
from typing import Any

import pytest

from services.reporting.sentences import Language, Names, sentence, stored, word, yuan
from services.reporting.wording import ACTIONS, TEMPLATES, WORDS
from shared.envelope import data_json
from shared.events import TYPES
from shared.policy import Policy
from tests.reporting import histories

LANGUAGES: tuple[Language, ...] = ("zh", "en")


def test_every_type_has_a_sentence_in_both_languages() -> None:
    assert TEMPLATES.keys() == TYPES.keys()
    for name, (zh, en) in TEMPLATES.items():
        assert zh.endswith("。"), name
        assert en.endswith("."), name
        assert re.search(r"[\u4e00-\u9fff]", zh), name
        assert not re.search(r"[\u4e00-\u9fff]", en), name


def test_the_same_fields_are_told_in_both_languages() -> None:
    for name, (zh, en) in TEMPLATES.items():
        told = [set(re.findall(r"\{(\w+)", text)) for text in (zh, en)]
        assert told[0] - {"unit"} == told[1] - {"unit"}, name


@pytest.mark.parametrize("seed", [61, 62])
def test_no_sentence_is_left_open(seed: int, book: Policy) -> None:
    for event in histories.tell(seed, 40, book):
        data = data_json(event.data)
        for language in LANGUAGES:
            text = sentence(event.type, data, event.unit, language)
            assert not re.search(r"[{}\[\]]|None|sealed:", text), text


@pytest.mark.parametrize(
    ("type_", "data", "unit", "zh", "en"),
    [
        (
            "CaseAssigned",
            {
                "task_force": "TF1",
                "township": "410185109",
                "rule": "R7",
                "co_handlers": ["市住建局"],
            },
            "-",
            "交办TF1，属地410185109，协办市住建局（规则R7）。",
            "Assigned to TF1, township 410185109, with 市住建局 (rule R7).",
        ),
        (
            "AccessDenied",
            {"action": "reveal", "reason": "NOT_ENTITLED"},
            "白坪乡",
            "白坪乡查阅个人信息被拒绝：无权限。",
            "Denied to 白坪乡: reading personal data (not entitled).",
        ),
        (
            "FactsVerified",
            {"lines": [{"amount_fen": 123456}, {"amount_fen": 44}], "root_cause": "FLED"},
            "410185109",
            "核实事实，欠薪1,235.00元（2笔），原因：雇主逃匿。",
            "Facts verified, CNY 1,235.00 owed (2 lines), cause: employer fled.",
        ),
        ("FactsVerified", {"lines": []}, "410185109", "核实事实。", "Facts verified."),
        (
            "SupervisionVisitRecorded",
            {"mode": "phone", "findings": []},
            "TF1",
            "对TF1督导（电话），发现问题0项。",
            "Supervision visit to TF1 (by phone), 0 findings.",
        ),
        ("MeetingHeld", {}, "city", "召开工作例会，议定0项。", "Meeting, 0 decisions."),
        (
            "ExtensionApproved",
            {"to": "2021-12-31T16:00:00Z", "approver": "vice_convener"},
            "联席会议",
            "副召集人批准延期至2022年1月1日00:00。",
            "Extension to 2022-01-01 00:00 approved by vice convener.",
        ),
        (
            "CoHandlerAdded",
            {"unit": "市水利局"},
            "-",
            "增加协办单位市水利局。",
            "Co-handler 市水利局 added.",
        ),
        (
            "MeasureCompleted",
            {"measure": "M1"},
            "TF1",
            "整治措施M1已完成。",
            "Measure M1 completed.",
        ),
        (
            "MeasureCompleted",
            {"measure": "2", "meeting": "b1d0"},
            "TF1",
            "整治措施2已完成：工作例会（b1d0）议定的第2项。",
            "Measure 2 completed: decision 2 of the meeting b1d0.",
        ),
        (
            "ProgressReported",
            {"text": "sealed:"},
            "410185109",
            "410185109报告进展。",
            "410185109 reported progress.",
        ),
    ],
)
def test_sentences(type_: str, data: dict[str, Any], unit: str, zh: str, en: str) -> None:
    assert sentence(type_, data, unit, "zh") == zh
    assert sentence(type_, data, unit, "en") == en


def test_money_is_told_in_yuan() -> None:
    assert [yuan(fen) for fen in (0, 5, 100, 123456789)] == ["0.00", "0.05", "1.00", "1,234,567.89"]


def test_words_fall_back_to_the_code() -> None:
    assert word("PAID_IN_FULL", "zh") == "足额支付"
    assert word("PAID_IN_FULL", "en") == "paid in full"
    assert word("something", "zh") == "something"
    assert all(zh and en for zh, en in WORDS.values())
    assert ACTIONS.keys() <= TYPES.keys()
    assert stored('{"a": 1}') == {"a": 1}


def test_what_was_split_off_a_mixed_claim_is_told() -> None:
    """分流 (domain 2, 4): the wages are accepted, the rest goes its own way."""
    split = {"matter": "PROJECT_MONEY", "amount_fen": 5_000_000}
    data = {"number": "DF-QX-2021-000001", "split_off": split}
    told = sentence("ComplaintAccepted", data, "-", "zh")
    assert told == "受理，案件编号DF-QX-2021-000001，非工资部分另行告知：工程款 50,000.00元。"
    assert "split off: project money CNY 50,000.00" in sentence(
        "ComplaintAccepted", {"split_off": split}, "-", "en"
    )


def test_a_source_is_told_by_its_name() -> None:
    """`national` is a platform here, and how far a rumour has spread elsewhere."""
    names = Names(histories.policy())
    received = {"source": "national", "source_ref": "QG-1", "tier": "NAT", "kind": "complaint"}
    told = sentence("ComplaintReceived", received, "-", "zh", names)
    assert told == "收到全国根治欠薪线索反映平台线索QG-1（国家级，投诉）。"
    replied = {"source": "12345", "source_ref": "7"}
    assert sentence("SourceReplied", replied, "-", "zh", names) == "已回复登封12345热线 7。"
    assert "from 人民网留言板 (" in sentence(
        "ComplaintReceived", received | {"source": "rmw"}, "-", "en", names
    )
    spread = sentence("OpinionAlertRaised", {"spread": "national"}, "-", "zh", names)
    assert spread == "舆情预警：全国。"
    paid = {"payment": "1", "lines": [{"amount_fen": 100}], "source": "DEPOSIT"}
    assert word("DEPOSIT", "zh") in sentence("PaymentVerified", paid, "-", "zh", names)


def test_units_and_clocks_are_told_by_their_names() -> None:
    policy = histories.policy()
    names = Names(policy)
    assigned = {
        "task_force": "TF1",
        "township": "410185109",
        "co_handlers": ["TF2", "市水利局"],
        "rule": "R8",
    }
    told = sentence("CaseAssigned", assigned, "-", "zh", names)
    lead, other = policy.task_forces["TF1"].name, policy.task_forces["TF2"].name
    assert told == f"交办{lead}，属地唐庄镇，协办{other}、市水利局（规则R8）。"
    was = assigned | {"from": {"task_force": "TF2", "township": "410185109"}}
    assert f"原为{other}、唐庄镇" in sentence("CaseReassigned", was, "-", "zh", names)
    alert = {
        "timer": "T08",
        "level": "L4",
        "due_at": "2021-12-31T16:00:00Z",
        "recipients": ["410185109", "联席办"],
    }
    assert sentence("AlertRaised", alert, "-", "zh", names).startswith("T08（进展）预警")
    assert "to 唐庄镇, " in sentence("AlertRaised", alert, "-", "en", names)
    assert sentence("ProgressReported", {}, "410185999", "zh", names) == "410185999报告进展。"
