"""A service that answers from a script, and one way to use both clients."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from mailer import AsyncMailer, Mailer
from mailer.ports import HttpRequest, HttpResponse

URL = "http://mailer.test"
ID = "01a20d7c-2b6c-75cf-b28a-45e8b4c61489"


def answer(status: int, content: Any = None, **headers: str) -> HttpResponse:
    """Return an answer with JSON; header names with `_` for `-`."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return HttpResponse(status, named, b"" if content is None else json.dumps(content).encode())


def problem(slug: str, status: int, *, retry_after: str | None = None, **more: Any) -> HttpResponse:
    """Return a problem+json answer."""
    headers = {"retry_after": retry_after} if retry_after else {}
    body = {"type": f"{URL}/problems/{slug}", "title": slug, "status": status, "request_id": "req-1", **more}
    return answer(status, body, **headers)


ACCEPTED = answer(202, {"id": ID, "status": "queued"})


@dataclass
class Script:
    """The answers that will come, and what was asked and waited for meanwhile. Waiting is what takes time here."""

    answers: list[HttpResponse | Exception]
    requests: list[HttpRequest] = field(default_factory=list)
    pauses: list[float] = field(default_factory=list)
    now: float = 0.0

    def send(self, request: HttpRequest) -> HttpResponse:
        """Give the next answer."""
        self.requests.append(request)
        found = self.answers.pop(0)
        if isinstance(found, Exception):
            raise found
        return found

    def clock(self) -> float:
        """Give the time."""
        return self.now

    def sleep(self, seconds: float) -> None:
        """Let time pass."""
        self.pauses.append(seconds)
        self.now += seconds


class _Later:
    """The script as a transport of asyncio."""

    def __init__(self, script: Script) -> None:
        self._script = script

    async def send(self, request: HttpRequest) -> HttpResponse:
        return self._script.send(request)

    async def sleep(self, seconds: float) -> None:
        self._script.sleep(seconds)


Use = Callable[..., Any]
"""Call a method of a client: `use(script, "get", ID)`. A keyword `options` goes to the client itself."""


def blocking(script: Script, method: str, *args: Any, options: dict[str, Any] | None = None, **given: Any) -> Any:
    """Use Mailer; what it yields is collected."""
    client = Mailer(URL, "key", transport=script, clock=script.clock, sleep=script.sleep, **(options or {}))
    found = getattr(client, method)(*args, **given)
    return list(found) if method == "list" else found


def coroutine(script: Script, method: str, *args: Any, options: dict[str, Any] | None = None, **given: Any) -> Any:
    """Use AsyncMailer; what it yields is collected."""
    later = _Later(script)

    async def use() -> Any:
        client = AsyncMailer(URL, "key", transport=later, clock=script.clock, sleep=later.sleep, **(options or {}))
        found = getattr(client, method)(*args, **given)
        return [each async for each in found] if method == "list" else await found

    return asyncio.run(use())
