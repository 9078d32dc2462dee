"""The webhooks of both providers, and the switch that holds them back or brings them into disorder."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from sandbox import webhook_key
from sandbox.flow import Flow
from sandbox.mailgun_occurrence import MailgunEvents
from sandbox.occurrence import occurrences
from sandbox.post import Format, Post
from sandbox.sendgrid_event import SendGridEvents
from sandbox.setting import Settings


class Webhooks:
    """Tells of what happens to mails; without an address to tell it to, nothing."""

    def __init__(self, settings: Settings) -> None:
        self._flow = Flow()
        self._posts = _posts(settings) if settings.webhooks else {}

    def tell(self, mails: Sequence[Mapping[str, Any]]) -> None:
        """Send what will happen to these mails of the inbox, each thing when its time comes; returns at once."""
        for mail in mails if self._posts and not self._flow.lost else ():
            self._posts[mail["provider"]].add(occurrences(mail))

    def set(self, flow: Flow) -> None:
        """Move the switch."""
        self._flow = flow
        for post in self._posts.values():
            post.follow(flow)

    def state(self) -> dict[str, Any] | None:
        """Return the switch and each provider's counts; None where no webhooks are sent."""
        if not self._posts:
            return None
        return {**self._flow.as_dict(), "providers": {name: post.counts() for name, post in self._posts.items()}}


def _posts(settings: Settings) -> dict[str, Post]:
    formats: dict[str, Format] = {
        "sendgrid": SendGridEvents(webhook_key.sendgrid(settings.directory)),
        # Of several keys, one about to replace another, the first signs.
        "mailgun": MailgunEvents(settings.mailgun_webhook_key or webhook_key.mailgun(settings.directory)),
    }
    return {name: Post(f"{settings.webhooks}/webhooks/{name}", form) for name, form in formats.items()}
