"""Ways to tamper with an export, each the work of one hand; `None` where a log gives no chance."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from random import Random
from typing import Any

from shared.calendar import ZONE
from shared.events import WRITERS, instant_text

Docs = list[dict[str, Any]]
Tamper = Callable[[Docs, Random], bool]
"""Changes the lines in place; False where the log has nothing to change in this way."""


def is_decision(doc: dict[str, Any]) -> bool:
    return WRITERS[doc["event"]["type"]] in ("routing", "supervision")


def of_type(docs: Docs, *types: str) -> list[int]:
    return [index for index, doc in enumerate(docs) if doc["event"]["type"] in types]


def renumber(docs: Docs) -> None:
    """Close the gaps, as somebody would who hides what he took out or put in."""
    ends: dict[tuple[str, int], int] = {}
    for doc in docs:
        place = (doc["topic"], doc["partition"])
        doc["offset"] = ends.get(place, 0)
        ends[place] = doc["offset"] + 1


def shifted(text: str, by: timedelta) -> str:
    return instant_text(datetime.fromisoformat(text) + by)


def decisions(docs: Docs, random: Random, *types: str) -> list[int]:
    """Where decisions stand, of the types given or of any, in an order of chance."""
    found = [
        index
        for index, doc in enumerate(docs)
        if (doc["event"]["type"] in types if types else is_decision(doc))
    ]
    random.shuffle(found)
    return found


def copies(docs: Docs, index: int) -> list[int]:
    """Every copy of one event; a decision may be published more than once."""
    wanted = docs[index]["event"]["id"]
    return [i for i, doc in enumerate(docs) if doc["event"]["id"] == wanted]


def _each(docs: Docs, index: int, path: str, value: Any) -> bool:
    """Set one field of every copy of an event."""
    *parents, name = path.split("/")
    for number in copies(docs, index):
        place = docs[number]["event"]
        for parent in parents:
            place = place[parent]
        place[name] = value
    return True


def a_level_is_raised(docs: Docs, random: Random) -> bool:
    for index in decisions(docs, random, "AlertRaised"):
        return _each(docs, index, "data/level", "L5")
    return False


def a_due_date_is_moved(docs: Docs, random: Random) -> bool:
    for index in decisions(docs, random, "DeadlineSet"):
        later = shifted(docs[index]["event"]["data"]["due_at"], timedelta(days=2))
        return _each(docs, index, "data/due_at", later)
    return False


def an_instant_is_told_in_another_zone(docs: Docs, random: Random) -> bool:
    for index in decisions(docs, random):
        there = datetime.fromisoformat(docs[index]["event"]["time"]).astimezone(ZONE)
        docs[index]["event"]["time"] = there.isoformat()
        return True
    return False


def another_schema_is_named(docs: Docs, random: Random) -> bool:
    for index in decisions(docs, random):
        docs[index]["event"]["dataschema"] += "0"
        return True
    return False


def a_decision_is_made_up(docs: Docs, random: Random) -> bool:
    for index in decisions(docs, random, "AlertRaised"):
        doc = docs[index]
        event = doc["event"] | {"id": "made-up", "data": doc["event"]["data"] | {"cause": "x"}}
        docs.insert(index + 1, doc | {"event": event})
        renumber(docs)
        return True
    return False


def a_decision_is_taken_out(docs: Docs, random: Random) -> bool:
    for index in decisions(docs, random, "AlertRaised", "AlertCleared"):
        for number in reversed(copies(docs, index)):
            del docs[number]
        renumber(docs)
        return True
    return False


def a_step_is_decided_early(docs: Docs, random: Random) -> bool:
    """Its rule's instant moved to before what the rule gives."""
    for index in decisions(docs, random, "AlertRaised"):
        earlier = shifted(docs[index]["event"]["time"], -timedelta(minutes=1))
        return _each(docs, index, "time", earlier)
    return False


def a_step_is_written_early(docs: Docs, random: Random) -> bool:
    """Recorded before the instant from which it is owed."""
    for index in decisions(docs, random, "AlertRaised"):
        earlier = shifted(docs[index]["event"]["time"], -timedelta(minutes=5))
        return _each(docs, index, "recordedtime", earlier)
    return False


