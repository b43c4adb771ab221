"""Who may see a person, and what a masked text still says of a person's numbers: nothing."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from itertools import product
from typing import Any

import pytest

from services.intake import privacy
from services.intake.decider import CaseFile, evolve
from services.intake.privacy import FIELDS, masked, masked_fields, names_in, tells_reporter
from shared.events import (
    AnyData,
    ComplaintReceived,
    Event,
    ReferralApproved,
    ReferralDelivered,
    ReferralProposed,
)
from shared.keys import Key
from shared.roles import ROLES

HERE, THERE = "410185109", "410185100"
UNITS = (HERE, THERE, "TF1", "TF2", "市人社局", "市公安局", "市教育局", "联席办", "mayor")
FILES = (
    CaseFile("c"),
    CaseFile("c", assigned=True, township=HERE, task_force="TF1"),
    CaseFile("c", assigned=True, township=HERE, department="市教育局", co_handlers=("TF2",)),
    CaseFile("c", assigned=True, township=HERE, task_force="TF1", referred=True),
)


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("找我13812345678。", "找我***********。"),
        ("138-1234-5678", "***-****-****"),
        ("找我1\u200b3\u200d81234\u00ad5678。", "找我***********。"),
        ("壹叁捌壹贰叁肆伍陆柒捌", "***********"),
        ("138 1234 5678", "*** **** ****"),
        ("１３８１２３４５６７８", "***********"),
        ("410125 19900131 990X", "****** ******** ****"),
        ("(0371) 6288 1234", "(****) **** ****"),
        ("卡号6222 0212 3456 7890 123", "卡号**** **** **** **** ***"),
        ("2021-07-09至2021-09-10欠12000元", "2021-07-09至2021-09-10欠12000元"),
        ("2021年7月", "2021年7月"),
        ("电话幺三八零零零零一二三四", "电话***********"),
        ("一三八 一二三四 五六七八", "*************"),
        ("二〇二一年一月至三月欠一万二千元", "二〇二一年一月至三月欠一万二千元"),
        ("住示例村七组42号，靠河", "住示例村*****，靠河"),
        ("示例小区3号楼2单元501室", "示例小区**********"),
        ("示例村十二人被欠", "示例村十二人被欠"),
    ],
)
def test_numbers_of_persons_are_starred_in_texts(text: str, shown: str) -> None:
    assert masked(text) == shown


@pytest.mark.parametrize(
    ("address", "shown"),
    [
        ("登封市唐庄镇示例村七组42号", "登封市唐庄镇示例村*****"),
        ("登封市卢店街道示例社区3号楼", "登封市卢店街道示例社区***"),
        ("高村镇示例村８组", "高村镇示例村**"),
        ("登封市卢店街道某路9号", "登封市卢店街道****"),
        ("登封市唐庄镇", "登封市唐庄镇"),
        ("某路9号", "****"),
        (None, None),
    ],
)
def test_of_an_address_the_village_is_shown_and_nothing_below(
    address: str | None, shown: str | None
) -> None:
    """Domain 7: masking."""
    assert masked_fields({"site/address": address}) == {"site/address": shown}


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("我叫王小二，工友李四也没拿到钱。", "我叫王**，工友李*也没拿到钱。"),
        ("王 小二", "王**"),
        ("王小二妹也来了", "王***也来了"),
        ("王老板欠钱", "王老板欠钱"),
    ],
)
def test_who_a_complaint_names_is_starred_in_its_text_too(text: str, shown: str) -> None:
    told = [{"name": "王小二", "phone": "1"}, {"name": "李四"}, {"name": "王小二妹"}, None, {}]
    assert masked(text, names_in(told)) == shown


def test_a_name_of_one_sign_stars_no_word() -> None:
    assert masked("我叫王\u200b小\u2060二", names_in([{"name": "王小二"}])) == "我叫王**"
    assert masked("王老板欠钱", names_in([{"name": "王"}, {"name": " "}])) == "王老板欠钱"


# --- I-15 ----------------------------------------------------------------------------------------


def looks(kind: str) -> Iterator[tuple[Key, CaseFile, str]]:
    """Every role of every unit at every field of a case of this kind: those that see it."""
    fields: dict[str, Any] = {"source": "mayor", "source_ref": "1", "tier": "CITY", "kind": kind}
    data = ComplaintReceived.model_validate(
        fields | {"received_at": datetime(2021, 11, 10, tzinfo=UTC)}
    )
    for role, unit, sources, file, field in product(
        ROLES, UNITS, ((), ("mayor",)), FILES, (*FIELDS, "claims/1")
    ):
        key = Key("k", unit, role, sources)
        seen = privacy.sight(key, file, data) != "none"
        if seen and not privacy.hides_reporter(key, file, data, ["employer/name", field]):
            yield key, file, field


def entitled(key: Key, file: CaseFile) -> bool:
    """To see a reporter: the office, and the clerk who took it in but does not handle it."""
    clerk = key.role == "clerk" and key.may_post("mayor") and key.unit != file.township
    return clerk or key.role == "office"


def seen_wrongly() -> list[tuple[Key, CaseFile, str]]:
    """Reporters seen by who is not entitled, complainants by a township that does not handle."""
    reporters = [
        (key, file, field)
        for key, file, field in looks("report")
        if field.split("/")[0] in ("contact", "claims", "text") and not entitled(key, file)
    ]
    complainants = [
        (key, file, field)
        for key, file, field in looks("complaint")
        if key.role == "township" and key.unit not in (file.township, file.department)
    ]
    return reporters + complainants


def test_a_reporter_is_hidden_from_who_handles_and_a_complainant_from_all_others() -> None:
    assert seen_wrongly() == []
    assert any(key.role == "township" for key, _, _ in looks("complaint"))
    assert any(key.role == "clerk" and field == "contact" for key, _, field in looks("report"))


def test_the_police_see_a_case_from_its_delivery_on() -> None:
    """Domain 7: for referred cases. Before, the agency's head has only decided."""
    data = ComplaintReceived(
        source="mayor", source_ref="1", tier="CITY", received_at=datetime(2021, 11, 10, tzinfo=UTC)
    )
    police = Key("police", "市公安局", "police")
    file, seen = CaseFile("c", state="HANDLING", assigned=True, township=HERE), []
    for said in (ReferralProposed(), ReferralApproved(), ReferralDelivered()):
        file = evolve(file, fact(said))
        seen.append(privacy.sight(police, file, data))

    assert seen == ["none", "none", "full"]


def fact(data: AnyData) -> Event:
    at = datetime(2021, 11, 20, tzinfo=UTC)
    return Event(id="e", subject="c", time=at, recordedtime=at, data=data, actor="-/inspector/-")


@pytest.mark.parametrize(
    ("name", "fault"),
    [
        ("_PERSONAL", ("claims", "text")),
        ("hides_reporter", lambda *look: False),
        ("sight", lambda *look: "masked"),
    ],
)
def test_a_seeded_fault_shows_a_reporter(
    name: str, fault: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(privacy, name, fault)

    assert seen_wrongly() != []


def test_what_tells_a_reporter_is_what_a_person_said_of_persons() -> None:
    data = ComplaintReceived.model_validate(
        {"source": "mayor", "source_ref": "1", "tier": "CITY", "kind": "report",
         "received_at": datetime(2021, 11, 10, tzinfo=UTC)}
    )  # fmt: skip

    told = [name for name in (*FIELDS, "claims/1") if tells_reporter(data, name)]

    assert told == ["text", "contact", "claims/1"]
