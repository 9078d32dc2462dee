"""What webhooks lost, found again: every provider is read back, from where it was read last, one reader at a time."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from mailer import ids, log
from mailer.errors import AccountRefused, ProviderError, StoreUnavailable, TemporarilyRefused, Unanswered
from mailer.ports import Provider
from mailer.reader import Reader, Reading
from mailer.source import Cursor, Source, Span
from mailer.store.reconciler import ReconcilerStore

_log = log.get(__name__)

# How long a turn is believed after its latest page.
_LEASE = timedelta(seconds=120)
# How far the first reading of all goes back.
_FIRST = timedelta(days=1)
# Pages of one source in one run; the next run goes on with the page after them.
_PAGES = 200
# Of a provider that asks to be left alone without saying for how long, and of one that asks for ever.
_LEFT_ALONE, _LONGEST = 60.0, 3_600.0
# Seconds that a reading by hand waits for the one under way.
_PATIENCE = 60.0

# True of all that would be asked of the provider next.
_OF_THE_PROVIDER = (TemporarilyRefused, Unanswered, AccountRefused)


@dataclass
class _Turn:
    """The right to read from one provider.

    Attributes:
        errors: what went wrong in it.
    """

    provider: Provider
    id: str
    errors: list[ProviderError] = field(default_factory=list)

    @property
    def over(self) -> bool:
        """Whether nothing more is to be asked."""
        return any(isinstance(error, _OF_THE_PROVIDER) for error in self.errors)


class Reconciler:
    """Reads providers back.

    Args:
        overlap: seconds before the last reading's end that each reading begins at: what had happened by then, and was
            not on the pages yet, is on them now.
    """

    def __init__(
        self,
        *,
        store: ReconcilerStore,
        reader: Reader,
        providers: Mapping[str, Provider],
        overlap: float,
        clock: Callable[[], datetime],
        sleep: Callable[[float], None] = time.sleep,
        pages: int = _PAGES,
    ) -> None:
        self._store = store
        self._reader = reader
        self._providers = providers
        self._overlap = timedelta(seconds=overlap)
        self._clock = clock
        self._sleep = sleep
        self._pages = pages

    def poll(self) -> list[Reading]:
        """Read each provider on from where it was read last, unless somebody does, or it wants to be left alone.

        Raises:
            StoreUnavailable: what was read before has been taken in; the next run goes on there.
        """
        return [reading for provider in self._providers.values() for reading in self._poll(provider)]

    def read(self, *, since: datetime, provider: str | None = None, store: bool = True) -> Iterator[Reading]:
        """Read everything since a time, once and to its end, whatever has been read before.

        Args:
            provider: only this one.
            store: whether to take in what is new, or to count only.

        Raises:
            StoreUnavailable: what was read before has been taken in.
        """
        for name, one in self._providers.items():
            if provider is None or name == provider:
                yield from self._read(one, since=since, store=store)

    def _poll(self, provider: Provider) -> list[Reading]:
        readings: list[Reading] = []
        with self._turn(provider) as turn:
            for source in provider.sources() if turn else ():
                if turn and not turn.over and (reading := self._poll_source(turn, source)):
                    readings.append(reading)
        return readings

    def _poll_source(self, turn: _Turn, source: Source) -> Reading | None:
        now, name = self._clock(), turn.provider.name
        cursor = self._store.cursor(name, source.name) or Cursor(read_until=now - _FIRST)
        if cursor.rest_until and cursor.rest_until > now:
            return None
        span = cursor.span or Span(cursor.read_until - self._overlap, now)

        def go_on(reading: Reading) -> bool:
            known = replace(cursor, span=span, page=reading.next)
            return self._hold(turn, source, known) and reading.pages < self._pages

        reading = self._reader.read(turn.provider, source, span, page=cursor.page, go_on=go_on)
        if reading.failure is not None:
            turn.errors.append(reading.failure)
            if reading.next and not isinstance(reading.failure, _OF_THE_PROVIDER):
                # It does not know the page any more: from the beginning of this span then.
                self._hold(turn, source, replace(cursor, span=span, page=None))
        elif reading.next is None:
            rest = self._clock() + timedelta(seconds=source.rest) if source.rest else None
            self._hold(turn, source, Cursor(read_until=span.until, rest_until=rest))
        return reading

    def _read(self, provider: Provider, *, since: datetime, store: bool) -> Iterator[Reading]:
        with self._turn(provider, patience=_PATIENCE) as turn:
            if turn is None:
                failure = TemporarilyRefused("busy", detail="somebody reads it, or it asked to be left alone")
                yield Reading(provider=provider.name, source="*", failure=failure)
                return
            for source in provider.sources():
                if not turn.over:
                    span = Span(since, self._clock())
                    reading = self._reader.read(
                        provider, source, span, page=None, go_on=lambda _: self._hold(turn), store=store
                    )
                    turn.errors += [reading.failure] if reading.failure else []
                    yield reading

    def _hold(self, turn: _Turn, source: Source | None = None, cursor: Cursor | None = None) -> bool:
        until, name = self._clock() + _LEASE, source.name if source else ""
        return self._store.hold(turn.provider.name, turn_id=turn.id, until=until, source=name, cursor=cursor)

    @contextmanager
    def _turn(self, provider: Provider, *, patience: float = 0) -> Iterator[_Turn | None]:
        """Yield the right to read from a provider, None if it cannot be had; what went wrong in it is written down."""
        turn = _Turn(provider, ids.new())
        while not self._begin(turn):
            if patience <= 0:
                yield None
                return
            self._sleep(1)
            patience -= 1
        try:
            yield turn
        except Exception as error:
            turn.errors.append(TemporarilyRefused("failed", detail=type(error).__name__))
            raise
        finally:
            self._end(turn)

    def _begin(self, turn: _Turn) -> bool:
        now = self._clock()
        return self._store.begin(turn.provider.name, turn_id=turn.id, until=now + _LEASE, now=now)

    def _end(self, turn: _Turn) -> None:
        now, name = self._clock(), turn.provider.name
        for error in turn.errors:
            _log.warning("reading.failed", provider=name, error=error.code, detail=error.detail)
        asked = [e.retry_after for e in turn.errors if e.retry_after is not None]
        asked += [_LEFT_ALONE for e in turn.errors if e.status == 429 and e.retry_after is None]
        not_before = now + timedelta(seconds=min(max(asked), _LONGEST)) if asked else None
        code = turn.errors[0].code if turn.errors else None
        try:
            self._store.end(name, turn_id=turn.id, error=code, not_before=not_before, now=now)
        except StoreUnavailable as unavailable:
            # It ends by itself when nobody keeps it; and whoever is here has an error of its own to tell of.
            _log.warning("store.unavailable", error=str(unavailable))
