"""Checks of the providers, each by a harmless call, and of the clocks: theirs, the database's, ours."""

from __future__ import annotations

import time
from collections.abc import Mapping
from datetime import datetime, timedelta
from email.utils import parsedate_to_datetime

from cli.check import Check, Finding, failed, ok, warning
from cli.output import span
from mailer import clock
from mailer.errors import ProviderError, StoreUnavailable
from mailer.http import HttpTransport
from mailer.ports import HttpResponse, Provider, Transport
from mailer.settings import Settings
from mailer.store import Store

_WARN, _FAIL = 2.0, 10.0
# A Date header says whole seconds: the middle of it is the best guess.
_HALF = timedelta(milliseconds=500)


class Providers:
    """The providers and what their answers said of the time.

    Attributes:
        offsets: how far each one's clock is ahead of ours, in seconds.
    """

    def __init__(self, providers: Mapping[str, Provider], transport: Transport) -> None:
        self._providers = providers
        self._transport = transport
        self.offsets: dict[str, float] = {}

    @classmethod
    def build(cls, providers: Mapping[str, Provider], settings: Settings) -> Providers:
        """Return them with timeouts of a probe's own: an answer to it takes no time."""
        connect, read = min(settings.connect_timeout, 5.0), min(settings.read_timeout, 8.0)
        return cls(providers, HttpTransport(connect_timeout=connect, read_timeout=read, total_timeout=connect + read))

    def checks(self) -> list[Check]:
        """Return one check a provider."""
        return [Check(f"provider {name}", lambda name=name: self._ask(name)) for name in self._providers]  # type: ignore[misc]

    def _ask(self, name: str) -> Finding:
        provider, title = self._providers[name], f"provider {name}"
        asked, begun = clock.now(), time.monotonic()
        try:
            response = self._transport.send(provider.probe())
        except ProviderError as error:
            return failed(title, f"does not answer ({error.code})", "its outage, our network, or a wrong base address")
        took = time.monotonic() - begun
        self._note(name, response, middle=asked + timedelta(seconds=took / 2))
        wrong = provider.diagnose(response)
        if wrong is not None:
            return failed(
                title, wrong, "correct it, or wait if it is an outage; the other provider carries mails meanwhile"
            )
        return ok(title, f"takes our key ({took * 1000:.0f} ms)")

    def _note(self, name: str, response: HttpResponse, *, middle: datetime) -> None:
        try:
            said = parsedate_to_datetime(response.headers.get("date", ""))
        except ValueError:
            return  # it says no time, or not as HTTP does: then it says nothing about ours
        if said.tzinfo is not None:
            self.offsets[name] = (said + _HALF - middle).total_seconds()


def clocks(providers: Providers, store: Store) -> Finding:
    """Compare our clock with the database's and with what the providers said: leases and retries depend on it."""
    offsets = dict(providers.offsets)
    try:
        asked = clock.now()
        theirs = store.now()
        if theirs is not None:
            offsets["database"] = (theirs - (asked + (clock.now() - asked) / 2)).total_seconds()
    except StoreUnavailable:
        pass  # said by its own check
    if not offsets:
        return warning("clock", "nobody to compare it with answered", "")
    told = ", ".join(f"{name} {offset:+.1f} s" for name, offset in sorted(offsets.items()))
    worst = max(offsets.values(), key=abs)
    if abs(worst) > _FAIL:
        return failed("clock", f"differs by {span(abs(worst))} ({told})", "set the clock of this machine (NTP)")
    if abs(worst) > _WARN:
        return warning("clock", f"differs by {span(abs(worst))} ({told})", "set the clock of this machine (NTP)")
    return ok("clock", f"agrees with {told}")
