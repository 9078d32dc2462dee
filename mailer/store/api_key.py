"""Queries about API keys and the projects that own them."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from ipaddress import ip_network
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection, Row

from mailer.api_key import ApiKey, Project
from mailer.resource import Scope
from mailer.store.database import Database
from mailer.store.tables import api_keys, projects


def insert(connection: Connection, key: ApiKey) -> None:
    """Store a key."""
    connection.execute(sa.insert(api_keys).values(
        id=key.id, project_id=key.project_id, name=key.name, prefix=key.prefix, digest=key.digest, test=key.test,
        scopes=sorted(key.scopes), from_domains=list(key.from_domains), networks=[str(n) for n in key.networks],
        rate=key.rate, created_at=key.created_at, expires_at=key.expires_at,
    ))  # fmt: skip


def by_prefix(connection: Connection, prefix: str) -> ApiKey | None:
    """Return the key that begins like this."""
    return _one(connection, api_keys.c.prefix == prefix)


def get(connection: Connection, id: str, *, project_id: str) -> ApiKey | None:
    """Return a key of this project."""
    return _one(connection, api_keys.c.id == id, api_keys.c.project_id == project_id)


def listed(connection: Connection, *, project_id: str | None) -> list[ApiKey]:
    """Return the keys of a project, or of all (None), the newest first."""
    query = sa.select(api_keys, projects.c.from_domains.label("of_project")).join(projects)
    query = query if project_id is None else query.where(api_keys.c.project_id == project_id)
    rows = connection.execute(query.order_by(api_keys.c.created_at.desc(), api_keys.c.id.desc()))
    return [_key(row) for row in rows]


def revoke(connection: Connection, id: str, *, project_id: str, now: datetime) -> None:
    """End a key of this project; one that has ended stays as it is."""
    mine = (api_keys.c.id == id, api_keys.c.project_id == project_id)
    statement = sa.update(api_keys).where(*mine, api_keys.c.revoked_at.is_(None))
    connection.execute(statement.values(revoked_at=now))


def touch(connection: Connection, id: str, *, now: datetime) -> None:
    """Write down that a key was used."""
    connection.execute(sa.update(api_keys).where(api_keys.c.id == id).values(last_used_at=now))


def add_project(database: Database, connection: Connection, project: Project) -> bool:
    """Store a project; tell whether it is new."""
    values = {"id": project.id, "created_at": project.created_at, "from_domains": list(project.from_domains)}
    statement = database.insert(projects).values(values).on_conflict_do_nothing().returning(projects.c.id)
    return connection.execute(statement).scalar_one_or_none() is not None


def change_project(connection: Connection, id: str, *, from_domains: Sequence[str]) -> bool:
    """Change the rules of a project; tell whether it is there."""
    statement = sa.update(projects).where(projects.c.id == id).values(from_domains=list(from_domains))
    return connection.execute(statement.returning(projects.c.id)).scalar_one_or_none() is not None


def project(connection: Connection, id: str) -> Project | None:
    """Return a project."""
    row = connection.execute(sa.select(projects).where(projects.c.id == id)).one_or_none()
    return None if row is None else _project(row)


def all_projects(connection: Connection) -> list[Project]:
    """Return every project, by name."""
    return [_project(row) for row in connection.execute(sa.select(projects).order_by(projects.c.id))]


def _one(connection: Connection, *where: sa.ColumnElement[bool]) -> ApiKey | None:
    query = sa.select(api_keys, projects.c.from_domains.label("of_project")).join(projects).where(*where)
    row = connection.execute(query).one_or_none()
    return None if row is None else _key(row)


def _project(row: Row[Any]) -> Project:
    return Project(id=row.id, created_at=row.created_at, from_domains=tuple(row.from_domains))


def _key(row: Row[Any]) -> ApiKey:
    return ApiKey(
        id=row.id, project_id=row.project_id, name=row.name, prefix=row.prefix, digest=bytes(row.digest),
        test=row.test, scopes=frozenset(Scope(s) for s in row.scopes), from_domains=tuple(row.from_domains),
        of_project=tuple(row.of_project), networks=tuple(ip_network(n) for n in row.networks), rate=row.rate,
        created_at=row.created_at, expires_at=row.expires_at, revoked_at=row.revoked_at,
        last_used_at=row.last_used_at,
    )  # fmt: skip
