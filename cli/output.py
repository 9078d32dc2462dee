"""What a command shows: text for people, or one JSON document for programs. Addresses and keys are masked in both."""

from __future__ import annotations

import dataclasses
import json
import sys
from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.text import Text

from mailer import clock, masking

Json = Annotated[bool, typer.Option("--json", help="one JSON document on stdout, nothing else")]

# Wide enough for ids and their errors where there is no terminal whose width could be asked for.
_WIDTH = 120


def console() -> Console:
    """Return the console of this process: colours and the terminal's width on a terminal only."""
    return Console(highlight=False, soft_wrap=True, width=None if sys.stdout.isatty() else _WIDTH)


def say(text: str, style: str = "") -> None:
    """Show one line to a person."""
    console().print(Text(masking.text(text), style=style))


def document(value: Any) -> None:
    """Print the one JSON document of a command."""
    typer.echo(json.dumps(plain(value), ensure_ascii=False, indent=2))


def plain(value: Any) -> Any:
    """Return a value as JSON has it: times as RFC 3339, free text masked."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {f.name: plain(getattr(value, f.name)) for f in dataclasses.fields(value)}
    if isinstance(value, datetime):
        return clock.rfc3339(value)
    if isinstance(value, str):
        return masking.text(value)
    if isinstance(value, Mapping):
        return {key: plain(item) for key, item in value.items()}
    return [plain(item) for item in value] if isinstance(value, list | tuple) else value


def count(number: int, noun: str) -> str:
    """Return a number of things: `1 message`, `2 messages`."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def ago(moment: datetime, now: datetime) -> str:
    """Return how long ago a moment was, or in how long it will be, for a person."""
    seconds = (now - moment).total_seconds()
    return f"{span(seconds)} ago" if seconds >= 0 else f"in {span(-seconds)}"


def span(seconds: float) -> str:
    """Return a time span for a person: `0.3 s`, `42 s`, `5 min`, `3.2 h`, `4.0 d`."""
    for limit, size, unit in ((10, 1, "s"), (120, 1, "s"), (7200, 60, "min"), (172_800, 3600, "h")):
        if seconds < limit:
            return f"{seconds / size:.{1 if limit == 10 or unit == 'h' else 0}f} {unit}"
    return f"{seconds / 86_400:.1f} d"
