"""What makes settings unfit for this machine; looked at before anything is started or written.

Commands end with the first of it, `doctor` tells all. Nothing of the local stack is needed here:
the image of the services has none.
"""

from __future__ import annotations

import os
from importlib import resources
from pathlib import Path
from typing import Any

from infra.problem import Unready
from shared.policy import PolicyError, read_book
from shared.settings import PREFIX, Settings


def require_folder(settings: Settings) -> Path:
    """The nearest part of the data folder's path that exists. Raises Unready if it cannot serve."""
    folder = settings.data_dir.resolve()
    there = next(place for place in (folder, *folder.parents) if place.exists())
    fix = f"Fix: set {PREFIX}DATA_DIR to a folder of yours"
    if not there.is_dir():
        raise Unready(f"{there} is a file, so {folder} cannot be the data folder. {fix}")
    if not os.access(there, os.W_OK):
        raise Unready(f"{there} cannot be written to. {fix}")
    return there


def require_book(settings: Settings) -> dict[str, Any]:
    """The content of the policy book that the settings name. Raises Unready if it has none."""
    try:
        return read_book(settings.policy)
    except PolicyError as error:
        books = resources.files("shared") / "policies"
        names = ", ".join(sorted(book.name for book in books.iterdir() if book.is_dir()))
        raise Unready(f"{error}. Fix: set {PREFIX}POLICY to one of: {names}") from None


def silent_kafka(settings: Settings, error: Exception) -> Unready:
    """A broker that a command had no answer from."""
    return Unready(f"Kafka at {settings.kafka}: {error}. Fix: qingqian up, or set {PREFIX}KAFKA")
