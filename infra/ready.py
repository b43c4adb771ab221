"""Whether a service is ready; also the health check of a container: ``python -m infra.ready PORT``.

The standard library only: it runs every few seconds, in an image without the local stack.
"""

from __future__ import annotations

import json
import sys
import urllib.error
import urllib.request
from datetime import datetime
from typing import Any


def readiness(url: str) -> tuple[bool, str]:
    """(whether `url`/readyz answers 200, the reason it gives when not, or what it warns of)."""
    try:
        with urllib.request.urlopen(f"{url}/readyz", timeout=6) as answer:
            return answer.status == 200, str(json.load(answer).get("reason") or "")
    except urllib.error.HTTPError as error:
        with error:
            try:
                document: dict[str, Any] = json.load(error)
            except ValueError:
                return False, f"it answers {error.code}"
        return False, str(document.get("reason") or f"it answers {error.code}")
    except OSError:
        return False, "it does not answer"


def clock_of(url: str) -> datetime | None:
    """The installation's present instant, as a service tells it; None while it tells none."""
    try:
        with urllib.request.urlopen(f"{url}/readyz", timeout=6) as answer:
            told = json.load(answer).get("clock")
    except (OSError, ValueError):
        return None
    return datetime.fromisoformat(told) if told else None


def main() -> None:
    """End with 0 when the service on this machine's port is ready, else with its reason and 1."""
    ready, reason = readiness(f"http://127.0.0.1:{int(sys.argv[1])}")
    if not ready:
        sys.exit(reason)


if __name__ == "__main__":
    main()
