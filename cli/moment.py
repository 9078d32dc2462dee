"""A moment as an operator writes it: `2h` (ago, or ahead), or RFC 3339 with its offset."""

from __future__ import annotations

import re
from datetime import datetime, timedelta

import typer

from mailer import clock

_SPAN = re.compile(r"(\d{1,9})([smhd])")
_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}


def parse(text: str, *, ahead: bool = False) -> datetime:
    """Return the moment; a span is ago, or `ahead`. Raise BadParameter (exit code 2) for anything else."""
    if match := _SPAN.fullmatch(text.strip()):
        try:
            span = timedelta(**{_UNITS[match[2]]: int(match[1])})
            return clock.now() + (span if ahead else -span)
        except OverflowError as error:
            raise typer.BadParameter(f"{text!r} is longer than there is time") from error
    try:
        moment = datetime.fromisoformat(text.strip())
    except ValueError as error:
        raise typer.BadParameter(f"{text!r} is neither like `30m`, `2h`, `1d` nor RFC 3339") from error
    if moment.tzinfo is None:
        raise typer.BadParameter(f"{text!r} lacks its offset: `Z` or like `+02:00`")
    return moment
