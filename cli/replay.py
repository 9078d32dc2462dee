"""`python -m mailer replay`: send again what rests, or what died on the broker."""

from __future__ import annotations

import getpass
import sys
from datetime import datetime
from enum import StrEnum
from typing import Annotated

import typer

from cli import moment
from cli.output import Json, count, document, say
from cli.replay_shown import show_dead, show_plan
from mailer import bootstrap
from mailer.delivery import EnvelopeStatus
from mailer.desk import Desk
from mailer.replay import Order, Published, Wanted


class Resting(StrEnum):
    """What a message may rest as and be replayed."""

    FAILED = "failed"
    UNKNOWN = "unknown"
    EXPIRED = "expired"


def replay(
    *,
    id: Annotated[list[str] | None, typer.Option(help="a message's id; may be given several times")] = None,
    status: Annotated[list[Resting] | None, typer.Option(help="may be given several times")] = None,
    provider: Annotated[str | None, typer.Option(help="of the last attempt")] = None,
    error: Annotated[str | None, typer.Option(help="error code of the last attempt, or why it rests")] = None,
    since: Annotated[
        datetime | None, typer.Option(parser=moment.parse, metavar="TIME", help="at rest since, e.g. 2h or RFC 3339")
    ] = None,
    until: Annotated[
        datetime | None, typer.Option(parser=moment.parse, metavar="TIME", help="at rest before, e.g. 30m or RFC 3339")
    ] = None,
    limit: Annotated[int | None, typer.Option(min=1, help="at most so many, the longest resting first")] = None,
    everything: Annotated[bool, typer.Option("--all", help="no filter: all that rests")] = False,
    dead: Annotated[bool, typer.Option(help="calls that died on the broker, instead of messages at rest")] = False,
    allow_duplicates: Annotated[
        bool, typer.Option(help="also those that a provider may have taken: they may arrive twice")
    ] = False,
    dry_run: Annotated[bool, typer.Option(help="show what would happen, and stop")] = False,
    yes: Annotated[bool, typer.Option(help="do not ask")] = False,
    reason: Annotated[str, typer.Option(help="why, kept with every message")] = "",
    json: Json = False,
) -> None:
    """Send again what rests: messages that failed, expired or are unknown go back to the queue and are woken.

    What would happen is shown first. A message that some provider may have taken already is left out unless
    --allow-duplicates is given. Accepted and canceled messages are never replayed.

    Exit code 0: done, or nothing to do; 1: not all of it could be done, or it was declined; 2: wrong usage.
    """
    wanted = Wanted(
        ids=tuple(id or ()), statuses=tuple(EnvelopeStatus(s) for s in status or ()), provider=provider, error=error,
        since=since, until=until, limit=limit, allow_duplicates=allow_duplicates,
    )  # fmt: skip
    _require_sense(wanted, everything=everything, dead=dead)
    if not (dry_run or yes or _asks(json=json)):
        raise typer.BadParameter("without a terminal to ask on, say --yes or --dry-run")
    desk = bootstrap.desk()
    if dead:
        _replay_dead(desk, wanted, dry_run=dry_run, yes=yes, json=json)
    else:
        _replay(desk, wanted, reason=reason, dry_run=dry_run, yes=yes, json=json)


def _require_sense(wanted: Wanted, *, everything: bool, dead: bool) -> None:
    filters = (wanted.ids, wanted.statuses, wanted.provider, wanted.error, wanted.since, wanted.until)
    if dead and (wanted.statuses or wanted.provider or wanted.allow_duplicates):
        raise typer.BadParameter("--dead goes with --id, --error, --since, --until and --limit only")
    if not (dead or everything or any(filters)):
        raise typer.BadParameter("say which: at least one filter, or --all")
    if everything and any(filters):
        raise typer.BadParameter("--all goes without filters")


def _asks(*, json: bool) -> bool:
    return not json and sys.stdin.isatty() and sys.stdout.isatty()


def _replay(desk: Desk, wanted: Wanted, *, reason: str, dry_run: bool, yes: bool, json: bool) -> None:
    fixed, plan = desk.plan(wanted)
    if not json:
        show_plan(plan)
    done = 0
    if plan.total and not dry_run:
        _confirm(f"replay {count(plan.total, 'message')}?", yes=yes)
        order = Order(who=_who(), why=reason, deadline=bootstrap.settings().deadline)
        for done in desk.replay(fixed, order, total=plan.total):
            if not json:
                say(f"{done} of {plan.total} are queued again")
    if json:
        document({"plan": plan, "total": plan.total, "dry_run": dry_run, "replayed": done})
    elif done:
        say("the sweep wakes them in its own pace: python -m mailer stuck")


def _replay_dead(desk: Desk, wanted: Wanted, *, dry_run: bool, yes: bool, json: bool) -> None:
    groups, found = desk.plan_dead(wanted)
    if not json:
        show_dead(groups, found)
    done = Published(ids=(), refused=())
    if found and not dry_run:
        _confirm(f"publish {count(len(found), 'call')} again?", yes=yes)
        done = desk.replay_dead(found)
    if json:
        refused = [{"id": id, "problem": problem} for id, problem in done.refused]
        counts = {"total": len(found), "dry_run": dry_run, "replayed": len(done.ids)}
        document({"groups": groups, **counts, "refused": refused})
    elif found and not dry_run:
        say(f"{len(done.ids)} of {len(found)} are published again")
        for id, problem in done.refused:
            say(f"kept: {id} is not valid any more: {problem}", "red")
    if done.refused:
        raise typer.Exit(1)


def _confirm(question: str, *, yes: bool) -> None:
    if not yes and not typer.confirm(question):
        raise typer.Exit(1)


def _who() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return "somebody"  # a container whose user has no name