def somebody_else_writes(docs: Docs, random: Random) -> bool:
    for index in decisions(docs, random):
        docs[index]["event"]["source"] = "/qingqian/reporting"
        return True
    return False


def a_second_copy_differs(docs: Docs, random: Random) -> bool:
    for index in decisions(docs, random, "AlertRaised", "DeadlineSet"):
        place = (docs[index]["topic"], docs[index]["partition"])
        last = max(i for i, d in enumerate(docs) if (d["topic"], d["partition"]) == place)
        event = docs[index]["event"]
        other = event | {"data": event["data"] | {"timer": "T10"}}
        docs.insert(last + 1, docs[last] | {"key": event["subject"], "event": other})
        renumber(docs)
        return True
    return False


def a_book_nobody_adopted(docs: Docs, random: Random) -> bool:
    for index in decisions(docs, random):
        return _each(docs, index, "policy", "ours@sha256:0")
    return False


def another_adopted_book(docs: Docs, random: Random) -> bool:
    refs = sorted(
        f"{docs[i]['event']['data']['book']}@{docs[i]['event']['data']['hash']}"
        for i in of_type(docs, "PolicyAdopted")
    )
    for index in decisions(docs, random):
        others = [ref for ref in refs if ref != docs[index]["event"]["policy"]]
        if others:
            return _each(docs, index, "policy", others[0])
    return False


def a_decision_rests_on_what_came_after(docs: Docs, random: Random) -> bool:
    for index in decisions(docs, random, "DeadlineSet", "AlertRaised"):
        subject = docs[index]["event"]["subject"]
        later = [
            doc["event"]["id"]
            for doc in docs[max(copies(docs, index)) :]
            if doc["event"]["subject"] == subject
            and not is_decision(doc)
            and doc["event"]["recordedtime"] > docs[index]["event"]["recordedtime"]
        ]
        if later:
            return _each(docs, index, "basis", later[0])
    return False


def a_fact_comes_before_its_case(docs: Docs, random: Random) -> bool:
    for index in of_type(docs, "ComplaintReceived"):
        subject = docs[index]["event"]["subject"]
        for other in of_type(docs[index:], "ComplaintAccepted"):
            accepted = docs[index + other]
            if accepted["event"]["subject"] == subject:
                docs[index]["event"], accepted["event"] = accepted["event"], docs[index]["event"]
                return True
    return False


def a_fact_is_dated_back(docs: Docs, random: Random) -> bool:
    """A progress report that stops nothing says it was recorded a day before."""
    found = of_type(docs, "ProgressReported")
    random.shuffle(found)
    for index in found:
        event = docs[index]["event"]
        event["recordedtime"] = shifted(event["recordedtime"], -timedelta(days=1))
        return True
    return False


def a_book_is_edited(docs: Docs, random: Random) -> bool:
    for index in of_type(docs, "PolicyAdopted")[-1:]:
        docs[index]["event"]["data"]["content"]["title"] = "another"
        return True
    return False


def a_record_is_dropped(docs: Docs, random: Random) -> bool:
    """A second copy, so that nothing but the gap tells; not the last one, which leaves none."""
    for index in range(len(docs) - 1):
        place = (docs[index]["topic"], docs[index]["partition"])
        follows = (docs[index + 1]["topic"], docs[index + 1]["partition"]) == place
        if copies(docs, index)[0] != index and follows:
            del docs[index]
            return True
    return False


def a_record_is_put_in(docs: Docs, random: Random) -> bool:
    index = random.choice([i for i, doc in enumerate(docs) if doc["topic"] == "case-events"])
    docs.insert(index + 1, dict(docs[index]))
    return True


def two_records_change_places(docs: Docs, random: Random) -> bool:
    """Two neighbours of different cases, each with its offset."""
    for index in range(len(docs) - 1):
        one, other = docs[index], docs[index + 1]
        same = (one["topic"], one["partition"]) == (other["topic"], other["partition"])
        if same and one["event"]["subject"] != other["event"]["subject"]:
            docs[index], docs[index + 1] = other, one
            return True
    return False
