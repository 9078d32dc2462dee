"""`python -m mailer suppressions list|add|remove`: whom nobody mails."""

from __future__ import annotations

from typing import Annotated

import typer
from rich.table import Table

from cli.output import Json, ago, console, document, say
from mailer import bootstrap, clock, masking
from mailer.api_key import DEFAULT_PROJECT
from mailer.errors import ConfigurationError
from mailer.ledger import Answer
from mailer.problem import parsed
from mailer.request import SuppressionRequest
from mailer.suppression import Reason, Suppression
from mailer.view import SuppressionSelection

_Project = Annotated[str, typer.Option("--project", help="whose it is")]
_Test = Annotated[bool, typer.Option("--test", help="of test messages, not of the others")]


def listed(
    *,
    email: Annotated[str | None, typer.Option(help="an address, or *@example.com")] = None,
    reason: Annotated[Reason | None, typer.Option(help="why")] = None,
    stream: Annotated[str | None, typer.Option(help="where it holds; empty: in every stream")] = None,
    limit: Annotated[int, typer.Option(min=1, max=1_000)] = 50,
    project: _Project = DEFAULT_PROJECT,
    test: _Test = False,
    json: Json = False,
) -> None:
    """List suppressions, the newest first.

    Exit code 0.
    """
    wanted = SuppressionSelection.matching(
        email, project_id=project, test=test, reason=reason, stream=stream, limit=limit
    )
    found, now = bootstrap.blocklist().listed(wanted), clock.now()
    if json:
        document({"suppressions": [_row(s) for s in found]})
        return
    table = Table(box=None, pad_edge=False, header_style="bold")
    for title in ("id", "address", "reason", "stream", "source", "since", "detail"):
        table.add_column(title, no_wrap=title == "id")
    for s in found:
        since = ago(s.created_at, now)
        table.add_row(s.id, masking.address(s.email), s.reason, s.stream or "every", s.source, since, s.detail)
    console().print(table)


def add(
    email: Annotated[str, typer.Argument(help="the address")],
    *,
    reason: Annotated[Reason, typer.Option(help="why")] = Reason.MANUAL,
    stream: Annotated[str | None, typer.Option(help="where it holds; default: in every stream")] = None,
    detail: Annotated[str, typer.Option(help="more about why")] = "",
    project: _Project = DEFAULT_PROJECT,
    test: _Test = False,
    json: Json = False,
) -> None:
    """Suppress an address. What is accepted and not sent yet is not sent to it either.

    Exit code 0: it is suppressed, now or already; 1: something is wrong with what was asked for.
    """
    if bootstrap.keyring().project(project) is None:
        raise ConfigurationError(f"there is no project {project}: python -m mailer projects create {project}")
    wanted = parsed(SuppressionRequest, {"email": email, "reason": reason, "stream": stream, "detail": detail})
    [made] = bootstrap.blocklist().made([wanted], project_id=project, test=test, source="cli")
    answer = bootstrap.blocklist().add(
        made, once=None, render=lambda held, new: Answer(status=200, body={**_row(held), "new": new})
    )
    if json:
        document(answer.body)
    else:
        say(f"{answer.body['id']}: {email} is suppressed{'' if answer.body['new'] else ' already'}")


def remove(
    id: Annotated[str, typer.Argument(help="the suppression's id, as `list` shows it")],
    *,
    project: _Project = DEFAULT_PROJECT,
    test: _Test = False,
    json: Json = False,
) -> None:
    """Lift a suppression: the address is mailed again. The providers, which keep lists of their own, are told soon.

    Exit code 0: it is lifted; 1: there is none.
    """
    if not bootstrap.blocklist().lift(id, project_id=project, test=test):
        raise ConfigurationError(f"there is no suppression {id} in project {project}")
    if json:
        document({"id": id, "lifted": True})
    else:
        say(f"{id} is lifted")


def _row(s: Suppression) -> dict[str, object]:
    return {
        "id": s.id, "email": s.email, "reason": s.reason, "stream": s.stream or None, "source": s.source,
        "detail": s.detail, "created_at": s.created_at, "project": s.project_id, "test": s.test,
    }  # fmt: skip
