"""Kafka's own jars: fetched once by jgo, pinned by SHA-256, kept in the user's cache.

``kafka.lock`` names every jar and its hash, so nothing is resolved at run time and a changed jar is
refused. ``python -m infra.stack.jars`` writes that file anew after KAFKA_VERSION moved.
"""

from __future__ import annotations

import hashlib
import os
import sys
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from infra.problem import Unready

KAFKA_VERSION: Final = "4.4.0"
LOCK: Final = Path(__file__).with_name("kafka.lock")
# Kafka logs through slf4j; its own distribution adds this binding, its jar does not ask for it.
BINDING: Final = "org.apache.logging.log4j:log4j-slf4j-impl:2.25.5"


@dataclass(frozen=True)
class Jar:
    """One pinned jar."""

    group: str
    artifact: str
    version: str
    sha256: str

    def path(self, repository: Path) -> Path:
        """Where it stands in a Maven repository folder."""
        folder = repository.joinpath(*self.group.split("."), self.artifact, self.version)
        return folder / f"{self.artifact}-{self.version}.jar"


def cache() -> Path:
    """The user's cache folder of Qingqian (``XDG_CACHE_HOME``, else ``~/.cache``)."""
    root = os.environ.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")
    return Path(root) / "qingqian"


def pinned() -> tuple[Jar, ...]:
    """The jars that ``kafka.lock`` names, in its order, which is the class path's."""
    jars = []
    for line in LOCK.read_text("utf-8").splitlines():
        coordinate, sha256 = line.split()
        group, artifact, version = coordinate.split(":")
        jars.append(Jar(group, artifact, version, sha256))
    return tuple(jars)


def fingerprint() -> str:
    """Short hash of the whole set, to name what is derived from it."""
    return hashlib.sha256(LOCK.read_bytes()).hexdigest()[:12]


def fetch(say: Callable[[str], None]) -> list[Path]:
    """Paths of all jars; what is missing in the cache is fetched first, with progress.

    Raises :class:`Unready` when a jar cannot be had or is not the pinned one.
    """
    repository = cache() / "maven"
    stamp = repository / f"complete-{fingerprint()}"
    jars = pinned()
    paths = [jar.path(repository) for jar in jars]
    if stamp.exists() and all(path.exists() for path in paths):
        return paths
    missing = [jar for jar in jars if not _is_the_one(jar, repository)]
    if missing:
        say(f"fetching Kafka {KAFKA_VERSION}: {len(missing)} jars, 44 MB (once)")
        _download(missing, repository, say)
    stamp.touch()
    return paths


def _is_the_one(jar: Jar, repository: Path) -> bool:
    path = jar.path(repository)
    return path.exists() and hashlib.sha256(path.read_bytes()).hexdigest() == jar.sha256


def _download(missing: Iterable[Jar], repository: Path, say: Callable[[str], None]) -> None:
    context = _maven(repository)

    def one(jar: Jar) -> Jar:
        path = jar.path(repository)
        path.unlink(missing_ok=True)
        artifact = context.project(jar.group, jar.artifact).at_version(jar.version).artifact()
        try:
            artifact.resolve()
        except Exception as error:
            raise Unready(
                f"could not fetch {jar.artifact}-{jar.version}.jar ({_short(error)}). "
                f"Fix: check the network or your Maven mirror, then run the same command again"
            ) from error
        if not _is_the_one(jar, repository):
            path.unlink(missing_ok=True)
            raise Unready(f"{jar.artifact}-{jar.version}.jar is not the pinned file; refused")
        return jar

    with ThreadPoolExecutor(6) as pool:
        for done, jar in enumerate(pool.map(one, missing), start=1):
            if done % 15 == 0:
                say(f"  {done} jars, last {jar.artifact}")


def _maven(repository: Path) -> Any:
    from jgo.config import GlobalSettings
    from jgo.constants import MAVEN_CENTRAL_URL
    from jgo.maven import MavenContext

    # A mirror named in jgo's own configuration file comes before Maven Central.
    mirrors = dict(getattr(GlobalSettings.load(), "repositories", None) or {})
    remotes = {**mirrors, "central": MAVEN_CENTRAL_URL}
    repository.mkdir(parents=True, exist_ok=True)
    return MavenContext(repo_cache=repository, remote_repos=remotes, timeout=60)


def _short(error: Exception) -> str:
    return (str(error) or type(error).__name__).splitlines()[0][:160]


def main() -> None:
    """Resolve KAFKA_VERSION anew and write ``kafka.lock``."""
    import jgo

    repository = cache() / "maven"
    os.environ["M2_REPO"] = str(repository)
    lines = []
    for endpoint in (f"org.apache.kafka:kafka_2.13:{KAFKA_VERSION}", BINDING):
        for artifact in jgo.resolve(endpoint):
            digest = hashlib.sha256(artifact.resolve().read_bytes()).hexdigest()
            lines.append(f"{artifact.groupId}:{artifact.artifactId}:{artifact.version} {digest}")
    LOCK.write_text("\n".join(sorted(set(lines))) + "\n", "utf-8")
    print(f"{LOCK.name}: {len(set(lines))} jars of Kafka {KAFKA_VERSION}", file=sys.stderr)


if __name__ == "__main__":
    main()
