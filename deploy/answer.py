"""One HTTP request to a program of ours on this machine, and its answer."""

from __future__ import annotations

import http.client
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from deploy.local.port import LOOPBACK


@dataclass(frozen=True, kw_only=True)
class Answer:
    """Status 0: nobody answered; the body then says why."""

    status: int
    body: str

    @property
    def ok(self) -> bool:
        """True for a 2xx."""
        return 200 <= self.status < 300

    def json(self) -> Any:
        """The body as JSON; an empty object if it is none."""
        try:
            return json.loads(self.body)
        except ValueError:
            return {}

    def __str__(self) -> str:
        said = " ".join(self.body.split())[:300]
        return f"{self.status} {said}" if self.status else said


def ask(
    port: int,
    path: str,
    *,
    body: Mapping[str, Any] | None = None,
    headers: Mapping[str, str] | None = None,
    timeout: float = 5,
) -> Answer:
    """GET, or POST of JSON if there is a body; never raises for what the other side does."""
    connection = http.client.HTTPConnection(LOOPBACK, port, timeout=timeout)
    content = None if body is None else json.dumps(body)
    kind = {} if body is None else {"Content-Type": "application/json"}
    try:
        connection.request("GET" if body is None else "POST", path, content, {**kind, **(headers or {})})
        response = connection.getresponse()
        return Answer(status=response.status, body=response.read().decode("utf-8", errors="replace"))
    except (OSError, http.client.HTTPException) as error:
        return Answer(status=0, body=f"no answer on port {port} ({type(error).__name__})")
    finally:
        connection.close()
