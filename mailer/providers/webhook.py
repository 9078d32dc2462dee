"""What the webhooks of all providers have in common: keys, time, and reading fields of which nothing is certain."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar

from mailer import masking
from mailer.errors import InvalidSignature
from mailer.event import Event, Quarantined
from mailer.providers import answers

T = TypeVar("T")

# Our clock and the provider's may differ so much.
FUTURE = timedelta(minutes=10)

# How much is kept of an id, of a provider's word, of its explanation, of a URL, of a piece that is no event.
_ID, _WORD, _DETAIL, _URL, _RAW = 255, 100, 300, 2_000, 4_000
_READ = 2_000

_SECONDS = re.compile(r"[0-9]{1,11}")
# What a moment of an event can be: from 2000 to 2100.
_EARLIEST, _LATEST = 946_684_800, 4_102_444_800


class Malformed(ValueError):
    """A piece of a webhook is no event; the text says why without telling its content."""


def keys(value: str) -> tuple[str, ...]:
    """Return the keys of a setting: several while one replaces another, parted by commas."""
    return tuple(key for part in value.split(",") if (key := part.strip()))


def no_key(setting: str) -> InvalidSignature:
    """Return the error of a webhook that cannot be verified since nobody told us the key."""
    return InvalidSignature(f"{setting} is not set, and without it no webhook can be believed", code="no_key")


def signed_at(seconds: str, *, past: timedelta, now: datetime) -> datetime:
    """Return when a webhook was signed.

    Both bounds matter beyond staleness: what is signed is the time and what follows it without a mark in between, so
    moving a digit across would keep the signature right, but not the time.

    Raises:
        InvalidSignature: it is no whole number of seconds, or too far from now.
    """
    if not _SECONDS.fullmatch(seconds):
        raise InvalidSignature("the timestamp is not a number of seconds", code="malformed")
    at = datetime.fromtimestamp(int(seconds), UTC)
    if now - at > past:
        raise InvalidSignature("the timestamp is too old", code="too_old")
    if at - now > FUTURE:
        raise InvalidSignature("the timestamp is in the future", code="in_future")
    return at


def read(
    provider: str, pieces: Iterable[object], one: Callable[[Mapping[str, Any]], T]
) -> tuple[list[T], list[Quarantined]]:
    """Return what is an event (or an entry) by `one`, and what is none; a bad one does not fail the others."""
    events: list[T] = []
    bad: list[Quarantined] = []
    for piece in pieces:
        try:
            if not isinstance(piece, dict):
                raise Malformed("is not an object")
            events.append(one(piece))
        except ValueError as error:
            bad.append(Quarantined(provider=provider, reason=str(error), raw=_raw(piece)))
    return events, bad


def unreadable(provider: str, reason: str, body: bytes) -> tuple[list[Event], list[Quarantined]]:
    """Return what there is in a body that cannot be taken apart: no event, and the body kept."""
    raw = answers.printable(body[:_RAW].decode("utf-8", "backslashreplace"))[:_RAW]
    return [], [Quarantined(provider=provider, reason=reason, raw=raw)]


def _raw(piece: object) -> str:
    try:
        return json.dumps(piece)[:_RAW]  # ASCII, so that any database takes it
    except (ValueError, RecursionError):
        return ""


def part(data: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    """Return an object within an object; an empty one where it is null, missing or something else."""
    found = data.get(name)
    return found if isinstance(found, dict) else {}


def word(value: object) -> str:
    """Return the provider's word for what happened.

    Raises:
        Malformed: there is none.
    """
    if not (said := answers.printable(text(value)).strip()):
        raise Malformed("does not say what happened")
    return said[:_WORD]


def text(value: object) -> str:
    """Return a text, or an empty one where it is something else."""
    return value if isinstance(value, str) else ""


def id(value: object) -> str | None:
    """Return an id, or None where it is none: not a text, empty, too long, or not printable."""
    found = text(value)
    return found if 0 < len(found) <= _ID and found.isprintable() else None


def address(value: object) -> str | None:
    """Return an email address, None where there is none.

    Raises:
        Malformed: there is something that is no address.
    """
    if value is None or value == "":
        return None
    if not isinstance(value, str) or "@" not in value or len(value) > _ID or not value.isprintable():
        raise Malformed("has a recipient that is no address")
    return value


def moment(value: object) -> datetime:
    """Return a time given in seconds.

    Raises:
        Malformed: it is none.
    """
    if not isinstance(value, int | float) or not _EARLIEST <= value < _LATEST:
        raise Malformed("has no time")
    return datetime.fromtimestamp(value, UTC)


def url(value: object) -> str | None:
    """Return a URL, shortened, or None."""
    return answers.printable(text(value))[:_URL] or None


def words(*found: object) -> str:
    """Return the first text that says something, as far as it is worth reading; may hold addresses."""
    said = next((value for value in map(text, found) if value.strip()), "")
    # Cut between words: half an address would not be known for one, and so not be masked.
    return said if len(said) <= _READ else said[:_READ].rpartition(" ")[0]


def detail(said: str) -> str:
    """Return a provider's words shortened, with addresses masked."""
    return masking.text(answers.printable(said)).strip()[:_DETAIL]
