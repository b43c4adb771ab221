"""`qingqian upload`: a CSV or XLSX file through intake; a dry run unless it is told to commit.

Receipts go to stdout, one JSON line a row; the summary to stderr.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import httpx
import orjson

from infra.keyring import read_keys
from infra.problem import Unready
from shared.roles import By
from shared.settings import load

_SECONDS = 300.0


def run(*, file: Path, source: str, commit: bool) -> int:
    """Upload; 1 if a row or the file was refused. Raises Unready for no stack or no key."""
    settings = load()
    headers = read_keys(settings).headers(By("operator", "operator"))
    with httpx.Client(base_url=settings.url("intake"), headers=headers, timeout=_SECONDS) as http:
        try:
            content = file.read_bytes()
            answer = _send(http, content, {"source": source})
            if commit and answer is not None:
                answer = _send(http, content, {"source": source, "confirm": answer["confirm"]})
        except httpx.TransportError as error:
            fix = "Fix: qingqian up"
            where = settings.url("intake")
            raise Unready(
                f"intake does not answer at {where} ({type(error).__name__}). {fix}"
            ) from None
        except OSError as error:
            raise Unready(f"cannot read {file}: {error.strerror}") from None
    if answer is None:
        return 1
    for row in answer["rows"]:
        sys.stdout.buffer.write(orjson.dumps(row) + b"\n")
    sys.stdout.flush()
    counts = ", ".join(f"{number} {status}" for status, number in answer["counts"].items())
    what = "would be" if answer["dry_run"] else "done"
    print(f"{len(answer['rows'])} rows, {what}: {counts or 'nothing'}", file=sys.stderr)
    if answer["dry_run"]:
        print("a dry run: nothing was stored; --commit receives the rows", file=sys.stderr)
    return 1 if answer["counts"].get("rejected") else 0


def _send(http: httpx.Client, content: bytes, query: dict[str, str]) -> dict[str, Any] | None:
    """Intake's answer; None where it refused the whole file, which is told on stderr."""
    response = http.post("/v1/uploads", params=query, content=content)
    answer: dict[str, Any] = response.json()
    if response.status_code == 200:
        return answer
    if response.status_code in (401, 503):
        raise Unready(f"intake answered {response.status_code}: {answer['detail']}")
    places = answer["errors"] or [{"pointer": "", "detail": answer["detail"]}]
    for item in places:
        print(f"{item['pointer'] or query['source']}: {item['detail']}", file=sys.stderr)
    return None
