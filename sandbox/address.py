"""Mail addresses: what both providers take for valid (RFC 5321 and 5322 without comments and domain literals)."""

from __future__ import annotations

import re
from collections.abc import Iterator
from email.errors import HeaderParseError
from email.header import decode_header, make_header

from sandbox.mail import Person

MAX_LENGTH = 320

_ATOM = r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+"
_LABEL = r"[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?"
_LOCAL = rf'(?:{_ATOM}(?:\.{_ATOM})*|"(?:[\x20\x21\x23-\x5b\x5d-\x7e]|\\[\x20-\x7e])*")'
_EMAIL = re.compile(rf"({_LOCAL})@((?:{_LABEL}\.)+(?!\d+$){_LABEL})")
_ANGLE = re.compile(r"(?P<name>.*?)\s*<(?P<email>[^<>]*)>", re.DOTALL)
_QUOTED = re.compile(r'"((?:[^"\\\r\n]|\\[^\r\n])*)"')
# RFC 5322's specials but for the dot, which every mail system has long accepted in `J. Doe`.
_SPECIALS = re.compile(r'[()<>\[\]:;@\\,"\r\n]')


def is_email(value: str) -> bool:
    """Tell whether `value` is one bare address, e.g. `a@example.com`; a domain needs a dot and ASCII labels."""
    match = _EMAIL.fullmatch(value)
    return match is not None and len(match[1]) <= 64 and len(match[2]) <= 253


def parse(value: str) -> Person | None:
    """Return the mailbox `value` names, `a@example.com` or `Name <a@example.com>`; None if it is not valid.

    A display name with punctuation must be quoted, or it is not valid.
    """
    angle = _ANGLE.fullmatch(value.strip())
    if angle is None:
        return Person(value.strip()) if is_email(value.strip()) else None
    name = _display_name(angle["name"])
    return Person(angle["email"], name) if name is not None and is_email(angle["email"]) else None


def split(value: str) -> list[str]:
    """Return the mailboxes of a comma-separated list; commas within quotes do not count."""
    return list(_split(value))


def _split(value: str) -> Iterator[str]:
    start, quoted, position = 0, False, 0
    while position < len(value):
        letter = value[position]
        if letter == "\\" and quoted:
            position += 1
        elif letter == '"':
            quoted = not quoted
        elif letter == "," and not quoted:
            yield value[start:position]
            start = position + 1
        position += 1
    yield value[start:]


def _display_name(raw: str) -> str | None:
    quoted = _QUOTED.fullmatch(raw)
    if quoted:
        return re.sub(r"\\(.)", r"\1", quoted[1])
    if _SPECIALS.search(raw):
        return None
    try:
        return str(make_header(decode_header(raw))) if "=?" in raw else raw
    except (HeaderParseError, LookupError, UnicodeError):
        return raw
