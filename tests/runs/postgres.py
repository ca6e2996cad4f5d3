"""A throw-away PostgreSQL server: started with initdb on a socket of its own, gone after the tests."""

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from sqlalchemy import URL

REQUIRED = os.environ.get("CNNLAB_REQUIRE_POSTGRES") == "1"


def missing(reason: str) -> None:
    """Skip, or fail where PostgreSQL is required."""
    if REQUIRED:
        pytest.fail(f"CNNLAB_REQUIRE_POSTGRES=1, but {reason}")
    pytest.skip(reason)


def programs() -> Path | None:
    """Return the folder of PostgreSQL's server programs, Debian's newest first."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda path: float(path.parts[-3]))
    there = str(found[-1]) if found else shutil.which("initdb")
    return Path(there).resolve().parent if there else None


@contextmanager
def server() -> Iterator[URL]:
    """Start a server and give the URL of its database; it refuses to run as root and then runs as ``postgres``."""
    pytest.importorskip("psycopg", reason="psycopg is not installed") if not REQUIRED else __import__("psycopg")
    bin = programs()
    if bin is None:
        missing("PostgreSQL is not installed (Debian: apt-get install postgresql)")
    folder = Path(tempfile.mkdtemp(prefix="cnnlab-pg-"))
    who = {}
    if os.getuid() == 0:
        shutil.chown(folder, "postgres", "postgres")
        who = {"user": "postgres", "group": "postgres", "extra_groups": []}

    def run(program: str, *arguments: str) -> None:
        done = subprocess.run(
            [str(bin / program), *arguments], cwd=folder, capture_output=True, text=True, timeout=120, check=False,
            env={**os.environ, "LC_ALL": "C"}, **who,
        )  # fmt: skip
        if done.returncode:
            missing(f"{program} failed: {done.stderr[-500:]}{done.stdout[-500:]}")

    data, options = str(folder / "data"), f"-k {folder} -c listen_addresses= -c fsync=off -c max_connections=60"
    try:
        run("initdb", "-D", data, "-A", "trust", "-U", "postgres", "-E", "UTF8", "--no-sync")
        run("pg_ctl", "-D", data, "-o", options, "-l", str(folder / "log"), "-w", "start")
        try:
            yield URL.create(
                "postgresql+psycopg", username="postgres", database="postgres", query={"host": str(folder)}
            )
        finally:
            run("pg_ctl", "-D", data, "-m", "immediate", "-w", "stop")
    finally:
        shutil.rmtree(folder, ignore_errors=True)
