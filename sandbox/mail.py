"""A mail as its recipient would get it, whichever provider took it in."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

ENVELOPE_ARG = "mailer_envelope_id"
"""The custom argument (SendGrid) or `v:` variable (Mailgun) by which copies of one envelope are recognised."""


@dataclass(frozen=True, slots=True)
class Person:
    """One mailbox; the name may be empty."""

    email: str
    name: str = ""

    def as_dict(self) -> dict[str, str]:
        """Return it for JSON."""
        return {"email": self.email, "name": self.name}


@dataclass(frozen=True, slots=True, kw_only=True)
class Attachment:
    """One file; with a content id it is meant to be shown within the HTML (`cid:`)."""

    filename: str
    content_type: str
    content_id: str | None
    content: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Mail:
    """What a provider took in."""

    provider: str
    provider_message_id: str
    sender: Person
    to: tuple[Person, ...]
    cc: tuple[Person, ...] = ()
    bcc: tuple[Person, ...] = ()
    subject: str = ""
    text: str | None = None
    html: str | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    tags: tuple[str, ...] = ()
    args: Mapping[str, str] = field(default_factory=dict)
    attachments: tuple[Attachment, ...] = ()
    deliver_at: datetime | None = None
    request: Mapping[str, str] = field(default_factory=dict)

    @property
    def envelope_id(self) -> str | None:
        """The envelope this is a copy of, when the sender said so."""
        return self.args.get(ENVELOPE_ARG)

    @property
    def recipients(self) -> tuple[str, ...]:
        """Every address it goes to, in lower case."""
        return tuple(p.email.lower() for p in (*self.to, *self.cc, *self.bcc))

    def content(self) -> dict[str, Any]:
        """Return all but the attachments' bytes for JSON."""
        return {
            "from": self.sender.as_dict(),
            "to": [p.as_dict() for p in self.to],
            "cc": [p.as_dict() for p in self.cc],
            "bcc": [p.as_dict() for p in self.bcc],
            "subject": self.subject,
            "text": self.text,
            "html": self.html,
            "headers": dict(self.headers),
            "tags": list(self.tags),
            "args": dict(self.args),
            "deliver_at": self.deliver_at.isoformat() if self.deliver_at else None,
            "request": dict(self.request),
            "attachments": [
                {
                    "filename": a.filename,
                    "content_type": a.content_type,
                    "content_id": a.content_id,
                    "size": len(a.content),
                }
                for a in self.attachments
            ],
        }


def headers_of_interest(headers: Mapping[str, str]) -> dict[str, str]:
    """Return the request headers by which a test follows one mail through the system."""
    return {name: headers[name] for name in ("x-request-id", "traceparent", "user-agent") if name in headers}
