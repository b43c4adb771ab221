"""Start routing: `python -m services.routing`."""

from __future__ import annotations

from services.routing.decider import STREAMS
from shared.reconciler.service import main

if __name__ == "__main__":
    main("routing", STREAMS)
