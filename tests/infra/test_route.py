"""`qingqian route` answers what the log would give, though it seals and matches nobody."""

from __future__ import annotations

from codecs import BOM_UTF8
from datetime import timedelta
from pathlib import Path

import orjson
import pytest

from infra import route, simulator
from infra.simulator import season
from services.intake.complaint import admit, read_object
from shared.envelope import case_id_of
from shared.policy import adopt, read_book
from shared.sealing import KEY_BYTES, Matcher, Sealer

BODIES = [item.data for item in simulator.received(1, "small")]


def test_the_answer_is_that_of_the_sealed_complaint() -> None:
    now = season.END + timedelta(days=1)
    policy = adopt(read_book("dengfeng-2021-35"), now, "route")
    key = bytes(range(KEY_BYTES))
    for body in BODIES:
        complaint = read_object(body)
        case_id = case_id_of(complaint.source, complaint.source_ref)
        sealed = admit(complaint, case_id, Sealer(case_id, key, Matcher(key)), policy)
        plain = admit(complaint, case_id, route.Withheld(case_id), policy)
        assert route.answer(plain, policy) == route.answer(sealed, policy)


def test_a_line_each_and_a_clear_word_for_a_bad_one(
    tmp_path: Path, capfdbinary: pytest.CaptureFixture[bytes]
) -> None:
    file = tmp_path / "complaints.jsonl"
    lines = [orjson.dumps(BODIES[0]), b'{"source":"12345"}', b"", orjson.dumps(BODIES[1])]
    file.write_bytes(BOM_UTF8 + b"\n".join(lines) + b"\n")
    assert route.run(file=file) == 1
    out, problem = capfdbinary.readouterr()
    refs = [orjson.loads(line)["ref"] for line in out.splitlines()]
    assert refs == [BODIES[0]["source_ref"], BODIES[1]["source_ref"]]
    assert problem.decode().startswith("line 2: /source_ref: ")
