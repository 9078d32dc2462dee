"""`Mailer`: the client over HTTP that waits for its answers."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator, Sequence
from typing import TypeVar, Unpack

from mailer.client import calls
from mailer.client.calls import Attempts, BulkResults, Call, Events, Keys, NetworkField, ScopeField
from mailer.client.error import ServiceError
from mailer.client.fields import KEEP, Conditions, Keep, MessageDict, MessageFields, Time
from mailer.client.snapshot import Snapshot
from mailer.client.trial import Patience, Target, Trial
from mailer.errors import ProviderError
from mailer.http import HttpTransport
from mailer.message import Message
from mailer.ports import Transport
from mailer.resource import KeyCreated, KeyState, MessagePage, MessageSummary

# A message with its attachments, as JSON with base64.
_MAX_ANSWER = 40_000_000

T = TypeVar("T")


class Mailer:
    """A client of the service's HTTP API. One may serve many threads; connections are kept alive, some for each.

    Everything is asked again, up to `retries` times with growing pauses and never before `Retry-After`, when there is
    no connection or no answer, on 429 and 503, and while the same request still runs. That mails nobody twice: a POST
    carries an idempotency key, yours or one made for the call. `reschedule` has none, and is asked again only when it
    is certain that nothing was done.

    Every method raises a `ServiceError` (the tree is in mailer/client/error.py) for what is no yes, and ValueError or
    TypeError for what cannot be asked at all: a time without offset, an idempotency key that is none.

    Args:
        url: the service's base address, e.g. `http://127.0.0.1:8000`.
        api_key: sent as a bearer token.
        timeout: seconds to connect, and between two pieces of an answer.
        retries: how often a call is asked again; 0 for never.
        deadline: seconds for one call with everything that it is asked again.
        transport, clock, sleep: for tests, and for transports of your own.

    Raises:
        ConfigurationError: the address or the key cannot be one.
    """

    def __init__(
        self,
        url: str,
        api_key: str,
        *,
        timeout: float = 10.0,
        retries: int = 3,
        deadline: float = 60.0,
        transport: Transport | None = None,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._target = Target(url=url, key=api_key)
        self._patience = Patience(retries=retries, deadline=deadline)
        own = HttpTransport(connect_timeout=timeout, read_timeout=timeout, max_answer=_MAX_ANSWER)
        self._own, self._transport = own, transport or own
        self._clock, self._sleep = clock, sleep

    def send(
        self, *, idempotency_key: str | None = None, request_id: str | None = None, **message: Unpack[MessageFields]
    ) -> str:
        """Hand a message over and return its id; from then on it is the service's responsibility.

        Args:
            idempotency_key: your name for this message, e.g. `invoice-4711`: with the same key and the same message
                within 24 hours nothing new is sent and the same id comes back, whoever asks and however often.
            request_id: to be found again in every log line, sent as `X-Request-ID`.
            message: the fields of the HTTP body; `from_` for `from`, bytes for an attachment's content.

        Raises:
            InvalidMessage: every wrong field; nothing was stored.
            Uncertain, NoAnswer: it may have been stored; send it again with the same idempotency key.
        """
        return self._ask(calls.send(message, idempotency_key=idempotency_key, request_id=request_id))

    def bulk(
        self, messages: Sequence[MessageDict], *, idempotency_key: str | None = None, request_id: str | None = None
    ) -> BulkResults:
        """Hand up to 500 different messages over at once; return what became of each, in their order.

        Each is accepted or refused for itself: a result has an `id`, or a `problem`.
        """
        return self._ask(calls.bulk(messages, idempotency_key=idempotency_key, request_id=request_id))

    def get(self, id: str) -> Snapshot:
        """Return what is known about a message."""
        return self._ask(calls.get(id))

    def wait(self, id: str, timeout: float = 60.0, *, interval: float = 0.2) -> Snapshot:
        """Return the message as soon as its sending has come to rest.

        Args:
            timeout: seconds to wait at the most.
            interval: seconds between two looks.

        Raises:
            TimeoutError: it still moves.
        """
        end = self._clock() + timeout
        # A look is not given up in less than a second, so that the last one has its chance.
        while not (message := self._ask(calls.get(id), within=max(1.0, end - self._clock()))).at_rest:
            if self._clock() >= end:
                raise TimeoutError(f"message {id} is still {message.status} after {timeout:g} seconds")
            self._sleep(interval)
        return message

    def page(self, *, cursor: str | None = None, **conditions: Unpack[Conditions]) -> MessagePage:
        """Return one page of messages, the newest first; its `next_cursor` is None on the last one."""
        return self._ask(calls.page(conditions, cursor=cursor))

    def list(self, **conditions: Unpack[Conditions]) -> Iterator[MessageSummary]:
        """Yield every message, the newest first; a page is asked for when the one before is used up."""
        cursor: str | None = None
        while True:
            found = self.page(cursor=cursor, **conditions)
            yield from found.messages
            if (cursor := found.next_cursor) is None:
                return

    def attempts(self, id: str) -> Attempts:
        """Return every call to a provider for a message, the first first."""
        return self._ask(calls.attempts(id))

    def events(self, id: str) -> Events:
        """Return what happened to a message, in order of time."""
        return self._ask(calls.events(id))

    def content(self, id: str) -> Message:
        """Return a message as it was accepted, attachments included."""
        return self._ask(calls.content(id))

    def cancel(self, id: str, *, idempotency_key: str | None = None) -> Snapshot:
        """Keep a message from being sent.

        Raises:
            TooLate: it is being sent, or has been; nothing was changed.
        """
        return self._ask(calls.cancel(id, idempotency_key=idempotency_key))

    def reschedule(
        self,
        id: str,
        *,
        send_at: Time | Keep | None = KEEP,
        expires_at: Time | None = None,
        if_match: str | None = None,
    ) -> Snapshot:
        """Change when a message is sent, or given up.

        Args:
            send_at: None for now; left out, it stays as it is.
            expires_at: None or left out, it stays as it is.
            if_match: the `etag` of the snapshot that this is decided on.

        Raises:
            TooLate: it is being sent, or has been; nothing was changed.
            PreconditionFailed: it has changed since; nothing was changed.
            NoAnswer: it may have been changed: `get` it.
        """
        return self._ask(calls.reschedule(id, send_at=send_at, expires_at=expires_at, if_match=if_match))

    def create_key(
        self,
        name: str,
        scopes: Sequence[ScopeField],
        *,
        from_domains: Sequence[str] = (),
        networks: Sequence[NetworkField] = (),
        rate: str | None = None,
        expires_at: Time | None = None,
        test: bool = False,
        idempotency_key: str | None = None,
    ) -> KeyCreated:
        """Make an API key; its `key` is shown this once (the fields: `mailer.resource.KeyRequest`)."""
        call = calls.create_key(
            name=name, scopes=scopes, from_domains=from_domains, networks=networks, rate=rate, expires_at=expires_at,
            test=test, idempotency_key=idempotency_key,
        )  # fmt: skip
        return self._ask(call)

    def keys(self) -> Keys:
        """Return the API keys of the project, the newest first; revoked ones too."""
        return self._ask(calls.keys())

    def key(self, id: str) -> KeyState:
        """Return an API key's state."""
        return self._ask(calls.key(id))

    def revoke_key(self, id: str, *, idempotency_key: str | None = None) -> KeyState:
        """End an API key."""
        return self._ask(calls.revoke_key(id, idempotency_key=idempotency_key))

    def close(self) -> None:
        """Close the connections that are kept; the next call opens one again."""
        self._own.close()

    def __enter__(self) -> Mailer:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _ask(self, call: Call[T], *, within: float = math.inf) -> T:
        patience = self._patience.within(within)
        trial = Trial(call, target=self._target, patience=patience, clock=self._clock)
        while True:
            try:
                return call.read(self._transport.send(trial.request()))
            except (ProviderError, ServiceError) as error:
                pause = trial.pause(error)
            self._sleep(pause)
