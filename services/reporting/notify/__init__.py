"""Telling the posts and units (方案 五(三)三): an outbox filled from the log, emptied by channels.

It is reporting's because reporting tells and never decides: it follows the log on positions of its
own, in a schema of its own that no rebuild drops (a receipt is not on the log). Nothing here can
reach a decider, and a dead channel delays nobody but those behind it.
"""

from __future__ import annotations
