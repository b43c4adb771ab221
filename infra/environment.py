"""`make setup`: make .venv with exactly the locked packages; a second run has nothing to do.

Runs on the machine's own Python before anything is installed, so it uses the standard library only:
    python3 infra/environment.py
"""

from __future__ import annotations

import hashlib
import re
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
VENV = ROOT / ".venv"
LOCK = ROOT / "requirements.lock"
LOG = ROOT / ".qingqian" / "log" / "setup.log"
STAMP = VENV / "qingqian-setup.sha256"


def wanted() -> str:
    """Hash of what decides the environment: the locked packages, our own metadata, the Python."""
    project = (ROOT / "pyproject.toml").read_text("utf-8").split("[tool.ruff]")[0]
    parts = (LOCK.read_text("utf-8"), project, sys.version, str(ROOT))
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()


def make_venv() -> None:
    """Make an empty virtual environment, or say which Debian package is missing."""
    if VENV.exists():
        shutil.rmtree(VENV)
    done = subprocess.run(
        [sys.executable, "-m", "venv", str(VENV)], capture_output=True, text=True, check=False
    )
    if done.returncode:
        reason = (done.stdout + done.stderr).strip().splitlines()[:1]
        sys.exit(
            f"setup: no virtual environment: {reason}. On Debian: apt-get install python3-venv"
        )


def pip(*arguments: str, total: int = 0) -> None:
    """Run pip in the environment; its whole output goes to the log, one line of it to the user."""
    command = [str(VENV / "bin" / "python"), "-u", "-m", "pip", "install", "--no-deps"]
    command += ["--disable-pip-version-check", *arguments]
    errors: list[str] = []
    fetched = 0
    with (
        LOG.open("a", encoding="utf-8") as log,
        subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, cwd=ROOT
        ) as process,
    ):
        assert process.stdout is not None
        for line in process.stdout:
            log.write(line)
            if line.lstrip().startswith(("ERROR", "error")):
                errors.append(line.strip())
            if total and line.startswith("Collecting "):
                fetched += 1
                show(f"{fetched}/{total} {line.split()[1]}", often=fetched % 25 == 0)
            if total and line.startswith("Installing collected"):
                show(f"unpacking {total} packages", often=True)
    if process.returncode:
        for line in errors[:5]:
            print(line, file=sys.stderr)
        sys.exit(f"setup: pip could not install; the whole log is {LOG.relative_to(ROOT)}")


def show(text: str, often: bool) -> None:
    """Progress: one moving line on a terminal, a line now and then elsewhere."""
    if sys.stdout.isatty():
        print(f"\r\033[K  {text}", end="\n" if text.startswith("unpacking") else "", flush=True)
    elif often:
        print(f"  {text}", flush=True)


def main() -> None:
    """Bring .venv to what the lock file says."""
    want = wanted()
    if STAMP.exists() and STAMP.read_text("utf-8") == want:
        return
    total = len(re.findall(r"^[A-Za-z0-9_.-]+==", LOCK.read_text("utf-8"), flags=re.M))
    version = ".".join(map(str, sys.version_info[:3]))
    print(
        f"setup: making .venv with Python {version} and {total} locked packages (once; ~1 minute)"
    )
    LOG.parent.mkdir(parents=True, exist_ok=True)
    LOG.write_text("", "utf-8")
    same_python = (VENV / "bin" / f"python{sys.version_info[0]}.{sys.version_info[1]}").exists()
    if not same_python:
        make_venv()
    STAMP.unlink(missing_ok=True)
    pip("--require-hashes", "-r", str(LOCK), total=total)
    pip("--no-build-isolation", "--editable", ".")
    STAMP.write_text(want, "utf-8")
    print("setup: done", flush=True)


if __name__ == "__main__":
    main()
