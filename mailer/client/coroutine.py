"""`AsyncMailer`: the client over HTTP for asyncio; needs the extra `async` (httpx)."""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from typing import TypeVar, Unpack

from mailer.async_http import AsyncHttpTransport
from mailer.client import calls
from mailer.client.calls import Attempts, BulkResults, Call, Events, Keys, NetworkField, ScopeField
from mailer.client.error import ServiceError
from mailer.client.fields import KEEP, Conditions, Keep, MessageDict, MessageFields, Time
from mailer.client.snapshot import Snapshot
from mailer.client.trial import Patience, Target, Trial
from mailer.errors import ProviderError
from mailer.message import Message
from mailer.ports import AsyncTransport
from mailer.resource import KeyCreated, KeyState, MessagePage, MessageSummary

# A message with its attachments, as JSON with base64.
_MAX_ANSWER = 40_000_000

T = TypeVar("T")


class AsyncMailer:
    """`Mailer` with coroutines: the same calls, results, errors and rules; see there for what each does.

    One belongs to one event loop. `async with AsyncMailer(url, key) as mailer:` closes its connections at the end;
    otherwise `await mailer.close()`.
    """

    def __init__(
        self,
        url: str,
        api_key: str,
        *,
        timeout: float = 10.0,
        retries: int = 3,
        deadline: float = 60.0,
        transport: AsyncTransport | None = None,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._target = Target(url=url, key=api_key)
        self._patience = Patience(retries=retries, deadline=deadline)
        own = AsyncHttpTransport(connect_timeout=timeout, read_timeout=timeout, max_answer=_MAX_ANSWER)
        self._own, self._transport = own, transport or own
        self._clock, self._sleep = clock, sleep

    async def send(
        self, *, idempotency_key: str | None = None, request_id: str | None = None, **message: Unpack[MessageFields]
    ) -> str:
        """Hand a message over and return its id; from then on it is the service's responsibility."""
        return await self._ask(calls.send(message, idempotency_key=idempotency_key, request_id=request_id))

    async def bulk(
        self, messages: Sequence[MessageDict], *, idempotency_key: str | None = None, request_id: str | None = None
    ) -> BulkResults:
        """Hand up to 500 different messages over at once; return what became of each, in their order."""
        return await self._ask(calls.bulk(messages, idempotency_key=idempotency_key, request_id=request_id))

    async def get(self, id: str) -> Snapshot:
        """Return what is known about a message."""
        return await self._ask(calls.get(id))

    async def wait(self, id: str, timeout: float = 60.0, *, interval: float = 0.2) -> Snapshot:
        """Return the message as soon as its sending has come to rest."""
        end = self._clock() + timeout
        # A look is not given up in less than a second, so that the last one has its chance.
        while not (message := await self._ask(calls.get(id), within=max(1.0, end - self._clock()))).at_rest:
            if self._clock() >= end:
                raise TimeoutError(f"message {id} is still {message.status} after {timeout:g} seconds")
            await self._sleep(interval)
        return message

    async def page(self, *, cursor: str | None = None, **conditions: Unpack[Conditions]) -> MessagePage:
        """Return one page of messages, the newest first; its `next_cursor` is None on the last one."""
        return await self._ask(calls.page(conditions, cursor=cursor))

    async def list(self, **conditions: Unpack[Conditions]) -> AsyncIterator[MessageSummary]:
        """Yield every message, the newest first; a page is asked for when the one before is used up."""
        cursor: str | None = None
        while True:
            found = await self.page(cursor=cursor, **conditions)
            for message in found.messages:
                yield message
            if (cursor := found.next_cursor) is None:
                return

    async def attempts(self, id: str) -> Attempts:
        """Return every call to a provider for a message, the first first."""
        return await self._ask(calls.attempts(id))

    async def events(self, id: str) -> Events:
        """Return what happened to a message, in order of time."""
        return await self._ask(calls.events(id))

    async def content(self, id: str) -> Message:
        """Return a message as it was accepted, attachments included."""
        return await self._ask(calls.content(id))

    async def cancel(self, id: str, *, idempotency_key: str | None = None) -> Snapshot:
        """Keep a message from being sent."""
        return await self._ask(calls.cancel(id, idempotency_key=idempotency_key))

    async def reschedule(
        self,
        id: str,
        *,
        send_at: Time | Keep | None = KEEP,
        expires_at: Time | None = None,
        if_match: str | None = None,
    ) -> Snapshot:
        """Change when a message is sent, or given up."""
        return await self._ask(calls.reschedule(id, send_at=send_at, expires_at=expires_at, if_match=if_match))

    async def create_key(
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
        return await self._ask(call)

    async def keys(self) -> Keys:
        """Return the API keys of the project, the newest first; revoked ones too."""
        return await self._ask(calls.keys())

    async def key(self, id: str) -> KeyState:
        """Return an API key's state."""
        return await self._ask(calls.key(id))

    async def revoke_key(self, id: str, *, idempotency_key: str | None = None) -> KeyState:
        """End an API key."""
        return await self._ask(calls.revoke_key(id, idempotency_key=idempotency_key))

    async def close(self) -> None:
        """Close the connections that are kept; the next call opens one again."""
        await self._own.close()

    async def __aenter__(self) -> AsyncMailer:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def _ask(self, call: Call[T], *, within: float = math.inf) -> T:
        patience = self._patience.within(within)
        trial = Trial(call, target=self._target, patience=patience, clock=self._clock)
        while True:
            try:
                return call.read(await self._transport.send(trial.request()))
            except (ProviderError, ServiceError) as error:
                pause = trial.pause(error)
            await self._sleep(pause)
