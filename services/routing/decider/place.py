"""The township of a case (domain 5.3): place of work, then employer's place, then told address.

Unknown goes to the office, never to a default township. An abolished area and a site elsewhere are
known to be no township: they are not passed over for what counts less.
"""

from __future__ import annotations

from shared.events import ComplaintReceived, Place, SupplementReceived, TownshipFrom, TriageReason
from shared.frozen import Frozen
from shared.policy import Policy

FIELDS = ("address", "project", "work", "employer", "text", "home")
"""Where a place name counts, best first (domain 5.3). The place of work: the site's address, the
project's name, what the text says of work; the employer's name; the told address: what else the
text names, and where somebody is at home, which counts only if nothing else is told.
"""


class Township(Frozen, frozen=True):
    code: str | None
    source: TownshipFrom
    triage: TriageReason | None = None


def township_of(
    received: ComplaintReceived, supplement: SupplementReceived | None, policy: Policy
) -> Township:
    """The township with where it was read, or why the office must decide."""
    places = _places(received, supplement)
    given = received.site.township if received.site else None
    if given is None and supplement is not None and supplement.site is not None:
        given = supplement.site.township
    if given in policy.abolished_areas:
        return Township(None, TownshipFrom(text=given, rule=f"abolished-{given}"), "NO_TOWNSHIP")
    told, rule = given, "structured"
    if given in policy.former_townships:
        given, rule = policy.former_townships[given], "former-code"
    address = {place.township for place in places if place.field == "address" and place.township}
    if given in policy.townships:
        if address and given not in address:
            read = next(place for place in places if place.field == "address" and place.township)
            return Township(None, TownshipFrom(text=read.text, rule=read.rule), "CONTRADICTION")
        return Township(given, TownshipFrom(text=told, rule=rule))
    for field in FIELDS:
        found = [place for place in places if place.field == field]
        codes = {place.township for place in found}
        if not found:
            continue
        source = TownshipFrom(text=found[0].text, rule=found[0].rule)
        known = codes - {None}
        if len(known) == 1 and None not in codes:
            read = next(place for place in found if place.township)
            return Township(read.township, TownshipFrom(text=read.text, rule=read.rule))
        if len(known) > 1:
            return Township(None, source, "CONTRADICTION" if field == "address" else "NO_TOWNSHIP")
        return Township(None, source, "NO_TOWNSHIP")
    return Township(None, TownshipFrom(text=None, rule="none"), "NO_TOWNSHIP")


def _places(
    received: ComplaintReceived, supplement: SupplementReceived | None
) -> tuple[Place, ...]:
    places = received.signals.places if received.signals else ()
    if supplement is not None and supplement.signals is not None:
        places += supplement.signals.places
    return places
