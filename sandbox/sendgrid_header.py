"""SendGrid's rules for what may be said for a message and for each personalization alike."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

from sandbox.sendgrid_problem import Problem, is_integer, is_text_map

_MACHINERY = {"x-sg-id", "x-sg-eid", "received", "dkim-signature", "content-type", "content-transfer-encoding"}
RESERVED = _MACHINERY | {"to", "from", "subject", "reply-to", "cc", "bcc"}
MAX_AHEAD_SECONDS = 72 * 3600


def check_headers(value: object, field: str) -> Iterator[Problem]:
    """Report what is wrong with custom headers."""
    if not is_text_map(value):
        yield Problem("The header values must be strings.", field)
        return
    names = [name.lower() for name in value]
    for name in names:
        if not name or not name.isascii() or not name.isprintable() or " " in name:
            yield Problem("Header keys cannot contain non-ASCII characters and empty spaces.", field)
        if name in RESERVED:
            yield Problem("Header can not be one of the reserved keys.", field)
    if len(set(names)) < len(names):
        yield Problem("The headers cannot contain duplicate keys.", field)


def check_args(value: object, field: str) -> Iterator[Problem]:
    """Report what is wrong with custom arguments but for their size."""
    if value == {}:
        yield Problem("custom_args cannot be empty.", field)
    elif not is_text_map(value):
        yield Problem("All values of custom arguments object must be strings", field)


def check_send_at(value: object, field: str, now: datetime) -> Iterator[Problem]:
    """Report what is wrong with a time of sending, in Unix seconds; one in the past is fine."""
    if not is_integer(value):
        yield Problem(
            "The send_at parameter is expecting a Unix timestamp as an integer. We will send immediately if you"
            " include a send_at timestamp that is in the past.",
            field,
        )
    elif value > now.timestamp() + MAX_AHEAD_SECONDS:
        yield Problem("Scheduling more than 72 hours in advance is forbidden.", field)
