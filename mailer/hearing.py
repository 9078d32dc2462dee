"""What providers tell us later: taken in as it comes, understood and applied afterwards."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta

from mailer import ids, log
from mailer.alarm import Alarm
from mailer.errors import InvalidSignature
from mailer.ledger import Webhook
from mailer.ports import Provider
from mailer.store.hearing import HearingStore
from mailer.view import Piece

_log = log.get(__name__)


class Hearing:
    """Webhooks in, events out of them, states moved by them."""

    def __init__(
        self,
        *,
        store: HearingStore,
        providers: Mapping[str, Provider],
        alarm: Alarm,
        clock: Callable[[], datetime],
    ) -> None:
        self._store = store
        self._providers = providers
        self._alarm = alarm
        self._clock = clock

    def knows(self, provider: str) -> bool:
        """Tell whether there is such a provider here."""
        return provider in self._providers

    def hear(self, provider: str, headers: Mapping[str, str], body: bytes) -> str | None:
        """Store a webhook as it came; return its id, None if it is stored already.

        When this returns, it is on disk, and will be read.

        Raises:
            InvalidSignature: it is not to be believed; nothing was stored.
            StoreUnavailable: nothing was stored; its provider comes again.
        """
        now = self._clock()
        try:
            verified = self._providers[provider].verify(headers, body, now=now)
        except InvalidSignature as error:
            _log.warning("webhook.refused", provider=provider, reason=error.code)
            raise
        webhook = Webhook(id=ids.new(), provider=provider, received_at=now, body=body)
        return webhook.id if self._store.keep(webhook, verified.token) else None

    def read(self, id: str, *, again: bool = False) -> int:
        """Take in what a webhook tells; return how many events there were in it. Safe to repeat.

        Args:
            again: also if it has been read: what was no event to an earlier version may be one by now.

        Raises:
            StoreUnavailable: nothing of it was taken in.
        """
        webhook = self._store.load(id, again=again)
        if webhook is None or webhook.provider not in self._providers:
            return 0
        told, pieces = self._providers[webhook.provider].events(webhook.body)
        ended = self._store.take(id, told, pieces, now=self._clock())
        for envelope_id in ended:
            _log.info("envelope.proved", envelope_id=envelope_id, provider=webhook.provider)
        if pieces:
            self._alarm("events.quarantined", provider=webhook.provider, count=len(pieces), reason=pieces[0].reason)
        return len(told)

    def unread(self, *, older_than: float, limit: int) -> Sequence[str]:
        """Return webhooks that should have been read so many seconds ago: whoever was to do it is gone."""
        return self._store.unread(before=self._clock() - timedelta(seconds=older_than), limit=limit)

    def received(self, *, since: datetime) -> Sequence[str]:
        """Return the webhooks that came since a time and are still kept, the oldest first."""
        return self._store.received(since=since)

    def put_aside(self, *, since: datetime | None, limit: int) -> Sequence[Piece]:
        """Return what was no event, the newest first."""
        return self._store.pieces(since=since, limit=limit)

    def forget(self, *, limit: int) -> int:
        """Delete what is too old to be of use; return how many bodies."""
        return self._store.forget(now=self._clock(), limit=limit)
