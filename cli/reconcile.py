"""`python -m mailer reconcile`: what webhooks lost, found again now."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any

import typer
from rich.table import Table

from cli import moment
from cli.output import Json, console, document, plain, say
from mailer import bootstrap, masking
from mailer.providers import registry
from mailer.reader import Reading


def reconcile(
    *,
    since: Annotated[
        datetime, typer.Option(parser=moment.parse, metavar="TIME", help="what happened since, e.g. 2h or RFC 3339")
    ],
    provider: Annotated[str | None, typer.Option(help="this one alone")] = None,
    dry_run: Annotated[bool, typer.Option(help="count what is new, and store nothing")] = False,
    json: Json = False,
) -> None:
    """Ask the providers once for everything since a time, and take in what is new; beat goes on where it was.

    Exit code 0: everything was read; 1: not all of it could be; 2: wrong usage.
    """
    if provider is not None and provider not in (known := [*registry.load()]):
        raise typer.BadParameter(f"{provider!r} is none of those that are set up: {', '.join(known) or 'none is'}")
    readings: list[Reading] = []
    for reading in bootstrap.reconciler().read(since=since, provider=provider, store=not dry_run):
        readings.append(reading)
    if not dry_run and any(r.new_events or r.new_listed for r in readings):
        # The sweep has the endpoints called.
        bootstrap.caller().publish()
    if json:
        document({"ok": _is_whole(readings), "stored": not dry_run, "readings": [_row(r) for r in readings]})
    else:
        _show(readings, dry_run=dry_run)
    raise typer.Exit(0 if _is_whole(readings) else 1)


def _is_whole(readings: list[Reading]) -> bool:
    return all(r.failure is None for r in readings)


def _row(r: Reading) -> dict[str, Any]:
    return {**plain(r), "next": None, "failure": masking.text(str(r.failure)) if r.failure else None}


def _show(readings: list[Reading], *, dry_run: bool) -> None:
    table = Table(box=None, pad_edge=False, header_style="bold")
    for title in ("provider", "source", "events", "new", "addresses", "new", ""):
        table.add_column(title, justify="left" if title in ("provider", "source", "") else "right")
    for r in readings:
        counts = (r.events, r.new_events, r.listed, r.new_listed)
        table.add_row(
            r.provider,
            r.source,
            *map(str, counts),
            masking.text(str(r.failure or "")),
            style="red" if r.failure else "",
        )
    console().print(table)
    new = sum(r.new_events + r.new_listed for r in readings)
    say(f"{new} new" + (", nothing was stored" if dry_run else ""), "green" if _is_whole(readings) else "red")
