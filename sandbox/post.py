"""The webhooks of one provider: a queue in memory, and one thread that sends what is due."""

from __future__ import annotations

import heapq
import math
import random
import sys
import threading
import time
import traceback
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Protocol

import requests

from sandbox.flow import Flow
from sandbox.occurrence import Occurrence

MOST_WAITING = 100_000
"""Events; what comes on top is lost and counted, since whoever sends mails must not wait for them."""

RETRIES = (0.25, 0.5, 1, 2, 4, 8, 16, 32)
"""Seconds before each next try; the real ones go on for hours."""

_TIMEOUT = 10
_SHUFFLED_BY = 1.0


class Format(Protocol):
    """What a provider's webhooks look like."""

    @property
    def at_once(self) -> int:
        """Return how many events one POST may carry."""

    def letter(self, occurrences: Sequence[Occurrence], now: datetime) -> tuple[dict[str, str], bytes]:
        """Return headers and body of one POST."""

    def is_done(self, status: int) -> bool:
        """Tell whether an answer of this status ends it."""


@dataclass(frozen=True, slots=True)
class _Waiting:
    occurrence: Occurrence
    tries: int = 0


class Post:
    """Sends events to one address when they are due, and again when they are not taken."""

    def __init__(self, url: str, form: Format) -> None:
        self._url = url
        self._form = form
        self._flow = Flow()
        self._queue: list[tuple[float, int, _Waiting]] = []
        self._given = 0  # numbers the queue's entries, so that those due at once keep their order
        self._counts = {"waiting": 0, "sent": 0, "lost": 0}
        self._changed = threading.Condition()
        self._session = requests.Session()
        # Proxies of the environment are for the world outside.
        self._session.trust_env = False
        threading.Thread(target=self._run, daemon=True, name=f"post {url}").start()

    def add(self, occurrences: Sequence[Occurrence]) -> None:
        """Send these when their time comes; returns at once."""
        with self._changed:
            for occurrence in occurrences:
                for moment in occurrence.told:
                    self._enter(moment.timestamp(), _Waiting(occurrence))
            self._changed.notify()

    def follow(self, flow: Flow) -> None:
        """Send by this switch from now on."""
        with self._changed:
            self._flow = flow
            self._changed.notify()

    def counts(self) -> dict[str, int]:
        """Return how many events wait (those on their way among them), were sent, and are lost."""
        with self._changed:
            return dict(self._counts)

    def _enter(self, due: float, waiting: _Waiting) -> None:
        if self._counts["waiting"] >= MOST_WAITING:
            self._counts["lost"] += 1
            return
        if self._flow.shuffled:
            due += random.uniform(0, _SHUFFLED_BY)  # noqa: S311 - a lot, no secret
        self._counts["waiting"] += 1
        self._given += 1
        heapq.heappush(self._queue, (due, self._given, waiting))

    def _run(self) -> None:
        while True:
            due = self._due()
            size = self._form.at_once
            for start in range(0, len(due), size):
                self._send(due[start : start + size])

    def _due(self) -> list[_Waiting]:
        """Wait until something is due and nobody holds it back; return it in the order in which it is to go."""
        with self._changed:
            while (left := self._left()) > 0:
                self._changed.wait(None if left == math.inf else left)
            due, now = [], time.time()
            while self._queue and self._queue[0][0] <= now:
                due.append(heapq.heappop(self._queue)[2])
            return self._arranged(due)

    def _left(self) -> float:
        return math.inf if self._flow.hold or not self._queue else self._queue[0][0] - time.time()

    def _arranged(self, due: list[_Waiting]) -> list[_Waiting]:
        if self._flow.doubled:
            again = [waiting for waiting in due if not waiting.tries]
            self._counts["waiting"] += len(again)
            due = due + again
        if self._flow.shuffled:
            random.shuffle(due)
        return due

    def _send(self, batch: Sequence[_Waiting]) -> None:
        try:
            done = self._is_taken([waiting.occurrence for waiting in batch])
        except Exception:  # noqa: BLE001 - a mistake of ours costs these events, and must not cost all that follow
            traceback.print_exc()
            self._settle("lost", len(batch))
            return
        if done:
            self._settle("sent", len(batch))
        else:
            self._again(batch)

    def _is_taken(self, occurrences: Sequence[Occurrence]) -> bool:
        headers, body = self._form.letter(occurrences, datetime.now(UTC))
        try:
            answer = self._session.post(self._url, data=body, headers=headers, timeout=_TIMEOUT, allow_redirects=False)
        except requests.RequestException:
            return False
        return self._form.is_done(answer.status_code)

    def _again(self, batch: Sequence[_Waiting]) -> None:
        now = time.time()
        given_up = [waiting for waiting in batch if waiting.tries >= len(RETRIES)]
        with self._changed:
            for waiting in batch:
                self._counts["waiting"] -= 1
                if waiting.tries < len(RETRIES):
                    self._enter(now + RETRIES[waiting.tries], replace(waiting, tries=waiting.tries + 1))
            self._counts["lost"] += len(given_up)
        if given_up:
            sys.stderr.write(f"sandbox: {self._url} did not take {len(given_up)} events; given up\n")

    def _settle(self, what: str, number: int) -> None:
        with self._changed:
            self._counts["waiting"] -= number
            self._counts[what] += number
