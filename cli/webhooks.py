"""`python -m mailer webhooks quarantined|reread`: what providers have told, and what of it was no event."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

import typer
from rich.table import Table

from cli import moment
from cli.output import Json, ago, console, count, document, say
from mailer import bootstrap, clock, masking
from mailer.view import Piece

_Since = Annotated[str | None, typer.Option("--since", help="like `2h`, or RFC 3339")]
_REASON = 60


def quarantined(
    *,
    since: _Since = None,
    limit: Annotated[int, typer.Option("--limit", min=1, max=10_000)] = 50,
    raw: Annotated[bool, typer.Option("--raw", help="show them as they came, with addresses masked")] = False,
    json: Json = False,
) -> None:
    """List pieces of webhooks that were no events, the newest first, with the reason.

    Exit code 0: there are none; 1: there are some.
    """
    found = bootstrap.hearing().put_aside(since=moment.parse(since) if since else None, limit=limit)
    if json:
        document({"quarantined": [_plain(piece, raw=raw) for piece in found]})
    elif found:
        _show(found, raw=raw)
    else:
        say("nothing is quarantined", "green")
    raise typer.Exit(1 if found else 0)


def reread(
    webhooks: Annotated[list[str] | None, typer.Argument(help="ids of webhooks; or --since")] = None,
    *,
    since: _Since = None,
    json: Json = False,
) -> None:
    """Read webhooks again, with what this version understands. Safe: each event is known by its provider's id.

    Exit code 0: they are read; 2: neither ids nor --since are given.
    """
    if not webhooks and not since:
        raise typer.BadParameter("which? ids of webhooks, or --since")
    hearing = bootstrap.hearing()
    ids = webhooks or hearing.received(since=moment.parse(since or ""))
    events = sum(hearing.read(id, again=True) for id in ids)
    if json:
        document({"webhooks": len(ids), "events": events})
    else:
        say(f"{count(len(ids), 'webhook')} with {count(events, 'event')} read again; the workers tell what is new")


def _plain(piece: Piece, *, raw: bool) -> dict[str, str | None]:
    shown = {
        "id": piece.id, "webhook_id": piece.webhook_id, "provider": piece.provider,
        "received_at": clock.rfc3339(piece.received_at), "reason": piece.reason,
    }  # fmt: skip
    return shown | ({"raw": piece.raw} if raw else {})


def _show(found: Sequence[Piece], *, raw: bool) -> None:
    table = Table(box=None, pad_edge=False, header_style="bold")
    for title in ("received", "provider", "webhook", "what is wrong", *(["as it came"] if raw else [])):
        table.add_column(title)
    now = clock.now()
    for p in found:
        shown = [ago(p.received_at, now), p.provider, p.webhook_id or "not kept", p.reason[:_REASON]]
        table.add_row(*shown, *([masking.text(p.raw)] if raw else []))
    console().print(table)
