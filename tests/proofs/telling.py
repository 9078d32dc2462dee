"""An installation whose providers are played by the proof: webhooks in, callbacks out."""

from __future__ import annotations

import functools
import json
import random
import threading
import time
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any

import requests

from deploy.local.process import Process
from mailer import ids
from mailer.delivery import EnvelopeInput, OnUnknown
from mailer.ledger import Attempt, Claim, Move, Result, Submission
from mailer.outcome import Outcome
from mailer.store import Database, Store
from tests.chaos.system import API_KEY, System
from tests.factories import message
from tests.integration.nodes import program
from tests.unit.providers.signing import SIGNERS, Hook, Signer

HEADERS = {"Authorization": f"Bearer {API_KEY}"}
# A provider does not keep its webhooks for ever, but for hours; this is long enough to see one lost.
_PATIENCE = 120.0
_THREADS = 6


@contextmanager
def installation(**environment: str) -> Iterator[Telling]:
    """Give a running one, with workers for events and callbacks."""
    signers = {name: make() for name, make in SIGNERS.items()}
    keys = {signer.setting: signer.key for signer in signers.values()}
    more = {"MAILER_CALLBACK_LOCALHOST": "1", "WEB_CONCURRENCY": "2", **keys, **environment}
    with System(slow_disk=False, environment=more) as system:
        workers = [_worker(system, "events", "mail.events"), _worker(system, "callbacks", "mail.callbacks")]
        try:
            for worker in workers:
                worker.start()
            for worker in workers:
                worker.wait_ready(functools.partial(_is_ready, worker), timeout=60)
            yield Telling(system, signers, workers)
        finally:
            for worker in workers:
                worker.stop()


def _is_ready(worker: Process) -> bool:
    return "ready." in worker.log.read_text(errors="replace")


def _worker(system: System, name: str, queues: str) -> Process:
    command = ["-m", "celery", "-q", "-A", "tasks", "worker", "-Q", queues, "--hostname", f"{name}@localhost"]
    options = ["--without-mingle", "--without-gossip"]
    environment = {**system.environment, "REMAP_SIGTERM": "SIGQUIT"}
    return program(name, [*command, *options], environment=environment, logs=system.base)


@dataclass(frozen=True)
class Sent:
    """A message that a provider has taken: what its events name."""

    id: str
    attempt_id: str
    provider: str
    recipient: str


@dataclass
class Telling:
    """A running installation, and what its providers do."""

    system: System
    signers: dict[str, Signer]
    workers: Sequence[Process]
    milliseconds: list[float] = field(default_factory=list)
    repeated: int = 0

    @property
    def database(self) -> Database:
        """Return a connection of our own."""
        return Database(self.system.environment["DATABASE_URL"])

    def endpoint(self, url: str, **asked: Any) -> dict[str, Any]:
        """Register an endpoint; its secret is in what is returned."""
        base = f"{self.system.url}/v1/endpoints"
        made: dict[str, Any] = requests.post(base, json={"url": url, **asked}, headers=HEADERS, timeout=20).json()
        found = requests.get(f"{base}/{made['id']}/secrets", headers=HEADERS, timeout=20).json()
        return made | {"secret": found["secrets"][0]["secret"]}

    def tell(self, provider: str, events: Sequence[dict[str, Any]]) -> None:
        """POST a webhook until it is taken, as its provider would."""
        until = time.monotonic() + _PATIENCE
        while not self._taken(provider, self.hook(provider, events)):
            self.repeated += 1
            if time.monotonic() > until:
                raise AssertionError("nobody takes a webhook")
            time.sleep(0.3)

    def _taken(self, provider: str, hook: Hook) -> bool:
        begun = time.monotonic()
        try:
            answer = requests.post(
                f"{self.system.url}/webhooks/{provider}", data=hook.body, headers=dict(hook.headers), timeout=20
            )
        except requests.RequestException:
            return False
        if answer.status_code != 200:
            return False
        self.milliseconds.append((time.monotonic() - begun) * 1000)
        return True

    def hook(self, provider: str, events: Sequence[dict[str, Any]]) -> Hook:
        """Return a webhook, signed now: SendGrid's hold several events, Mailgun's one."""
        at = str(int(time.time()))
        if provider == "sendgrid":
            return self.signers[provider].sign(json.dumps(events).encode(), at=at)
        [event] = events
        return self.signers[provider].sign(json.dumps(event).encode(), at=at, token=ids.new())

    def tell_all(self, webhooks: Iterable[tuple[str, Sequence[dict[str, Any]]]]) -> float:
        """Send all of them, several at a time; return the seconds that took."""
        begun = time.monotonic()
        with ThreadPoolExecutor(_THREADS) as pool:
            for _ in pool.map(lambda webhook: self.tell(*webhook), webhooks):
                pass
        return time.monotonic() - begun


def sent(database: Database, count: int, *, urls: Sequence[str] = (), at: datetime | None = None) -> list[Sent]:
    """Store so many messages that a provider has taken, half at each.

    Args:
        urls: the `callback_url` of each, in turn.
    """
    store, now = Store(database), at or datetime.now(UTC)
    found: list[Sent] = []
    for start in range(0, count, 500):
        batch = [_submission(number, urls, now) for number in range(start, min(start + 500, count))]
        store.submit(batch)
        claims = [_claim(s, ("sendgrid", "mailgun")[number % 2], now) for number, s in enumerate(batch)]
        store.claim(claims, now=now)
        store.record([_yes(claim) for claim in claims], now=now)
        found += [
            Sent(s.id, claim.attempt.id, claim.attempt.provider, str(s.message.to[0].email))
            for s, claim in zip(batch, claims, strict=True)
        ]
    return found


