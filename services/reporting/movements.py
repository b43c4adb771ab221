"""Who rose and fell between two instants, and by which part of the score (方案 五(三)二)."""

from __future__ import annotations

from decimal import Decimal
from typing import Any, Final

from services.reporting.rankings import Ranking
from services.reporting.scoring import Scored
from shared.policy import Policy

_NONE: Final = Decimal(0)


def movements(before: Ranking, after: Ranking, policy: Policy) -> list[dict[str, Any]]:
    """Each unit's place, score and parts at both, in the order of the later; `parts` are changes in
    points and sum to the change of `raw`, of which a unit without cases has none.
    """
    earlier = {item.counts.unit: item for item in before.items}
    return [_moved(earlier.get(item.counts.unit), item, policy) for item in after.items]


def _moved(before: Scored | None, after: Scored, policy: Policy) -> dict[str, Any]:
    then = before.parts if before is not None else {}
    names = [*after.parts, *(name for name in then if name not in after.parts)]
    unit = after.counts.unit
    return {
        "unit": unit,
        "name": policy.unit_names[unit],
        "rank": {"before": before.rank if before is not None else None, "after": after.rank},
        "score": {"before": before.score if before is not None else None, "after": after.score},
        "raw": {"before": before.raw if before is not None else None, "after": after.raw},
        "parts": {name: after.parts.get(name, _NONE) - then.get(name, _NONE) for name in names},
    }
