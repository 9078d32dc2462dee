"""The sandbox's control API, as far as the drill needs it: who fails, and what arrived."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import urlsplit

from mailer.errors import ProviderError
from mailer.http import HttpTransport
from mailer.ports import HttpRequest, HttpResponse, Provider, Transport

# The inbox and its control API; the providers listen on the same port of other loopback addresses.
_HOST = "127.0.0.1"
_SECONDS = 5.0


class NotTheSandbox(Exception):
    """The mails of this configuration do not go to the sandbox, or it does not answer; the text says which."""


class Sandbox:
    """The sandbox that stands in for these providers.

    Build with `Sandbox.find(...)`, which makes sure that it is one.
    """

    def __init__(self, port: int, providers: Sequence[str], transport: Transport) -> None:
        self._base = f"http://{_HOST}:{port}"
        self._providers = tuple(providers)
        self._transport = transport

    @classmethod
    def find(cls, providers: Mapping[str, Provider]) -> Sandbox:
        """Return the sandbox that all these providers' mails go to. Raises NotTheSandbox."""
        if len(providers) < 2:
            raise NotTheSandbox("a failover needs two providers that are configured")
        places = {name: urlsplit(provider.probe().url) for name, provider in providers.items()}
        for name, place in places.items():
            if place.scheme != "http" or not (place.hostname or "").startswith("127."):
                raise NotTheSandbox(f"{name}'s mails go to {place.hostname}: a drill is for the sandbox only")
        ports = {place.port for place in places.values()}
        if len(ports) != 1 or None in ports:
            raise NotTheSandbox("the providers' addresses have different ports: that is no sandbox")
        transport = HttpTransport(connect_timeout=_SECONDS, read_timeout=_SECONDS)
        found = cls(ports.pop() or 0, list(places), transport)
        if not set(places) <= set(found._faults()):
            raise NotTheSandbox(f"what answers at {found._base} is not the sandbox")
        return found

    def choose(self, name: str | None, *, order: Sequence[str]) -> str:
        """Return who is to fail: the one that is named, else the first of the order. Raises NotTheSandbox."""
        if name is None:
            return next(known for known in order if known in self._providers)
        if name not in self._providers:
            raise NotTheSandbox(f"there is no provider {name!r}; there is {', '.join(self._providers)}")
        return name

    def require_calm(self) -> None:
        """Raise NotTheSandbox if some fault is on already: somebody else is trying something out."""
        if on := [name for name, fault in self._faults().items() if fault is not None]:
            raise NotTheSandbox(f"a fault of {', '.join(on)} is on already: mend it first")

    def fail(self, provider: str, fault: Mapping[str, Any]) -> None:
        """Switch a fault on."""
        self._call("PUT", f"/api/faults/{provider}", json.dumps(fault).encode())

    def mend(self, provider: str) -> None:
        """Switch it off."""
        self._call("DELETE", f"/api/faults/{provider}")

    def arrived(self, envelope_id: str) -> list[str]:
        """Return through whom the copies of an envelope arrived, the newest first."""
        mails = json.loads(self._call("GET", f"/api/mails?envelope_id={envelope_id}").body)["mails"]
        return [str(mail["provider"]) for mail in mails]

    def _faults(self) -> dict[str, Any]:
        try:
            found = json.loads(self._call("GET", "/api/faults").body)
        except (ProviderError, ValueError) as error:
            raise NotTheSandbox(f"no sandbox answers at {self._base}: {type(error).__name__}") from error
        if not isinstance(found, dict):
            raise NotTheSandbox(f"what answers at {self._base} is not the sandbox")
        return found

    def _call(self, method: str, path: str, body: bytes = b"") -> HttpResponse:
        response = self._transport.send(HttpRequest(method, self._base + path, {}, body))
        if response.status >= 300:
            raise NotTheSandbox(f"{method} {path} at {self._base} answered {response.status}")
        return response
