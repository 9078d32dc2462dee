"""Queries that take over what a provider's lists know: entries there belong to an account, ours to a project.

Each is adopted by the project that mailed its address last; nobody's, if no project did. What somebody has lifted here
since then stays lifted.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import UTC, datetime

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from mailer import ids
from mailer.source import Listed
from mailer.store import suppression
from mailer.store.database import Database
from mailer.store.tables import deliveries, envelopes, messages, projects, suppression_removals, suppressions
from mailer.suppression import EVERY, Reason, Suppression

_Key = tuple[str, str, str]
_NEVER = datetime.min.replace(tzinfo=UTC)


def adopt(
    database: Database, connection: Connection, found: Sequence[Listed], *, provider: str, now: datetime, store: bool
) -> int:
    """Suppress whom a provider lists and we do not; return how many are new.

    Args:
        store: whether to do it, or to count only.
    """
    if not found:
        return 0
    once = {(entry.email, entry.reason): entry for entry in found}
    emails = {email for email, _ in once}
    projects_there = _projects(connection)
    owners = _owners(connection, emails, projects_there)
    known, lifted = _known(connection, emails, projects_there), _lifted(connection, emails, projects_there)
    new = [
        _suppression(entry, project, provider=provider, now=now)
        for entry in once.values()
        if (project := owners.get(entry.email)) is not None
        and not _is_known(entry, project, known)
        and not entry.at <= lifted.get((project, entry.email, entry.reason.value), _NEVER)
    ]
    return len(suppression.insert(database, connection, new)) if store else len(new)


def _is_known(entry: Listed, project: str, known: set[_Key]) -> bool:
    """Tell whether nobody needs to adopt it: a bounce says something about the address, all else about one project."""
    if entry.reason is Reason.BOUNCED:
        return (project, entry.email, entry.reason.value) in known
    return any((email, reason) == (entry.email, entry.reason.value) for _, email, reason in known)


def _suppression(entry: Listed, project: str, *, provider: str, now: datetime) -> Suppression:
    return Suppression(
        id=ids.new(), project_id=project, test=False, email=entry.email, stream=EVERY, reason=entry.reason,
        source=provider, detail=entry.detail[: suppression.DETAIL], created_at=now,
    )  # fmt: skip


def _known(connection: Connection, emails: Collection[str], ids: Sequence[str]) -> set[_Key]:
    """Return what is suppressed of these, in whichever stream, by project, address and reason."""
    c = suppressions.c
    query = sa.select(c.project_id, c.email, c.reason).where(c.project_id.in_(ids), c.email.in_(emails))
    return {(row.project_id, row.email, row.reason) for row in connection.execute(query.where(c.test.is_(False)))}


def _owners(connection: Connection, emails: Collection[str], ids: Sequence[str]) -> dict[str, str]:
    """Return by address the project that mailed it last; test messages do not count."""
    email, last = sa.func.lower(deliveries.c.email).label("address"), sa.func.max(deliveries.c.created_at).label("last")
    query = (
        sa.select(deliveries.c.project_id, email, last)
        .join(envelopes, envelopes.c.id == deliveries.c.envelope_id)
        .join(messages, messages.c.id == envelopes.c.message_id)
        .where(deliveries.c.project_id.in_(ids), email.in_(emails), messages.c.test.is_(False))
        .group_by(deliveries.c.project_id, email)
    )
    rows = sorted(connection.execute(query), key=lambda row: row.last)
    return {row.address: row.project_id for row in rows}


def _lifted(connection: Connection, emails: Collection[str], ids: Sequence[str]) -> dict[_Key, datetime]:
    """Return when somebody last lifted these, by project, address and reason."""
    r = suppression_removals.c
    query = sa.select(r.project_id, r.email, r.reason, sa.func.max(r.created_at).label("at"))
    query = query.where(r.project_id.in_(ids), r.email.in_(emails))
    rows = connection.execute(query.group_by(r.project_id, r.email, r.reason))
    return {(row.project_id, row.email, row.reason): row.at for row in rows}


def _projects(connection: Connection) -> list[str]:
    # As values: every index that is to be used begins with the project.
    return list(connection.execute(sa.select(projects.c.id)).scalars())
