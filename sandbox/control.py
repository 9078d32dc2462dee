"""The control API: what arrived, and who is to fail. For tests, the benchmark, the drill and the page."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from typing import Any

from sandbox import fault, flow
from sandbox.inbox import Filter, Inbox
from sandbox.switchboard import PROVIDERS, Switchboard
from sandbox.webhook import Webhooks
from sandbox.wire import Answer, Request, json_answer

MAX_LIMIT = 1000
DEFAULT_LIMIT = 50

_FILTERS = ("envelope_id", "to", "subject", "provider")
_CURSORS = ("after", "before")


class QueryError(ValueError):
    """A query parameter is wrong; the text names it."""


class Control:
    """`/healthz` and `/api/...`; returns None for a path that is not its own."""

    def __init__(self, inbox: Inbox, switches: Switchboard, webhooks: Webhooks) -> None:
        self._inbox = inbox
        self._switches = switches
        self._webhooks = webhooks
        self._routes: list[tuple[str, re.Pattern[str], Callable[..., Answer]]] = [
            ("GET", re.compile("/healthz"), self._health),
            ("GET", re.compile("/api/mails"), self._mails),
            ("DELETE", re.compile("/api/mails"), self._clear_mails),
            ("GET", re.compile(r"/api/mails/(\d{1,18})"), self._mail),
            ("GET", re.compile("/api/count"), self._count),
            ("GET", re.compile("/api/poll"), self._poll),
            ("GET", re.compile("/api/faults"), self._faults),
            ("DELETE", re.compile("/api/faults"), self._clear_faults),
            ("PUT", re.compile("/api/faults/([a-z]+)"), self._set_fault),
            ("DELETE", re.compile("/api/faults/([a-z]+)"), self._clear_fault),
            ("GET", re.compile("/api/webhooks"), self._flow),
            ("PUT", re.compile("/api/webhooks"), self._set_flow),
            ("DELETE", re.compile("/api/webhooks"), self._clear_flow),
        ]

    def __call__(self, request: Request) -> Answer | None:
        """Answer a control request."""
        found = [
            (method, match, handler)
            for method, pattern, handler in self._routes
            if (match := pattern.fullmatch(request.path))
        ]
        if not found:
            return _problem(404, "there is no such path") if request.path.startswith("/api/") else None
        for method, match, handler in found:
            if method == request.method:
                return _answered(handler, request, match)
        allowed = ", ".join(method for method, _, _ in found)
        return json_answer(405, {"errors": [f"this path knows {allowed}"]}, ("Allow", allowed))

    def _health(self, _: Request) -> Answer:
        return json_answer(200, {"status": "ok"})

    def _mails(self, request: Request) -> Answer:
        return json_answer(200, {"mails": self._inbox.find(_filter(request.query), limit=_limit(request.query))})

    def _mail(self, _: Request, mail_id: str) -> Answer:
        mail = self._inbox.get(int(mail_id))
        return _problem(404, "there is no such mail") if mail is None else json_answer(200, mail)

    def _clear_mails(self, _: Request) -> Answer:
        return json_answer(200, {"deleted": self._inbox.clear()})

    def _count(self, request: Request) -> Answer:
        return json_answer(200, self._inbox.count(_filter(request.query)))

    def _poll(self, request: Request) -> Answer:
        """All that the page shows and may have changed, in one cheap answer."""
        mails = self._inbox.find(_filter(request.query), limit=_limit(request.query), brief=True)
        return json_answer(
            200,
            {
                "mails": mails,
                "total": self._inbox.count(Filter())["total"],
                "oldest": self._inbox.oldest(),
                "faults": self._switches.state(),
                "webhooks": self._webhooks.state(),
            },
        )

    def _faults(self, _: Request) -> Answer:
        return json_answer(200, self._switches.state())

    def _set_fault(self, request: Request, provider: str) -> Answer:
        if provider not in PROVIDERS:
            return _problem(404, f"provider must be one of {', '.join(PROVIDERS)}")
        try:
            self._switches.set(provider, fault.parse(json.loads(request.body)))
        except fault.FaultError as error:
            return json_answer(400, {"errors": error.problems})
        except ValueError:
            return _problem(400, "the body is not JSON")
        return json_answer(200, self._switches.state()[provider])

    def _clear_fault(self, _: Request, provider: str) -> Answer:
        if provider not in PROVIDERS:
            return _problem(404, f"provider must be one of {', '.join(PROVIDERS)}")
        self._switches.set(provider, None)
        return Answer(204)

    def _clear_faults(self, _: Request) -> Answer:
        for provider in PROVIDERS:
            self._switches.set(provider, None)
        return Answer(204)

    def _flow(self, _: Request) -> Answer:
        return json_answer(200, self._webhooks.state())

    def _set_flow(self, request: Request) -> Answer:
        try:
            self._webhooks.set(flow.parse(json.loads(request.body)))
        except flow.FlowError as error:
            return json_answer(400, {"errors": error.problems})
        except ValueError:
            return _problem(400, "the body is not JSON")
        return json_answer(200, self._webhooks.state())

    def _clear_flow(self, _: Request) -> Answer:
        self._webhooks.set(flow.Flow())
        return Answer(204)


def _answered(handler: Callable[..., Answer], request: Request, match: re.Match[str]) -> Answer:
    try:
        return handler(request, *match.groups())
    except QueryError as error:
        return _problem(400, str(error))


def _filter(query: Mapping[str, str]) -> Filter:
    known = {*_FILTERS, *_CURSORS, "limit"}
    unknown = query.keys() - known
    if unknown:
        # A misspelt filter would otherwise find everything and make a test pass.
        raise QueryError(f"{', '.join(sorted(unknown))}: unknown; there are {', '.join(sorted(known))}")
    if query.get("provider", PROVIDERS[0]) not in PROVIDERS:
        raise QueryError(f"provider: must be one of {', '.join(PROVIDERS)}")
    texts: dict[str, Any] = {name: query[name] for name in _FILTERS if name in query}
    cursors: dict[str, Any] = {name: _number(query, name, 0, 10**15) for name in _CURSORS if name in query}
    return Filter(**texts, **cursors)


def _limit(query: Mapping[str, str]) -> int:
    return _number(query, "limit", 1, MAX_LIMIT) if "limit" in query else DEFAULT_LIMIT


def _number(query: Mapping[str, str], name: str, least: int, most: int) -> int:
    text = query[name]
    if not (text.isascii() and text.isdecimal() and least <= int(text) <= most):
        raise QueryError(f"{name}: must be a whole number from {least} to {most}")
    return int(text)


def _problem(status: int, text: str) -> Answer:
    return json_answer(status, {"errors": [text]})
