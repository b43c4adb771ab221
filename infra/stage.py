"""An installation on the log clock with an empty log, for a story or a campaign to be played on."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from infra import loop, topics
from infra.keyring import ensure_keys
from infra.obstacles import require_book, require_folder
from infra.problem import Unready
from infra.ready import readiness
from infra.stack.commands import services_of, stack_of
from infra.stack.guard import stop_all
from infra.stack.local import LocalStack, starting
from infra.stack.ports import require_no_demo, require_ports
from infra.stack.process import locked
from infra.stack.services import Services
from shared.identity import NoTopic, identify
from shared.log import CASE_EVENTS, GOVERNANCE_EVENTS, PARTITIONS, Reader, Unavailable
from shared.settings import SERVICES, Settings

_FIX = "Fix: qingqian down --wipe (it removes the stack's data), then run the same command again"


@dataclass
class Stage:
    """A running installation. `close` stops what this process started."""

    settings: Settings
    stack: LocalStack
    services: Services

    @property
    def urls(self) -> dict[str, str]:
        return {name: self.settings.url(name) for name in SERVICES}

    def close(self) -> None:
        """Stop services and servers; nothing of it stays."""
        self.services.stop()
        self.stack.stop()


def open_stage(
    settings: Settings, start: datetime, *, keep: bool, say: Callable[[str], None]
) -> Stage:
    """Start everything with the clock at `start`, or take over what runs with an empty log.

    `keep`: it stays when this process ends. Raises Unready where the log is not empty, or where
    somebody else's services hold the ports.
    """
    settings = settings.model_copy(update={"clock": "log", "clock_start": start})
    require_folder(settings)
    require_book(settings)
    require_no_demo(settings)
    _refuse_strangers(_stage(settings, keep))
    require_ports(settings)
    with starting(settings.data_dir):
        # What runs is looked for anew: another command may have started it meanwhile.
        return _opened(_stage(settings, keep), say)


def _stage(settings: Settings, keep: bool) -> Stage:
    stack = stack_of(settings, keep=keep)
    return Stage(settings, stack, services_of(settings, stack))


def _opened(stage: Stage, say: Callable[[str], None]) -> Stage:
    settings, stack = stage.settings, stage.stack
    mine = stack.alive
    say("starting Kafka and PostgreSQL")
    stack.start()
    try:
        _begin_anew(stage, say)
        ensure_keys(settings)
        loop.run(topics.ensure(settings))
        say("starting intake, routing, supervision and reporting on the log clock")
        stage.services.start(say=say)
    except BaseException:
        if not mine:
            stack.stop()
        raise
    return stage


def _refuse_strangers(stage: Stage) -> None:
    """Services that answer but are not of this data folder cannot be put on another clock."""
    for name in SERVICES:
        url = stage.settings.url(name)
        if not stage.services.alive(name) and readiness(url)[1] != "it does not answer":
            raise Unready(
                f"{name} at {url} belongs to another installation. Fix: stop that one "
                f"(docker compose down, or qingqian down in its folder), or set other ports"
            )


def _begin_anew(stage: Stage, say: Callable[[str], None]) -> None:
    """An empty log that was begun on another clock is begun again; one with cases is refused."""
    cases, governed = loop.run(_lengths(stage.settings))
    if cases:
        raise Unready(f"the log is not empty: {cases} events. {_FIX}")
    if not governed:
        return
    say("the log is empty: beginning it again on the log clock")
    stage.services.stop()
    with locked(stage.stack.run):
        stop_all(stage.stack.run)
    stage.stack.stop()
    stage.stack.wipe()
    stage.stack = stack_of(stage.settings, keep=stage.stack.keep)
    stage.services = services_of(stage.settings, stage.stack)
    stage.stack.start()


async def _lengths(settings: Settings) -> tuple[int, int]:
    """Records on `case-events` and on `governance-events`; 0 where there is no topic yet."""
    try:
        await identify(settings, CASE_EVENTS)
        reader = Reader(settings, "stage")
        try:
            await reader.start()
            cases = await reader.ends(CASE_EVENTS, range(PARTITIONS))
            governance = await reader.ends(GOVERNANCE_EVENTS, (0,))
        finally:
            await reader.stop()
    except NoTopic:
        return 0, 0
    except Unavailable as error:
        raise Unready(f"Kafka at {settings.kafka}: {error}") from None
    return sum(cases.values()), sum(governance.values())
