"""The quick way to read a complaint says what the model says, of whatever is sent."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.intake.complaint import Complaint, Refused, admit, check, read, read_strictly
from services.intake.given import json_of, quick_read
from services.intake.preparing import Prepared, prepare
from services.intake.vault import Safe
from shared.envelope import canonical, data_json, decode, document, unsealed_fields
from shared.events import SEALED_PREFIX, ComplaintReceived
from shared.keys import Key
from shared.sealing import Sealer
from tests.intake.test_complaint import NOW, body, policy

KEY = Key("window", "市人社局", "operator", ("*",), acts_for_all=True)
SAFE = Safe(b"v" * 32)

_scalars = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-2, 2**65),
    st.sampled_from([0.0, 1.0, 1e3, 2**53]),
    st.text(max_size=3),
    st.sampled_from(
        [
            *(
                "",
                " x",
                "x ",
                "x\n",
                "\u3000x",
                "x\x1f",
                "x\x7f",
                "x\x85",
                "x" * 201,
                "\u2028",
                "x.",
            ),
            *("2021-09", "2021-13", "2021-09\n", "1899-12", "２０２１-09"),
            *("0101", "01", "1", "01234", "０１", "01\n"),
            *("2021-11-10T09:00:00+08:00", "2021-11-10t09:00:00z", "2021-11-10 09:00:00Z"),
            *("2021-11-10T09:00Z", "2021-11-10T09:00:00", "2021-11-10T09:00:00-00:00"),
            *("2021-11-10T09:00:00.123456Z", "2021-11-10T09:00:00.9999999Z", "2021-11-10"),
            *("2021-11-10T09:00:59.9999996+08:00", "2021-11-10T24:00:00Z", "1636506000"),
            *("CITY", "NAT", "report", "private", "soe", "road", "petition", "unknown"),
        ]
    ),
)
_values = st.recursive(
    _scalars,
    lambda inner: st.one_of(
        st.lists(inner, max_size=2),
        st.dictionaries(st.sampled_from(("name", "id_no", "worker", "x")), inner, max_size=2),
    ),
    max_leaves=3,
)


def paths(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """The places of a JSON value, its own included."""
    inner: Any = ()
    if isinstance(value, dict):
        inner = value.items()
    elif isinstance(value, list):
        inner = enumerate(value)
    return [path, *(place for key, item in inner for place in paths(item, (*path, key)))]


@st.composite
def mutants(draw: st.DrawFn) -> bytes:
    """A good complaint with up to three places changed, left out or added."""
    document = orjson.loads(orjson.dumps(body()))
    for _ in range(draw(st.integers(0, 3))):
        *ways, last = draw(st.sampled_from([place for place in paths(document) if place]))
        holder = document
        for way in ways:
            holder = holder[way]
        action = draw(st.sampled_from(("change", "change", "drop", "add")))
        if action == "drop":
            del holder[last]
        elif action == "add" and isinstance(holder, dict):
            holder[draw(st.sampled_from(("via", "external_due_at", "industry", "x")))] = draw(
                _values
            )
        else:
            holder[last] = draw(_values)
    try:
        raw = orjson.dumps(document)
    except TypeError:  # an integer beyond 64 bits
        raw = str(document).replace("'", '"').encode()
    return draw(st.sampled_from((raw, raw.replace(b":", b" : "), raw[:-1], b" " + raw + b"\n")))


def same_as_the_model(raw: bytes) -> bool:
    """Whether the quick way read it; fails unless it is what the model reads."""
    quick = quick_read(raw)
    try:
        strict = read_strictly(raw)
    except Refused:
        assert quick is None, "read quickly what the model refuses"
        return False
    if quick is None:
        return False
    assert quick == strict
    model = Complaint.model_validate_json(raw)
    assert json_of(quick) == model.model_dump_json(exclude_none=True).encode()
    return True


@settings(max_examples=1500)
@given(mutants())
def test_whatever_is_read_quickly_is_what_the_model_reads(raw: bytes) -> None:
    same_as_the_model(raw)


@settings(max_examples=300)
@given(st.binary(max_size=12), st.integers(0, 2000), st.integers(0, 12))
def test_also_where_bytes_were_garbled(junk: bytes, at: int, cut: int) -> None:
    raw = orjson.dumps(body())
    place = at % len(raw)
    same_as_the_model(raw[:place] + junk + raw[place + cut :])


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"text": "标题\n正文，3.5万元。"},
        {"received_at": "2021-11-10T01:00:00.123456Z"},
        {"claims": None, "contact": None, "project": None, "site": None},
        {"via": "petition", "external_due_at": "2021-12-10T09:00:00+08:00"},
    ],
)
def test_what_is_plainly_good_needs_no_model(changes: dict[str, Any]) -> None:
    assert same_as_the_model(orjson.dumps(body(**changes)))


@pytest.mark.parametrize(
    "name", ["示例\n店", " 示例店", "示例店\u3000", "示例\x7f店", "示例\x01店"]
)
def test_a_line_that_is_not_plain_is_left_to_the_model(name: str) -> None:
    assert quick_read(orjson.dumps(body(employer={"name": name}))) is None


@pytest.mark.parametrize(
    "raw",
    [
        b'{"source":"a","source":"national","source_ref":"1","received_at":"2021-11-10T09:00:00Z"}',
        b'{"source":1,"source":"national","source_ref":"1","received_at":"2021-11-10T09:00:00Z"}',
        b'{"source":"national","source_ref":"1","received_at":"2021-11-10T09:00:00+0800"}',
        b"[" * 100_000,
        b'{"text":"\\ud800"}',
        b'{"text":"\xff"}',
        b"\xef\xbb\xbf{}",
        b"",
        b"null",
    ],
)
def test_json_at_its_edges(raw: bytes) -> None:
    same_as_the_model(raw)


@settings(max_examples=300)
@given(st.data())
def test_a_name_that_stands_twice_is_found_however_it_is_written(data: st.DataObject) -> None:
    """Also beside a text that looks like JSON, among blanks, and with an escaped letter."""
    document = body(text='"text":"\\"text\\":')
    holders = [value for path in paths(document) if isinstance(value := at(document, path), dict)]
    holder = data.draw(st.sampled_from(holders))
    name = data.draw(st.sampled_from(sorted(holder)))
    value = orjson.dumps(holder[name]).decode()
    spelt = data.draw(st.sampled_from((name, f"\\u{ord(name[0]):04x}{name[1:]}")))
    blank = data.draw(st.sampled_from(("", " ", "\n\t")))
    plain = orjson.dumps(holder)
    twice = plain[:-1] + f',{blank}"{spelt}"{blank}:{blank}{value}}}'.encode()
    whole = orjson.dumps(document)
    read(whole)
    raw = whole.replace(plain, twice, 1)
    assert quick_read(raw) is None
    with pytest.raises(Refused) as refused:
        read(raw)
    (problem,) = refused.value.problems
    assert (problem.code, problem.pointer.rsplit("/", 1)[1]) == ("twice", name)


def at(value: Any, path: tuple[Any, ...]) -> Any:
    for step in path:
        value = value[step]
    return value


def opened(value: Any, sealer: Sealer) -> Any:
    """With every sealed text opened: two sealings of one text need not be alike."""
    if isinstance(value, dict):
        return {name: opened(item, sealer) for name, item in value.items()}
    if isinstance(value, list):
        return [opened(item, sealer) for item in value]
    return sealer.open(value) if str(value).startswith(SEALED_PREFIX) else value


@settings(max_examples=300)
@given(mutants())
def test_the_bytes_stored_are_those_of_the_fact(raw: bytes) -> None:
    """The event built in one go: canonical, sealed, readable, and the very fact of `admit`."""
    prepared = prepare(raw, KEY, NOW, policy(), SAFE)
    if not isinstance(prepared, Prepared):
        return
    event = decode(prepared.event)
    assert canonical(document(event)) == prepared.event
    assert isinstance(event.data, ComplaintReceived)
    assert unsealed_fields(event.data) == []
    sealer = SAFE.open(prepared.case_id, prepared.wrapped_key)
    given_ = read(raw)
    check(given_, NOW, policy())
    again = data_json(admit(given_, prepared.case_id, sealer, policy()))
    assert opened(again, sealer) == opened(data_json(event.data), sealer)
    later = decode(prepared.recorded("2022-03-01T00:00:00Z"))
    assert later.recordedtime == datetime(2022, 3, 1, tzinfo=UTC)
    assert later.data == event.data
