"""`python -m mailer stuck`: what does not move, and why."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

import typer
from rich.table import Table

from cli.output import Json, ago, console, document, plain, say
from mailer import bootstrap, masking
from mailer.standstill import Kind, Stillness

_WORDS = {
    Kind.OVERDUE: "overdue: nobody woke it (sweep or broker)",
    Kind.PAST_LEASE: "sending past its lease: its worker is gone",
    Kind.BACKLOG: "in the queue: no worker has taken it yet",
    Kind.RETRY: "waits for a retry",
    Kind.LEFT_ALONE: "waits: every provider is left alone",
    Kind.NEWS: "unknown, waits for news",
    Kind.RESTING: "rests as unknown: needs a person",
    Kind.DEAD: "died on the broker: needs a person",
}


def stuck(
    *,
    limit: Annotated[int, typer.Option(min=0, max=10_000, help="examples of each kind")] = 20,
    json: Json = False,
) -> None:
    """Show what does not move and why, the oldest of each kind, and some of them.

    Exit code 0: nothing needs anybody; 1: something is past its time by more than a minute, or needs a person.
    """
    found = bootstrap.desk().stuck(limit=limit)
    if json:
        document(
            {
                "ok": not found.wrong,
                "at": found.at,
                "moving": found.moving,
                "standstills": [{**plain(s), "wrong": s.wrong} for s in found.standstills],
                "examples": found.examples,
                "breakers": found.breakers,
                "swept": found.swept,
            }
        )
    else:
        _show(found)
    raise typer.Exit(1 if found.wrong else 0)


def _show(found: Stillness) -> None:
    say(f"{found.moving} under way; the sweep {_swept(found)}")
    for b in found.breakers:
        whom = f"for {b.scope}" if b.scope else "for everything"
        say(f"{b.provider} is left alone {whom} ({b.reason}), probed again {ago(b.open_until, found.at)}", "yellow")
    if not found.standstills:
        say("nothing stands still", "green")
        return
    console().print(_counts(found))
    if found.examples:
        console().print(_examples(found))


def _counts(found: Stillness) -> Table:
    table = Table(box=None, pad_edge=False, header_style="bold")
    for title in ("how many", "what", "after", "the oldest since", "the first goes on"):
        table.add_column(title, justify="right" if title == "how many" else "left")
    for s in found.standstills:
        table.add_row(
            str(s.count), _WORDS[s.kind], masking.text(s.reason or "-"), ago(s.oldest_at, found.at),
            _when(s.until, found.at), style="red" if s.wrong else "",
        )  # fmt: skip
    return table


def _examples(found: Stillness) -> Table:
    table = Table(box=None, pad_edge=False, header_style="bold")
    for title in ("id", "request", "what", "since"):
        table.add_column(title, no_wrap=True)
    for e in found.examples:
        table.add_row(
            e.id, masking.text(e.request_id), f"{e.kind} {masking.text(e.reason or '')}", ago(e.since, found.at)
        )
    return table


def _when(until: datetime | None, now: datetime) -> str:
    return "-" if until is None else ago(until, now)


def _swept(found: Stillness) -> str:
    if found.swept is None:
        return "never ran"
    left = f" and left {found.swept.left.count} for later" if found.swept.left.count else ""
    return f"ran {ago(found.swept.ran_at, found.at)}{left}"
