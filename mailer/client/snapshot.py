"""A message as it was when somebody looked."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from typing import Any

import pydantic

from mailer.address import Address
from mailer.attachment import Attachment
from mailer.delivery import FINAL, EnvelopeStatus, Role
from mailer.message import Message
from mailer.resource import MessageState


class Snapshot(MessageState):
    """What is known about a message, and the `etag` by which a change of it can say what it has seen."""

    _etag: str | None = pydantic.PrivateAttr(None)

    @classmethod
    def of(cls, data: Mapping[str, Any], headers: Mapping[str, str]) -> Snapshot:
        """Return the state that an answer shows."""
        found = cls.model_validate(data)
        found._etag = headers.get("etag")
        return found

    @property
    def etag(self) -> str | None:
        """For `if_match`: changes with the message."""
        return self._etag

    @property
    def at_rest(self) -> bool:
        """Whether its sending no longer moves by itself; `unknown` may be waiting for news, until a time."""
        return self.status in FINAL or (self.status is EnvelopeStatus.UNKNOWN and self.next_attempt_at is None)


def restored(data: Mapping[str, Any]) -> Message:
    """Return a message as it was accepted once, by the rules of then."""
    given = dict(data)
    people = {role: tuple(Address.model_construct(**a) for a in given.pop(role.value, ())) for role in Role}
    files = [
        Attachment.model_construct(**file | {"content": base64.b64decode(file["content"])})
        for file in given.pop("attachments", ())
    ]
    return Message.restore(given, people=people, files=files)
