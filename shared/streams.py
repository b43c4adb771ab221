"""Streams: what a subject names, and where a kind of stream begins."""

from __future__ import annotations

from shared.events import Kind

CITY = "city"
GOVERNANCE = "governance"


def kind_of(subject: str) -> Kind:
    """The kind of stream a subject names: a case id, `match:…`, `group:…`, `unit:…`, `city`."""
    prefix, colon, _ = subject.partition(":")
    if colon and prefix == "match":
        return "match"
    if colon and prefix == "group":
        return "group"
    if colon and prefix == "unit":
        return "unit"
    if subject == CITY:
        return "city"
    if subject == GOVERNANCE:
        return "governance"
    return "case"


def unit_subject(code: str) -> str:
    """The stream of a unit: a task force, a township or a department."""
    return f"unit:{code}"


def unit_code(subject: str) -> str:
    return subject.removeprefix("unit:")
