"""`python -m mailer trace`: the story of one message."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any

import typer

from cli.output import Json, console, count, document, say
from mailer import bootstrap, clock, masking
from mailer.desk import Traced
from mailer.ledger import DeadCall
from mailer.story import Line, Story, tell

_STYLES = {
    "rests": "bold", "overdue": "bold red", "doubted": "yellow", "late": "yellow", "pause": "dim", "dead": "red",
}  # fmt: skip

_OF_DEAD = ("id", "project_id", "request_id", "reason", "died_at")


def trace(
    id: Annotated[str, typer.Argument(help="a message's id (the task's too), or a request id")],
    *,
    limit: Annotated[int, typer.Option(min=1, max=1000, help="of a request's messages, show so many")] = 10,
    json: Json = False,
) -> None:
    """Tell the story of a message in order of time, from its acceptance to where it rests, and why.

    Exit code 0: told; 1: nothing is known of that id.
    """
    found = bootstrap.desk().trace(id.strip(), limit=limit)
    now = clock.now()
    if json:
        document(_document(found, now=now))
    else:
        _show(found, now=now)
    if not found.anything:
        typer.echo(f"mailer: nothing is known of {masking.text(id)}", err=True)
        raise typer.Exit(1)


def _show(found: Traced, *, now: datetime) -> None:
    for story in found.stories:
        m = story.message
        say(f"{m.id}  {m.status}  accepted {m.created_at.isoformat(timespec='milliseconds')}", "bold")
        for line in tell(story, now=now):
            _line(line, m.created_at)
    for dead in found.dead_calls:
        say(f"{dead.id}  died on the broker before it was stored", "bold")
        say(f"  {_dead(dead)}", "red")
    if found.more:
        say(f"and {count(found.more, 'more message')} of this request (--limit)")


def _line(line: Line, begun: datetime) -> None:
    console().print(_offset(line.at, begun), style="cyan", end="")
    console().print(f"  {line.kind:<9} {masking.text(line.text)}", style=_STYLES.get(line.kind, ""), markup=False)


def _offset(at: datetime, begun: datetime) -> str:
    seconds = f"{(at - begun).total_seconds():+,.1f}"
    return f"{seconds:>12} s"


def _dead(dead: DeadCall) -> str:
    at = dead.died_at.isoformat(timespec="milliseconds")
    return f"{at}  request {dead.request_id}: {dead.reason}; python -m mailer replay --dead --id {dead.id}"


def _document(found: Traced, *, now: datetime) -> dict[str, Any]:
    return {
        "messages": [_told(story, now=now) for story in found.stories],
        "dead_calls": [
            {
                "id": d.id,
                "project_id": d.project_id,
                "request_id": d.request_id,
                "reason": d.reason,
                "died_at": d.died_at,
            }
            for d in found.dead_calls
        ],
        "more": found.more,
    }


def _told(story: Story, *, now: datetime) -> dict[str, Any]:
    m = story.message
    return {
        "id": m.id,
        "project_id": m.project_id,
        "request_id": m.request_id,
        "status": m.status,
        "reason": m.reason,
        "lane": m.lane,
        "on_unknown": m.on_unknown,
        "route": story.route,
        "created_at": m.created_at,
        "updated_at": m.updated_at,
        "expires_at": m.expires_at,
        "next_attempt_at": m.next_attempt_at,
        "wake_at": story.wake_at,
        "possible_duplicates": m.possible_duplicates,
        "recipients": [{"email": r.email, "role": r.role, "status": r.status} for r in m.recipients],
        "attempts": m.attempts,
        "notes": story.notes,
        "timeline": [
            {"at": line.at, "offset": round((line.at - m.created_at).total_seconds(), 3), "kind": line.kind,
             "text": line.text}
            for line in tell(story, now=now)
        ],
    }  # fmt: skip
