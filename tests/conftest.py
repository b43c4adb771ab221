"""What every test may ask for.

A test that is marked `live` and asks for `stack`, `namespace` or `settings` gets a real Kafka and a
real PostgreSQL: one of each per test session, started when the first test asks, on free ports in a
folder of their own. A namespace keeps the tests apart on them.
"""

from __future__ import annotations

import itertools
import os
import shutil
import signal
import tempfile
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import asyncpg
import hypothesis
import pytest

from infra import topics
from infra.stack import LocalStack
from infra.stack.process import free_ports
from shared.settings import SCHEMAS, SERVICES, Settings

# Its assertions are of tests too: what failed is shown with its values.
pytest.register_assert_rewrite("tests.scenarios")

_NUMBER = itertools.count(1)

# A busy machine is no fault of the code: how long an example takes is not judged. Where the
# environment variable CI is set, a test draws the same examples at every run, so that a change is
# never red by luck of the draw; elsewhere each run draws new ones, and what it finds is kept in
# .hypothesis until it is mended.
hypothesis.settings.register_profile("qingqian", deadline=None)
hypothesis.settings.register_profile(
    "qingqian-ci", deadline=None, derandomize=True, database=None, print_blob=True
)
hypothesis.settings.load_profile("qingqian-ci" if os.environ.get("CI") else "qingqian")


# Told to end, a run of the tests ends what it has started, as after Ctrl-C.
signal.signal(signal.SIGTERM, signal.default_int_handler)


@pytest.fixture(scope="session")
def stack() -> Iterator[LocalStack]:
    """The session's broker and database; what a test kills it must restart."""
    folder = Path(tempfile.mkdtemp(prefix="qingqian-tests-"))
    folder.chmod(0o755)
    try:
        with LocalStack(folder) as running:
            yield running
        running.wipe()
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
async def namespace(stack: LocalStack) -> AsyncIterator[str]:
    """A prefix of this test's own, with its topics made; topics and schemas go when it ends."""
    async with _fresh(stack) as prefix:
        yield prefix


@pytest.fixture(scope="module")
async def module_namespace(stack: LocalStack) -> AsyncIterator[str]:
    """The same for all tests of a module."""
    async with _fresh(stack) as prefix:
        yield prefix


@pytest.fixture
def settings(stack: LocalStack, namespace: str, tmp_path: Path) -> Settings:
    """Settings of an installation of this test's own: its namespace, free ports, its folder."""
    return settings_for(stack, namespace, tmp_path)


@pytest.fixture(scope="module")
def module_settings(
    stack: LocalStack, module_namespace: str, tmp_path_factory: pytest.TempPathFactory
) -> Settings:
    """The same for all tests of a module."""
    return settings_for(stack, module_namespace, tmp_path_factory.mktemp("data"))


def settings_for(stack: LocalStack, namespace: str, data_dir: Path) -> Settings:
    """Settings on `stack` with a free port for each service."""
    ports = dict(zip((f"{name}_port" for name in SERVICES), free_ports(4), strict=True))
    return Settings.model_validate(
        {
            "kafka": stack.bootstrap,
            "database": stack.database_url,
            "namespace": namespace,
            "data_dir": data_dir,
            **ports,
        }
    )


@asynccontextmanager
async def _fresh(stack: LocalStack) -> AsyncIterator[str]:
    if not stack.alive:
        stack.start()  # A test that killed a server has failed before it was back: it alone.
    prefix = f"t{next(_NUMBER)}_"
    settings = Settings(kafka=stack.bootstrap, namespace=prefix)
    await topics.ensure(settings)
    yield prefix
    if not stack.alive:
        return
    await topics.remove(settings)
    connection = await asyncpg.connect(stack.database_url)
    try:
        for schema in SCHEMAS:
            await connection.execute(f'DROP SCHEMA IF EXISTS "{prefix}{schema}" CASCADE')
    finally:
        await connection.close()
