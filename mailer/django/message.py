"""A Django message to the fields of ours."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from email.header import decode_header, make_header
from email.utils import getaddresses
from typing import Any

from django.core.mail import BadHeaderError, EmailMessage

from mailer.client.fields import AddressDict
from mailer.django.attachment import file
from mailer.django.feature import UnsupportedFeature

__all__ = ["UnsupportedFeature", "fields"]

OPTIONS = frozenset(
    {
        *(
            "tags",
            "metadata",
            "lane",
            "stream",
            "ignore_suppressions",
            "on_unknown",
            "send_at",
            "expires_at",
            "callback_url",
        ),
        *("idempotency_key", "request_id"),
    }
)

_BODIES = {"text/plain": "text", "text/html": "html"}
_SUBTYPES = {"mixed_subtype": ("mixed", "related"), "alternative_subtype": ("alternative",)}


def fields(message: Any) -> dict[str, Any]:
    """Return the keyword arguments of `Mailer.send` for a message.

    Raises:
        UnsupportedFeature: it says something that the service cannot.
        BadHeaderError: a subject, an address or a header has more than one line.
    """
    _refuse_other_mime(message)
    headers = {_line(str(name)): _line(str(value)) for name, value in message.extra_headers.items()}
    reply_to = _taken(headers, "reply-to")
    return {
        "from_": _sender(message.from_email, _taken(headers, "from")),
        "to": _addresses("to", message.to),
        "cc": _addresses("cc", message.cc) or None,
        "bcc": _addresses("bcc", message.bcc) or None,
        "reply_to": _addresses("reply_to", message.reply_to) or None if reply_to is None else _each(reply_to),
        "subject": _line(str(message.subject)),
        **_bodies(message),
        "headers": _own(headers) or None,
        "attachments": [file(each) for each in message.attachments] or None,
        **_options(getattr(message, "mailer", None) or {}),
    }


def _refuse_other_mime(message: Any) -> None:
    # It is not rendered as MIME here, so whoever changes how that is done would not be heard.
    if type(message).message is not EmailMessage.message:
        raise UnsupportedFeature(f"{type(message).__name__} makes a MIME message of its own")
    for name, known in _SUBTYPES.items():
        if (found := getattr(message, name, known[0])) not in known:
            raise UnsupportedFeature(f"{name} may not be {found!r}")


def _taken(headers: dict[str, str], name: str) -> str | None:
    """Take a header out, whatever its case."""
    found = [given for given in headers if given.lower() == name]
    return [headers.pop(given) for given in found][-1] if found else None


def _own(headers: dict[str, str]) -> dict[str, str]:
    # The service names the others that it sets itself (Message-ID, Date, ...) when it refuses them.
    for name in headers:
        if name.lower() in ("to", "cc", "bcc"):
            raise UnsupportedFeature(f"a {name} header other than the recipients it goes to")
    return headers


def _sender(from_email: object, header: str | None) -> AddressDict:
    [sent] = _addresses("from_email", [from_email])
    if header is None:
        return sent
    [shown] = _addresses("From", [header])
    if shown["email"].lower() != sent["email"].lower():
        raise UnsupportedFeature("a From header other than from_email: the providers choose the envelope's sender")
    return shown


def _addresses(name: str, values: Iterable[object]) -> list[AddressDict]:
    found = [(value, _each(_line(str(value)))) for value in values if value]
    if any(len(addresses) != 1 for _, addresses in found):
        raise UnsupportedFeature(f"{name}: each entry must be one address; a name with a comma is written in quotes")
    return [addresses[0] for _, addresses in found]


def _each(text: str) -> list[AddressDict]:
    return [{"email": email, "name": str(make_header(decode_header(name))) or None} for name, email in _split(text)]


def _split(text: str) -> list[tuple[str, str]]:
    return [(name, email) for name, email in getaddresses([text]) if email]


def _bodies(message: Any) -> dict[str, str]:
    body = [(message.body, f"text/{message.content_subtype}")] if message.body else []
    found: dict[str, str] = {}
    for content, mimetype in [*body, *(getattr(message, "alternatives", None) or ())]:
        kind = _BODIES.get(str(mimetype).lower())
        if kind is None or kind in found:
            raise UnsupportedFeature(f"{mimetype} as {'another' if kind else 'a'} form of the text")
        found[kind] = content.decode() if isinstance(content, bytes) else str(content)
    return found


def _options(given: Mapping[str, Any]) -> dict[str, Any]:
    if unknown := sorted(given.keys() - OPTIONS):
        raise UnsupportedFeature(f"message.mailer has no {', '.join(unknown)}, only {', '.join(sorted(OPTIONS))}")
    return dict(given)


def _line(text: str) -> str:
    if "\n" in text or "\r" in text:
        # Django's own class, which programs catch as its documentation shows them.
        raise BadHeaderError("a header may not have more than one line")
    return text
