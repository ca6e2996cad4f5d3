"""The database of runs: SQLite in the user's folder, or any other that ``CNNLAB_DATABASE_URL`` names.

Opening it brings it to today's tables, whoever opens it first; one written by a newer lab is refused.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import URL, Connection, Engine, create_engine, event, inspect, make_url, text
from sqlalchemy.exc import ArgumentError, DBAPIError, NoSuchModuleError, SQLAlchemyError
from sqlalchemy.orm import Session

from cnnlab.errors import RunError
from cnnlab.home import home

HEAD = "0002"
"""The newest module of ``migrations/versions``."""

FILE = "runs.sqlite"
_BUSY_S = 30
_MIGRATION_LOCK = 0x636E6E6C6162
_MIGRATIONS = Path(__file__).parent / "migrations"


def database_url() -> URL:
    """Return where runs are kept: ``CNNLAB_DATABASE_URL``, else a file in ``home()``.

    Raises:
        RunError: the variable holds no database URL.
    """
    wanted = os.environ.get("CNNLAB_DATABASE_URL", "").strip()
    if not wanted:
        return URL.create("sqlite", database=str(home() / FILE))
    try:
        url = make_url(wanted)
    except ArgumentError as error:
        raise RunError(
            "CNNLAB_DATABASE_URL holds no database URL; write for example "
            "`sqlite:////folder/runs.sqlite` or `postgresql://user:password@host/database`"
        ) from error
    return url.set(drivername="postgresql+psycopg") if url.drivername in ("postgres", "postgresql") else url


class StoreError(RunError):
    """The database did not take or give something: the disk is full, the server is gone."""


class Database:
    """One database, open for this process: ``read()`` and ``write()`` give a session that ends as a transaction.

    Args:
        url: where it is; None takes ``database_url()``.
        revision: the tables that it is brought to, those of today but for tests of older ones.

    Raises:
        RunError: it cannot be opened, or a newer lab has written it.
    """

    def __init__(self, url: URL | None = None, revision: str = HEAD) -> None:
        self.url = url or database_url()
        self._one_writer = threading.Lock()  # threads of one process need not wait by polling
        self.is_sqlite = self.url.get_backend_name() == "sqlite"
        try:
            self._engine = self._open()
            self._migrate(revision)
        except NoSuchModuleError as error:
            raise self._unreachable(error) from error
        except ImportError as error:
            raise RunError(
                "the database {place} needs a Python package that is not installed ({reason}); "
                "for PostgreSQL: `pip install 'psycopg[binary]'`",
                place=self.place,
                reason=str(error),
            ) from error
        except (SQLAlchemyError, OSError) as error:
            raise self._unreachable(error) from error

    @property
    def place(self) -> str:
        """Where it is, without the password."""
        return self.url.render_as_string(hide_password=True)

    @contextmanager
    def read(self) -> Iterator[Session]:
        """Give a session that sees one moment and changes nothing."""
        with self._errors(), Session(self._engine) as session:
            yield session

    @contextmanager
    def write(self) -> Iterator[Session]:
        """Give a session whose changes are all kept at its end, or none of them where it raises."""
        guard = self._one_writer if self.is_sqlite else threading.Lock()
        with guard, self._errors(), Session(self._write_engine, expire_on_commit=False) as session, session.begin():
            yield session

    @contextmanager
    def _errors(self) -> Iterator[None]:
        try:
            yield
        except SQLAlchemyError as error:
            raise StoreError(
                "the database {place} does not do its work: {reason}", place=self.place, reason=_reason(error)
            ) from error

    def now(self, session: Session) -> float:
        """Return the time that all who use this database agree on, in seconds since 1970."""
        if self.url.get_backend_name() == "postgresql":
            return float(session.execute(text("SELECT extract(epoch FROM clock_timestamp())")).scalar_one())
        import time

        return time.time()

    def close(self) -> None:
        """Give up all connections."""
        self._engine.dispose()

    def _migrate(self, revision: str) -> None:
        try:
            with self._one_writer, self._write_engine.begin() as connection:
                migrate(connection, revision)
        except BaseException:
            self._engine.dispose()
            raise

    def _open(self) -> Engine:
        if not self.is_sqlite:
            engine = create_engine(self.url, pool_pre_ping=True, pool_size=5, max_overflow=20)
        else:
            if self.url.database:
                Path(self.url.database).parent.mkdir(parents=True, exist_ok=True)
            engine = create_engine(self.url, connect_args={"timeout": _BUSY_S, "check_same_thread": False})
            event.listen(engine, "connect", _prepare_sqlite)
            event.listen(engine, "begin", _begin_sqlite)
        self._write_engine = engine.execution_options(writes=True)
        return engine

    def _unreachable(self, error: Exception) -> StoreError:
        return StoreError("the database {place} cannot be opened: {reason}", place=self.place, reason=_reason(error))


def _reason(error: Exception) -> str:
    found = error.orig if isinstance(error, DBAPIError) and error.orig is not None else error
    return str(found).strip()[:300]


def _prepare_sqlite(connection: Any, _record: Any) -> None:
    connection.isolation_level = None  # transactions begin where SQLAlchemy says so, not where the driver guesses
    for pragma in (
        f"busy_timeout={_BUSY_S * 1000}",
        "journal_mode=WAL",
        "synchronous=FULL",
        "foreign_keys=ON",
    ):
        connection.execute(f"PRAGMA {pragma}").close()


def _begin_sqlite(connection: Connection) -> None:
    writes = connection.get_execution_options().get("writes", False)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")


def migrate(connection: Connection, to: str = HEAD) -> None:
    """Bring the database of ``connection``, whose transaction has begun, to revision ``to``; others wait meanwhile.

    Raises:
        RunError: a newer lab has written it.
    """
    if connection.dialect.name == "postgresql":  # SQLite's transaction has locked it already
        connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _MIGRATION_LOCK})
    found = _revision(connection)
    if found == to:
        return
    from alembic import command
    from alembic.config import Config
    from alembic.script import ScriptDirectory

    config = Config(attributes={"connection": connection})
    config.set_main_option("script_location", str(_MIGRATIONS).replace("%", "%%"))
    known = {script.revision for script in ScriptDirectory.from_config(config).walk_revisions()}
    if found is not None and found not in known:
        raise RunError(
            "the runs in {place} were written by a newer CNN Lab (version {found} of the tables, this one knows "
            "{known}); update this lab, or name another database in CNNLAB_DATABASE_URL",
            place=connection.engine.url.render_as_string(hide_password=True),
            found=found,
            known=HEAD,
        )
    command.upgrade(config, to)


def _revision(connection: Connection) -> str | None:
    if not inspect(connection).has_table("alembic_version"):
        return None
    return connection.execute(text("SELECT version_num FROM alembic_version")).scalar()