def _submission(number: int, urls: Sequence[str], now: datetime) -> Submission:
    asked = {"callback_url": urls[number % len(urls)]} if urls else {}
    return Submission(
        id=ids.new(), project_id="default", request_id=f"r-{number}",
        message=message(to=f"m{number}@example.com", metadata={"number": str(number)}, **asked),
        on_unknown=OnUnknown.FAILOVER, created_at=now, expires_at=now + timedelta(days=1),
        wake_at=now + timedelta(hours=1),
    )  # fmt: skip


def _claim(s: Submission, provider: str, now: datetime) -> Claim:
    attempt = Attempt(
        id=ids.new(), number=1, round=0, provider=provider, started_at=now, lease_until=now + timedelta(hours=1)
    )
    return Claim(
        id=s.id, project_id=s.project_id, request_id=s.request_id, created_at=s.created_at, route=(provider,), seen=0,
        attempt=attempt,
    )  # fmt: skip


def _yes(claim: Claim) -> Result:
    done = replace(claim.attempt, outcome=Outcome.ACCEPTED, duration_ms=5, status_code=202, provider_message_id="m")
    return Result(attempt=done, move=Move(id=claim.id, input=EnvelopeInput.ACCEPT))


_SENDGRID: dict[str, dict[str, Any]] = {
    "accepted": {"event": "processed"},
    "deferred": {"event": "deferred", "response": "400 try again later"},
    "delivered": {"event": "delivered", "response": "250 OK"},
    "bounced": {"event": "bounce", "type": "bounce", "status": "5.1.1", "reason": "550 5.1.1 no such user"},
    "complained": {"event": "spamreport"},
    "opened": {"event": "open"},
    "clicked": {"event": "click", "url": "https://shop.example.com/x"},
}
_MAILGUN: dict[str, dict[str, Any]] = {
    "accepted": {"event": "accepted"},
    "deferred": {"event": "failed", "severity": "temporary", "delivery-status": {"code": 450, "message": "later"}},
    "delivered": {"event": "delivered", "delivery-status": {"code": 250, "message": "OK"}},
    "bounced": {"event": "failed", "severity": "permanent", "delivery-status": {"code": 550, "message": "5.1.1 none"}},
    "complained": {"event": "complained"},
    "opened": {"event": "opened"},
    "clicked": {"event": "clicked", "url": "https://shop.example.com/x"},
}
_ARRIVED = ("accepted", "delivered")
STORIES = (
    (*_ARRIVED, "opened", "opened", "clicked"),
    ("accepted", "deferred", "delivered", "opened", "clicked"),
    ("accepted", "deferred", "deferred", "bounced"),
    (*_ARRIVED, "opened", "complained"),
    _ARRIVED,
    ("accepted", "bounced"),
    ("accepted", "deferred", "delivered", "opened", "opened", "clicked"),
)


def story(s: Sent, rng: random.Random) -> list[tuple[str, dict[str, Any]]]:
    """Return the events of a message in order of time, as its provider writes them."""
    begun = time.time() - 3600
    return [(s.provider, _event(s, kind, begun + 60 * place)) for place, kind in enumerate(rng.choice(STORIES))]


def _event(s: Sent, kind: str, at: float) -> dict[str, Any]:
    ours = {"mailer_envelope_id": s.id, "mailer_attempt_id": s.attempt_id, "mailer_project_id": "default"}
    if s.provider == "sendgrid":
        return {
            **_SENDGRID[kind], **ours, "email": s.recipient, "timestamp": int(at), "sg_event_id": ids.new(),
            "sg_message_id": "m.filter",
        }  # fmt: skip
    told: dict[str, Any] = {
        **_MAILGUN[kind], "user-variables": ours, "recipient": s.recipient, "timestamp": at, "id": ids.new(),
        "message": {"headers": {"message-id": f"{s.id}@x"}},
    }  # fmt: skip
    return told


def malformed(provider: str, rng: random.Random) -> dict[str, Any]:
    """Return what is no event."""
    broken: dict[str, Any] = rng.choice(
        [{"timestamp": "soon"}, {"event": ""}, {"email": 7, "recipient": 7}, {"timestamp": -1}]
    )
    return {"event": "delivered", "timestamp": int(time.time()), "id": ids.new(), "sg_event_id": ids.new(), **broken}


class Killer:
    """Kills processes in turn, and starts them again, until it is stopped."""

    def __init__(self, system: System, processes: Sequence[Process], *, every: float, rng: random.Random) -> None:
        self._system, self._processes, self._every, self._rng = system, processes, every, rng
        self._over = threading.Event()
        self.kills: dict[str, int] = {}
        self._thread = threading.Thread(target=self._run)

    def __enter__(self) -> Killer:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._over.wait(self._rng.uniform(0.5, 1.5) * self._every):
            process = self._rng.choice(list(self._processes))
            process.kill()
            self.kills[process.name] = self.kills.get(process.name, 0) + 1
            self._over.wait(self._rng.uniform(0, 1))
            process.start()
