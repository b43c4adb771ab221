"""What a decider keeps: frozen records of plain values, of which folding a log makes very many."""

from __future__ import annotations

import msgspec
from msgspec.structs import replace

__all__ = ["Frozen", "replace"]


class Frozen(msgspec.Struct, frozen=True, omit_defaults=True):
    """A frozen record, as `dataclass(frozen=True)` is one; `frozen=True` is told again of each.

    It is made and copied in a tenth of the time of a dataclass of fifty fields, takes a third of
    the memory, and leaves out of its stored form what is at its default.
    """
