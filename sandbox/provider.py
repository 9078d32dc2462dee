"""What the sandbox asks of a stand-in, and the fault that may come before it."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol

from sandbox.inbox import Inbox
from sandbox.mail import Mail
from sandbox.switchboard import Strike, Switchboard
from sandbox.wire import Answer, Request, Reset, Response, Silence, Trickle, json_answer


class Provider(Protocol):
    """A provider's API, without I/O."""

    @property
    def name(self) -> str:
        """Return the name by which its switch is known."""

    def receive(self, request: Request) -> tuple[Answer, Sequence[Mail]]:
        """Return the answer, and the mails it takes in with it."""

    def failure(self, request: Request, status: int, retry_after: int | None) -> Answer:
        """Return the provider's own answer of this status."""


class Front:
    """A provider behind its fault switch, before the inbox.

    Args:
        tells: each is given what was taken in, as the inbox knows it.
    """

    def __init__(
        self,
        provider: Provider,
        switches: Switchboard,
        inbox: Inbox,
        tells: Sequence[Callable[[Sequence[Mapping[str, Any]]], None]],
    ) -> None:
        self._provider = provider
        self._switches = switches
        self._inbox = inbox
        self._tells = tells

    def __call__(self, request: Request) -> Response:
        """Answer, or fail as the switch says."""
        strike = self._switches.strike(self._provider.name)
        return self._take(request, "accepted") if strike is None else self._fail(request, strike)

    def _take(self, request: Request, answered: str) -> Answer:
        answer, mails = self._provider.receive(request)
        if mails:
            known = self._inbox.add(mails, answered)
            for tell in self._tells:
                tell(known)
        return answer

    def _fail(self, request: Request, strike: Strike) -> Response:
        fault = strike.fault
        if fault.mode == "trickle":
            return Trickle(self._take(request, "accepted"), fault.latency_ms / 1000, strike.released)
        strike.released.wait(fault.latency_ms / 1000)
        if fault.mode == "latency":
            return self._take(request, "accepted")
        if fault.accepts:
            self._take(request, str(fault.status or fault.mode))
        match fault.mode:
            case "hang":
                return Silence(fault.hang_seconds, strike.released)
            case "reset":
                return Reset()
            case "refuse":
                # Only where a provider has no listener of its own, on the page's address: the nearest thing.
                return Silence()
            case "status":
                return self._status(request, strike)

    def _status(self, request: Request, strike: Strike) -> Answer:
        fault = strike.fault
        own = self._provider.failure(request, fault.status or 500, fault.retry_after)
        return own if fault.body is None else _with_body(own, fault.body)


def _with_body(answer: Answer, body: object) -> Answer:
    headers = tuple(h for h in answer.headers if h[0] != "Content-Type")
    if not isinstance(body, str):
        return json_answer(answer.status, body, *headers)
    return Answer(answer.status, (("Content-Type", _content_type(body)), *headers), body.encode())


def _content_type(body: str) -> str:
    if body.lstrip().startswith("<"):
        return "text/html"
    try:
        json.loads(body)
    except ValueError:
        return "text/plain; charset=utf-8"
    return "application/json"
