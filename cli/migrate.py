"""`python -m mailer migrate`."""

from __future__ import annotations

from cli.output import Json, document, say
from mailer import bootstrap
from mailer.store import migrate as migrations


def migrate(*, json: Json = False) -> None:
    """Bring the database to the schema that this code needs; safe to run twice.

    Exit code 0: done; 1: it could not be done.
    """
    database = bootstrap.store().database
    migrations.upgrade(database)
    revision = migrations.revision(database)
    if json:
        document({"revision": revision})
    else:
        say(f"database at revision {revision}")
