"""Mails that are handed over at a steady pace, by HTTP and by `.delay()`, as an application that means it would."""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass, field

import requests

from mailer import ids
from mailer.client.task import SendEmail, publisher
from mailer.errors import BrokerUnavailable
from tests.chaos.system import API_KEY, System

# Of twenty mails so many come by `.delay()`.
_BY_DELAY = 6
_THREADS = 8
# How long an application keeps trying to hand one over.
_PATIENCE = 180


@dataclass
class Load:
    """A run's mails.

    Threads take the mails in order, at a steady pace, as far as `release` lets them: a run's faults find mails on
    their way however long each of them takes.

    Attributes:
        accepted: ids for which a 202 came back, or `.delay()` returned; and whom each mail is to.
        by_delay: those of `.delay()`: until a worker has taken one, the broker alone keeps it.
        unanswered: how many requests broke after they had been sent: nobody knows, and nobody repeats them.
        refused: answers that an application could not have expected.
        seconds: how long it took to hand them over.
    """

    system: System
    mails: int
    rate: float
    seed: int
    on_unknown: str | None = None
    accepted: dict[str, str] = field(default_factory=dict)
    by_delay: set[str] = field(default_factory=set)
    unanswered: int = 0
    retried: int = 0
    refused: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._lock = threading.Lock()
        self._released = threading.Condition(self._lock)
        self._limit = self._next = 0
        self._due = 0.0
        self._begun = time.monotonic()
        self.seconds = 1.0
        self._send: SendEmail = publisher(self.system.settings)
        self._threads = [threading.Thread(target=self._work, daemon=True) for _ in range(_THREADS)]

    @property
    def progress(self) -> float:
        """Return how much of it is done with, 0 to 1: handed over, or given up."""
        return (len(self.accepted) + self.unanswered + len(self.refused)) / self.mails

    @property
    def recipients(self) -> set[str]:
        """Return whom its mails are to, whatever became of them; each has one mail."""
        return {self._to(number) for number in range(self.mails)}

    def start(self) -> None:
        """Begin, as far as mails are released."""
        self._begun = time.monotonic()
        for thread in self._threads:
            thread.start()

    def release(self, share: float = 1) -> None:
        """Let so much of all mails be handed over, 0 to 1."""
        with self._released:
            self._limit = max(self._limit, round(self.mails * share))
            self._released.notify_all()

    def join(self) -> None:
        """Return when everything is handed over."""
        for thread in self._threads:
            thread.join(_PATIENCE + self.mails / self.rate)
            assert not thread.is_alive(), "an application waits for ever"
        self.seconds = time.monotonic() - self._begun

    def _work(self) -> None:
        with requests.Session() as session:
            while (taken := self._take()) is not None:
                number, due = taken
                time.sleep(max(due - time.monotonic(), 0))
                fields = self._fields(number)
                if number % 20 < _BY_DELAY:
                    self._delay(fields)
                else:
                    self._post(session, fields)

    def _take(self) -> tuple[int, float] | None:
        """Return the next mail and the moment (monotonic) at which it is handed over; None after the last."""
        with self._released:
            self._released.wait_for(lambda: self._next < self._limit or self._limit == self.mails)
            if self._next == self.mails:
                return None
            # What a fault has held up is not made up for in a burst.
            self._due = max(self._due + 1 / self.rate, time.monotonic())
            self._next += 1
            return self._next - 1, self._due

    def _to(self, number: int) -> str:
        return f"m{number}-{self.seed}@example.com"

    def _fields(self, number: int) -> dict[str, object]:
        fields: dict[str, object] = {
            "from": "shop@sender.example.com",
            "to": self._to(number),
            "subject": f"Mail {number}",
            "text": "Thank you. " * 30,
        }
        return fields | ({"on_unknown": self.on_unknown} if self.on_unknown else {})

    def _post(self, session: requests.Session, fields: dict[str, object]) -> None:
        until = time.monotonic() + _PATIENCE
        while time.monotonic() < until:
            try:
                answer = session.post(
                    f"{self.system.url}/v1/messages",
                    json=fields,
                    headers={"Authorization": f"Bearer {API_KEY}"},
                    timeout=(2, 60),
                )
            except requests.exceptions.ConnectionError as error:
                if "NewConnectionError" not in str(error) and "ConnectTimeout" not in str(error):
                    return self._unanswered()
            except requests.exceptions.RequestException:
                return self._unanswered()
            else:
                if answer.status_code == 202:
                    return self._accept(answer.json()["id"], fields)
                if answer.status_code != 503 or "Retry-After" not in answer.headers:
                    self.refused.append(f"{answer.status_code} {answer.text[:200]}")
                    return None
            self.retried += 1
            time.sleep(0.5)
        self.refused.append("no answer at all")
        return None

    def _delay(self, fields: dict[str, object]) -> None:
        # The same id each time: a publish that was not confirmed may have arrived all the same.
        id, until = ids.new(), time.monotonic() + _PATIENCE
        while time.monotonic() < until:
            try:
                self._send.apply_async(kwargs=fields, task_id=id)
            except BrokerUnavailable:
                self.retried += 1
                time.sleep(0.5)
            else:
                self.by_delay.add(id)
                return self._accept(id, fields)
        self.refused.append("no broker at all")
        return None

    def _accept(self, id: str, fields: dict[str, object]) -> None:
        with self._lock:
            self.accepted[id] = str(fields["to"])

    def _unanswered(self) -> None:
        with self._lock:
            self.unanswered += 1
