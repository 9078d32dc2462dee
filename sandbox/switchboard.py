"""The fault switches: one a provider, on or off, kept across restarts."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from sandbox.database import Database
from sandbox.fault import Fault, parse

PROVIDERS = ("sendgrid", "mailgun")


@dataclass(frozen=True, slots=True)
class Strike:
    """A fault that hit a request; `released` is set as soon as the switch is moved again."""

    fault: Fault
    released: threading.Event


@dataclass(frozen=True, slots=True)
class _Switch:
    fault: Fault
    hits: int = 0


class Switchboard:
    """Who is to fail, and how.

    Args:
        lot: returns a number from 0 up to 1, by which `percent` is drawn.
    """

    def __init__(self, database: Database, lot: Callable[[], float]) -> None:
        self._database = database
        self._lot = lot
        self._lock = threading.Lock()
        self._moving = threading.Lock()
        self._released = {name: threading.Event() for name in PROVIDERS}
        self._watchers: list[Callable[[str, Fault | None], None]] = []
        self._switches = {
            row["provider"]: _Switch(parse(json.loads(row["fault"])), row["hits"])
            for row in database.read("select provider, fault, hits from fault")
        }

    def watch(self, watcher: Callable[[str, Fault | None], None]) -> None:
        """Call `watcher(provider, fault)` whenever a switch has moved."""
        self._watchers.append(watcher)

    def fault(self, provider: str) -> Fault | None:
        """Return what is switched on."""
        switch = self._switches.get(provider)
        return switch.fault if switch else None

    def state(self) -> dict[str, dict[str, Any] | None]:
        """Return every provider's fault, with the hits so far, None where all is well."""
        with self._lock:
            return {name: _state(self._switches.get(name)) for name in PROVIDERS}

    def set(self, provider: str, fault: Fault | None) -> None:
        """Switch a fault on, or off with None; whoever hangs in the one before is released."""
        with self._moving:  # so that the watchers see two moves in the order in which they happened
            with self._lock:
                self._move(provider, fault)
            for watcher in self._watchers:
                watcher(provider, fault)

    def strike(self, provider: str) -> Strike | None:
        """Return the fault that hits this request, if one does, and count it."""
        with self._lock:
            switch = self._switches.get(provider)
            if switch is None or self._lot() * 100 >= switch.fault.percent:
                return None
            strike = Strike(switch.fault, self._released[provider])
            if switch.fault.times is not None and switch.hits + 1 >= switch.fault.times:
                # Off by itself releases nobody: the requests it holds were hit.
                del self._switches[provider]
                self._erase(provider)
            else:
                self._keep(provider, replace(switch, hits=switch.hits + 1))
            return strike

    def _move(self, provider: str, fault: Fault | None) -> None:
        self._released[provider].set()
        self._released[provider] = threading.Event()
        self._switches.pop(provider, None)
        if fault is None:
            self._erase(provider)
        else:
            self._keep(provider, _Switch(fault))

    def _keep(self, provider: str, switch: _Switch) -> None:
        with self._database.write() as connection:
            connection.execute(
                "insert or replace into fault (provider, fault, hits) values (?, ?, ?)",
                (provider, json.dumps(switch.fault.as_dict()), switch.hits),
            )
        self._switches[provider] = switch

    def _erase(self, provider: str) -> None:
        with self._database.write() as connection:
            connection.execute("delete from fault where provider = ?", (provider,))


def _state(switch: _Switch | None) -> dict[str, Any] | None:
    return {**switch.fault.as_dict(), "hits": switch.hits} if switch else None
