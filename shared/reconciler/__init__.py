"""The reconciler: the one shell around settle for routing and supervision (design 5).

It folds the log into its own PostgreSQL schema and publishes what settle owes, so that a kill,
a pause, a rebalance or a lost table changes nothing that is decided.
"""

from __future__ import annotations
