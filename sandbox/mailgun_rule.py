"""What Mailgun refuses, in its own words: the first thing it finds, unlike SendGrid.

Source: https://documentation.mailgun.com/docs/mailgun/api-reference/send/mailgun/messages and the table of errors in
https://github.com/mailgun/documentation (source/api-sending.rst).
"""

from __future__ import annotations

import json
from datetime import datetime, timedelta
from email.utils import parsedate_to_datetime

from sandbox import address
from sandbox.mail import Person
from sandbox.mailgun_form import Form

MAX_RECIPIENTS = 1000
MAX_OPTIONS = 16 * 1024
MAX_MESSAGE = 25 * 1024 * 1024
MAX_AHEAD = timedelta(hours=72)

_YES_NO = frozenset({"yes", "no", "true", "false"})
_CHOICES = {
    "o:testmode": frozenset({"yes"}),
    "o:dkim": _YES_NO,
    "o:tracking": _YES_NO | {"htmlonly"},
    "o:tracking-clicks": _YES_NO | {"htmlonly"},
    "o:tracking-opens": _YES_NO,
    "o:require-tls": _YES_NO,
    "o:skip-verification": _YES_NO,
    "o:tracking-pixel-location-top": _YES_NO | {"htmlonly"},
    "t:text": frozenset({"yes"}),
}


class RuleError(ValueError):
    """The form breaks a rule; the text is Mailgun's."""


def check(form: Form, now: datetime) -> None:
    """Raise RuleError for the first rule that the form breaks."""
    _check_people(form)
    _check_content(form)
    _check_options(form)
    _check_time(form, now)
    _check_variables(form)


def people(form: Form, field: str) -> tuple[Person, ...]:
    """Return the mailboxes of a field that may repeat and hold lists. Raises RuleError: one bad one spoils all."""
    parts = [part for value in form.values(field) if value.strip() for part in address.split(value)]
    found = [address.parse(part) for part in parts]
    if None in found:
        raise RuleError(f"{field} parameter is not a valid address. please check documentation")
    return tuple(person for person in found if person is not None)


def time(value: str) -> datetime:
    """Return an RFC 2822 time, which names its zone. Raises RuleError."""
    try:
        moment = parsedate_to_datetime(value)
    except ValueError:
        moment = None
    if moment is None or moment.tzinfo is None:
        raise RuleError(f"{value} is not an RFC-2822 compliant date")
    return moment


def size(form: Form) -> int:
    """Return the bytes of the message: texts and files."""
    texts = sum(len(form.first(name).encode()) for name in ("text", "html", "amp-html"))
    return texts + sum(len(file.content) for file in form.files)


def _check_people(form: Form) -> None:
    for field in ("from", "to"):
        if not form.first(field).strip():
            raise RuleError(f"{field} parameter is missing")
    if len(people(form, "from")) != 1:
        raise RuleError("from parameter is not a valid address. please check documentation")
    if sum(len(people(form, field)) for field in ("to", "cc", "bcc")) > MAX_RECIPIENTS:
        raise RuleError("Too many recipients, max is 1000")


def _check_content(form: Form) -> None:
    if form.values("html") and form.values("template"):
        raise RuleError("Only one parameters 'html' or 'template' is allowed")
    # A template does not count: the sandbox's account has none.
    if not form.first("text") and not form.first("html"):
        raise RuleError("Need at least one of 'text' or 'html' parameters specified")


def _check_options(form: Form) -> None:
    options = [(name, value) for name, value in form.fields if name.startswith(("o:", "h:", "v:", "t:"))]
    if sum(len(name.encode()) + len(value.encode()) for name, value in options) > MAX_OPTIONS:
        raise RuleError("Send options (parameters starting with o:, h:, or v:) are limited to 16 kB total")
    for name, value in options:
        if name.startswith("h:") and not name.isascii():
            raise RuleError(f"Header name must be pure ASCII: {name.removeprefix('h:')}")
        if value not in _CHOICES.get(name, {value}):
            # The documents list the values and give no text for another.
            raise RuleError(f"invalid value of '{name}'")


def _check_time(form: Form, now: datetime) -> None:
    for value in form.values("o:deliverytime"):
        if time(value) > now + MAX_AHEAD:
            raise RuleError("invalid delivery time format")


def _check_variables(form: Form) -> None:
    for value in form.values("recipient-variables"):
        try:
            variables = json.loads(value)
        except ValueError:
            variables = None
        if not isinstance(variables, dict) or not all(isinstance(v, dict) for v in variables.values()):
            raise RuleError("'recipient-variables' parameter is not a valid JSON")
