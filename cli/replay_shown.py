"""How the plan of a replay is shown."""

from __future__ import annotations

from collections.abc import Sequence

from rich.table import Table

from cli.output import ago, console, count, say
from mailer import clock, masking
from mailer.replay import Group, Plan

_EXAMPLES = 5


def show_plan(plan: Plan) -> None:
    """Show how many, why they rest, how many may arrive twice, and some of them."""
    if plan.total:
        say(f"{count(plan.total, 'message')} would be sent again:")
        console().print(_table(plan.groups))
        for e in plan.examples:
            doubt = ", may have been sent" if e.possible_duplicate else ""
            last = f"{e.provider or 'nobody'} {e.error or ''}".strip()
            say(f"  {e.id}  {e.status} since {ago(e.since, clock.now())} after {last}{doubt}")
    else:
        say("nothing would be sent again")
    if plan.possible_duplicates:
        say(f"{plan.possible_duplicates} of them may arrive twice: nobody knows whether a provider took them", "yellow")
    if plan.left_out:
        say(f"{plan.left_out} more are left out: a provider may have taken them (--allow-duplicates)", "yellow")


def show_dead(groups: Sequence[Group], found: Sequence[str]) -> None:
    """Show how many died, of what, and some of them."""
    if not found:
        say("no such call died on the broker")
        return
    say(f"{count(len(found), 'call')} would be published again:")
    console().print(_table(groups))
    for id in found[:_EXAMPLES]:
        say(f"  {id}")


def _table(groups: Sequence[Group]) -> Table:
    table = Table(box=None, header_style="bold")
    for title in ("how many", "status", "last error", "the oldest"):
        table.add_column(title, justify="right" if title == "how many" else "left")
    for group in groups:
        table.add_row(
            str(group.count), group.status, masking.text(group.error or "-"), ago(group.oldest_at, clock.now())
        )
    return table
