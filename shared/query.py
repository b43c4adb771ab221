"""The query code (查询码) with which a complainant reads how the case stands (条例 10).

The code follows from the case under the installation's matching key, so it cannot be guessed and
is kept nowhere. On the log stands only its hash, the status key, by which reporting finds the
case without knowing any key; from the hash nobody gets back to the 80 bits of the code.
"""

from __future__ import annotations

import hashlib
import re
from typing import Final

from shared.sealing import Matcher

_BYTES: Final = 10
_GROUP: Final = 4
# Crockford's alphabet: no letter that looks like a digit, so a code can be read out on the phone.
_ALPHABET: Final = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
_PAIRS: Final = tuple(one + two for one in _ALPHABET for two in _ALPHABET)
"""Two signs of ten bits: each complaint has a code, and sign by sign it takes twice as long."""
_SHIFTS: Final = range(8 * _BYTES - 10, -1, -10)
_MISREAD: Final = str.maketrans("OIL", "011")
_NOT_A_SIGN: Final = re.compile(r"[\W_]+")


def query_code(matcher: Matcher, case_id: str) -> str:
    """The code of a case, as `XXXX-XXXX-XXXX-XXXX`."""
    signs = _signs(matcher, case_id)
    return "-".join(signs[first : first + _GROUP] for first in range(0, len(signs), _GROUP))


def _signs(matcher: Matcher, case_id: str) -> str:
    """The first 80 bits of the case's hash, five to a sign."""
    number = int(matcher.hash("query", case_id)[: 2 * _BYTES], 16)
    return "".join([_PAIRS[number >> shift & 0x3FF] for shift in _SHIFTS])


def status_key_of(matcher: Matcher, case_id: str) -> str:
    """`status_key` of the case's code."""
    return _hashed(_signs(matcher, case_id))


def status_key(code: str) -> str:
    """The hash of a code, however it was typed: spaced, in small letters, O for 0, I or L for 1."""
    return _hashed(_NOT_A_SIGN.sub("", code.upper()).translate(_MISREAD))


def _hashed(signs: str) -> str:
    return hashlib.sha256(f"qingqian/status/{signs}".encode()).hexdigest()[:32]
