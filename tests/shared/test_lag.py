"""How far behind a reader is: the age of what is folded, unless all was folded a moment ago."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from shared import lag
from shared.clock import wall_now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> SimpleNamespace:
    """Monotonic seconds, moved by hand."""
    found = SimpleNamespace(at=1000.0)
    monkeypatch.setattr(lag, "time", SimpleNamespace(monotonic=lambda: found.at))
    return found


def ago(seconds: float) -> int:
    return round((wall_now().timestamp() - seconds) * 1000)


def test_who_has_folded_all_is_not_behind(clock: SimpleNamespace) -> None:
    assert lag.Lag().seconds(0, ago(3600)) == 0


def test_in_a_backlog_it_is_the_age_of_what_was_folded_last(clock: SimpleNamespace) -> None:
    assert lag.Lag().seconds(10, ago(3600)) == pytest.approx(3600, abs=5)


def test_the_first_record_after_a_quiet_night_is_not_a_night_late(clock: SimpleNamespace) -> None:
    reader = lag.Lag()
    reader.seconds(0, ago(30_000))
    clock.at += 2
    assert reader.seconds(1, ago(30_000)) == 2


def test_who_could_fold_nothing_since_the_start_is_as_late_as_that(clock: SimpleNamespace) -> None:
    reader = lag.Lag()
    clock.at += 400
    assert reader.seconds(5, None) == 400


def test_it_grows_while_nothing_moves(clock: SimpleNamespace) -> None:
    reader = lag.Lag()
    reader.seconds(0, None)
    clock.at += 100
    assert reader.seconds(5, ago(150)) == 100
