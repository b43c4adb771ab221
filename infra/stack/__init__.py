"""The local stack: a real Kafka and a real PostgreSQL on this machine, made of packages only."""

from __future__ import annotations

from infra.stack.local import LocalStack as LocalStack
