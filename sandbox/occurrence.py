"""Something that happened to a mail for one recipient: worked out from the mail, so that webhooks and search agree."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sandbox.story import Kind, story

# Nobody needs the bodies, and thousands of occurrences may wait.
_KEPT = (
    "id",
    "provider_message_id",
    "received_at",
    "from",
    "to",
    "cc",
    "bcc",
    "subject",
    "tags",
    "args",
    "attachments",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Occurrence:
    """One event, in no provider's words yet.

    Attributes:
        mail: what the inbox knows of it, without the bodies.
        number: of the step within its recipient's story.
        told: when webhooks tell of it; empty: never.
    """

    mail: Mapping[str, Any]
    kind: Kind
    position: int
    number: int
    recipient: str
    at: datetime
    told: tuple[datetime, ...]

    @property
    def id(self) -> str:
        """The same however often it is told, and another one after the inbox's file was deleted."""
        key = [self.mail[name] for name in ("id", "provider_message_id", "received_at")]
        digest = hashlib.sha256(repr([*key, self.position, self.number]).encode()).digest()
        return base64.urlsafe_b64encode(digest[:16]).decode("ascii").rstrip("=")


def occurrences(mail: Mapping[str, Any]) -> list[Occurrence]:
    """Return all that happens to a mail of the inbox, now or later, in the order in which it happens."""
    brief = {name: mail[name] for name in _KEPT}
    people = [person["email"] for role in ("to", "cc", "bcc") for person in mail[role]]
    found = [o for position, address in enumerate(people) for o in _of(brief, mail["deliver_at"], position, address)]
    return sorted(found, key=lambda o: (o.at, o.position, o.number))


def _of(mail: Mapping[str, Any], deliver_at: str | None, position: int, address: str) -> Iterator[Occurrence]:
    received = datetime.fromisoformat(mail["received_at"])
    begun = max(received, datetime.fromisoformat(deliver_at)) if deliver_at else received
    for number, step in enumerate(story(address)):
        # Taken in at once, sent when it is time.
        start = received if step.kind in ("accepted", "dropped") else begun
        yield Occurrence(
            mail=mail,
            kind=step.kind,
            position=position,
            number=number,
            recipient=address,
            at=start + timedelta(seconds=step.at),
            told=tuple(start + timedelta(seconds=seconds) for seconds in step.told),
        )
