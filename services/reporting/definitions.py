"""What the codes and numbers of the other answers mean, by the book in force at the cut."""

from __future__ import annotations

from typing import Any, get_args

from services.reporting.answers import State
from services.reporting.sentences import word
from services.reporting.wording import LEVELS, SOURCES
from shared.events import Tier
from shared.policy import Policy


def definitions(policy: Policy) -> dict[str, Any]:
    """Units in the book's order, phases and dates, codes with their words, timers, score."""
    content = policy.content
    campaign, score = content.campaign, content.score
    return {
        "campaign": {
            "id": content.id,
            "title": content.title,
            "document": content.document,
            "first": campaign.phases[0].first,
            "last": campaign.phases[-1].last,
            "phases": [
                {"id": phase.id, "name": phase.name, "first": phase.first, "last": phase.last}
                for phase in campaign.phases
            ],
            "dates": [
                {"id": date.id, "last_day": date.last_day, "content": date.content}
                for date in campaign.dates
            ],
        },
        "task_forces": [
            {"code": code, "name": policy.unit_names[code]} for code in policy.task_forces
        ],
        "townships": [{"code": code, "name": policy.unit_names[code]} for code in policy.townships],
        "departments": [{"name": name} for name in content.organisation.departments],
        "sources": [
            {"code": code, "name": SOURCES.get(code, code)} for code in content.organisation.sources
        ],
        "tiers": [_named(code) for code in get_args(Tier)],
        "states": [_named(code) for code in get_args(State)],
        "levels": [
            {"code": code, "name": name, "name_en": name_en}
            for code, (name, name_en) in LEVELS.items()
        ],
        "timers": [
            {
                "id": timer.id,
                "name": timer.name,
                "unit": timer.length.unit,
                "n": timer.length.n,
                "source": timer.source,
            }
            for timer in content.timers
        ],
        "score": {
            "weights": score.weights,
            "deductions": {
                name: {"each": part.each, "max": part.max}
                for name, part in score.deductions.items()
            },
            "small_sample_below": score.small_sample_below,
        },
    }


def _named(code: str) -> dict[str, str]:
    return {"code": code, "name": word(code, "zh"), "name_en": word(code, "en")}
