"""Start supervision: `python -m services.supervision`."""

from __future__ import annotations

from services.supervision.decider import STREAMS
from shared.reconciler.service import main

if __name__ == "__main__":
    main("supervision", STREAMS)
