"""Reading a source of a provider's back, page by page, and taking in what we had not heard of."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from mailer import log
from mailer.alarm import Alarm
from mailer.errors import ProviderError
from mailer.pace import Pace
from mailer.ports import Provider, Transport
from mailer.source import Page, Source, Span
from mailer.store.reconciler import ReconcilerStore
from mailer.suppression import Reason

_log = log.get(__name__)

# Of who has unsubscribed the webhook knows from what; a list does not, so the webhook gets so long to come first.
_FIRST_WORD = timedelta(seconds=60)


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """What a source had to tell.

    Attributes:
        pages: how many were asked for.
        events: seen; `new_events` of them we had not heard of.
        listed: addresses seen; `new_listed` of them nobody here had suppressed.
        next: the page to go on with; None: it was read to its end.
        failure: why it was not read further; None: it was, or was not to be.
    """

    provider: str
    source: str
    pages: int = 0
    events: int = 0
    new_events: int = 0
    listed: int = 0
    new_listed: int = 0
    next: str | None = None
    failure: ProviderError | None = None


class Reader:
    """Asks for pages, no faster than it should, and takes in what is on them."""

    def __init__(
        self,
        *,
        store: ReconcilerStore,
        transport: Transport,
        pace: Pace,
        alarm: Alarm,
        clock: Callable[[], datetime],
    ) -> None:
        self._store = store
        self._transport = transport
        self._pace = pace
        self._alarm = alarm
        self._clock = clock

    def read(
        self,
        provider: Provider,
        source: Source,
        span: Span,
        *,
        page: str | None,
        go_on: Callable[[Reading], bool],
        store: bool = True,
    ) -> Reading:
        """Read from a page on, until a failure, its source's end, or `go_on`, asked after each page, says no.

        Args:
            store: whether to take in what is new, or to count only.

        Raises:
            StoreUnavailable: everything up to the page before has been taken in.
        """
        reading = Reading(provider=provider.name, source=source.name, next=page)
        while True:
            try:
                found = self._page(provider, source, span, page=reading.next)
            except ProviderError as failure:
                return replace(reading, failure=failure)
            reading = self._taken(reading, found, store=store)
            if reading.next is None or not go_on(reading):
                return reading

    def _page(self, provider: Provider, source: Source, span: Span, *, page: str | None) -> Page:
        self._pace.wait(provider.name)
        response = self._transport.send(provider.ask(source.name, span, page=page))
        return provider.page(source.name, span, response, page=page, now=self._clock())

    def _taken(self, reading: Reading, page: Page, *, store: bool) -> Reading:
        now = self._clock()
        events = self._store.unknown(page.events)
        ripe = [e for e in page.listed if e.reason is not Reason.UNSUBSCRIBED or e.at <= now - _FIRST_WORD]
        adopted = self._store.adopt(ripe, provider=reading.provider, now=now, store=store) if ripe else 0
        if store:
            for id in self._store.take(events, now=now) if events else ():
                _log.info("envelope.proved", envelope_id=id, provider=reading.provider)
            if page.bad and (count := self._store.put_aside(page.bad, now=now)):
                reason = page.bad[0].reason
                self._alarm("events.quarantined", provider=reading.provider, count=count, reason=reason)
        return replace(
            reading,
            pages=reading.pages + 1,
            events=reading.events + len(page.events),
            new_events=reading.new_events + len(events),
            listed=reading.listed + len(page.listed),
            new_listed=reading.new_listed + adopted,
            next=page.next,
        )
