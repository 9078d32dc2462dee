"""Migrations: bring a database to the schema that this code knows."""

from __future__ import annotations

from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import text

from mailer.store import bounded
from mailer.store.database import Database

_FOLDER = Path(__file__).parent / "migrations"

# Any number; held while migrating, so that two deploys at once do not migrate twice.
_LOCK = 0x6D61696C6572


def _config() -> Config:
    config = Config()
    config.set_main_option("script_location", str(_FOLDER))
    return config


def upgrade(database: Database) -> None:
    """Bring the schema to this code's revision; safe to run twice, at once too."""
    config = _config()
    with database.write() as connection:
        if connection.dialect.name == "postgresql":
            # A large table takes its time.
            connection.execute(text("SET LOCAL statement_timeout = 0"))
            connection.execute(text("SET LOCAL lock_timeout = 0"))
            bounded.without_limit(connection)
            connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _LOCK})
        config.attributes["connection"] = connection
        command.upgrade(config, "head")


def revision(database: Database) -> str | None:
    """Return the revision that the database is at, None before the first."""
    with database.read() as connection:
        return MigrationContext.configure(connection).get_current_revision()


def head() -> str:
    """Return the revision that this code expects."""
    found = ScriptDirectory.from_config(_config()).get_current_head()
    if found is None:
        raise RuntimeError("no migrations found")
    return found


def revisions() -> list[str]:
    """Return every revision that this code knows, the newest first."""
    return [script.revision for script in ScriptDirectory.from_config(_config()).walk_revisions()]
