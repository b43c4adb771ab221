"""A complaint as it stands on the log, written in one go.

`ComplaintReceived` in `shared.events` says what it is; built field by field and written through
dictionaries it would be a quarter of the work of a stream. Fields stand here in the order of their
names and what is None is left out, so what is encoded is canonical (a property test holds it to
the stored form of the fact).
"""

from __future__ import annotations

from msgspec import Raw, Struct

from shared.events import SEALED_PREFIX


class Part(Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """`omit_defaults` leaves out what is None and nothing else: there is no other default."""


class Employer(Part, frozen=True, kw_only=True):
    attracted: bool
    industry: str | None = None
    key: str | None = None
    name: str | None = None
    ownership: str
    uscc: str | None = None


class Project(Part, frozen=True, kw_only=True):
    funding: str
    key: str | None = None
    kind: str | None = None
    name: str | None = None
    owner: str | None = None
    owner_kind: str | None = None


class Site(Part, frozen=True, kw_only=True):
    address: str | None = None
    township: str | None = None


class Line(Part, frozen=True, kw_only=True):
    amount_fen: int | None = None
    line: str
    match_keys: list[str]
    months_from: str | None = None
    months_to: str | None = None
    sealed: str | None = None
    worker: str | None = None


class Received(Part, frozen=True, kw_only=True):
    """The data of a ComplaintReceived. `signals`: canonical JSON already."""

    amount_fen: int | None = None
    claims: list[Line]
    contact: str | None = None
    employer: Employer | None = None
    external_due_at: str | None = None
    group_keys: list[str]
    kind: str
    months_from: str | None = None
    months_to: str | None = None
    project: Project | None = None
    received_at: str
    signals: Raw | None = None
    site: Site | None = None
    source: str
    source_ref: str
    status_key: str
    text: str | None = None
    tier: str
    via: str | None = None
    workers: int | None = None


class Document(Part, frozen=True, kw_only=True):
    """The event around it, with every attribute that intake gives it."""

    actor: str
    bodyhash: str
    data: Received
    datacontenttype: str
    dataschema: str
    id: str
    recordedtime: str
    source: str
    specversion: str
    subject: str
    time: str
    type: str


def plain_in(data: Received) -> list[str]:
    """Places that hold a person's text in clear: such an event must never reach the log.

    The name of an employer with a unified social credit code may stand in clear (design 9).
    """
    texts = [("/text", data.text), ("/contact", data.contact)]
    if (employer := data.employer) is not None and employer.uscc is None:
        texts.append(("/employer/name", employer.name))
    if (project := data.project) is not None:
        texts += (("/project/name", project.name), ("/project/owner", project.owner))
    if (site := data.site) is not None:
        texts.append(("/site/address", site.address))
    texts += [("/claims/sealed", line.sealed) for line in data.claims]
    return [
        place for place, text in texts if text is not None and not text.startswith(SEALED_PREFIX)
    ]
