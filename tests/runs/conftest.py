"""The databases that runs are kept in: each contract holds on SQLite and on a real PostgreSQL server."""

import pytest
from sqlalchemy import create_engine, text

from tests.runs import postgres


@pytest.fixture(scope="session")
def postgres_url():
    with postgres.server() as url:
        yield url


@pytest.fixture(params=["sqlite", "postgresql"])
def database(request, lab_home, monkeypatch):
    """Set the environment to an empty database; return its kind."""
    monkeypatch.delenv("CNNLAB_DATABASE_URL", raising=False)
    if request.param == "postgresql":
        url = request.getfixturevalue("postgres_url")
        engine = create_engine(url)
        with engine.begin() as connection:
            connection.execute(text("DROP SCHEMA public CASCADE"))
            connection.execute(text("CREATE SCHEMA public"))
        engine.dispose()
        monkeypatch.setenv("CNNLAB_DATABASE_URL", url.render_as_string(hide_password=False))
    return request.param
