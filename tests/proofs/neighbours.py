"""Fifty endpoints that answer, among three that hang, trickle and fail: how long the fifty wait."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import requests

from deploy.local.port import wait_until
from mailer import ids
from tests.proofs.telling import HEADERS, Sent, Telling, sent
from tests.receiver import Receiver

GOOD = 50
_BAD = ("/hang", "/trickle", "/fail")
# Events of one webhook, and webhooks a second.
_TOGETHER, _A_SECOND = 10, 20
# Messages for each endpoint, so that events seldom meet at one.
_EACH = 60
RATE = _TOGETHER * _A_SECOND


@dataclass
class Phase:
    """Callbacks to the good endpoints, and how long after the provider's POST each came."""

    name: str
    events: int = 0
    seconds: list[float] = field(default_factory=list)

    def milliseconds(self, share: float) -> float:
        """Return the delay that so many had at most."""
        found = sorted(self.seconds)
        return found[min(int(len(found) * share), len(found) - 1)] * 1000


@dataclass
class Street:
    """The phases; and of the bad endpoints' events, how many waited in the end, and never came once they were well."""

    phases: list[Phase] = field(default_factory=list)
    waited: int = 0
    missing: int = 0
    good_missing: int = 0


@dataclass(frozen=True)
class _Told:
    """An event that was posted, known by the address that was clicked."""

    path: str
    at: float
    phase: Phase


def street(telling: Telling, receiver: Receiver, *, seconds: float = 60.0, seed: int = 1) -> Street:
    """Tell of 200 events a second, each to one endpoint: first with all of them well, then with three that are not."""
    rng, done = random.Random(seed), Street()
    paths = [*(f"/good/{number}" for number in range(GOOD)), *_BAD]
    endpoints = [telling.endpoint(receiver.url + path, per_message=True) for path in paths]
    database = telling.database
    # Every other is SendGrid's, which are told of.
    urls = [receiver.url + path for path in paths for _ in range(2)]
    messages = sent(database, _EACH * len(urls), urls=urls)
    database.close()
    homes = list(zip(messages[::2], paths * _EACH, strict=True))
    told: dict[str, _Told] = {}
    for phase, length in ((Phase("all well"), seconds), (Phase("three in trouble"), 2 * seconds)):
        done.phases.append(phase)
        if len(done.phases) > 1:
            receiver.answers |= {"/hang": receiver.hang, "/trickle": receiver.trickle, "/fail": 500}
        _load(telling, homes, told, phase, seconds=length, rng=rng)
    good = {marker for marker, each in told.items() if each.path not in _BAD}
    wait_until(lambda: good <= _came(receiver).keys(), timeout=60)
    for marker, at in _came(receiver).items():
        if marker in good:
            told[marker].phase.seconds.append(at - told[marker].at)
    done.good_missing = len(good - _came(receiver).keys())
    late = {marker for marker, each in told.items() if each.path in _BAD and each.phase is done.phases[1]}
    done.waited = len(late)
    mended = time.time()
    receiver.answers.clear()
    for endpoint in endpoints[GOOD:]:
        # By hand, so as not to wait for the next probe.
        place = f"{telling.system.url}/v1/endpoints/{endpoint['id']}"
        for enabled in (False, True):
            requests.patch(place, json={"enabled": enabled}, headers=HEADERS, timeout=20)
    wait_until(lambda: late <= _came(receiver, since=mended).keys(), timeout=120)
    done.missing = len(late - _came(receiver, since=mended).keys())
    return done


def _load(
    telling: Telling,
    homes: Sequence[tuple[Sent, str]],
    told: dict[str, _Told],
    phase: Phase,
    *,
    seconds: float,
    rng: random.Random,
) -> None:
    """Post at a steady pace, whatever the answers take."""
    begun, posts = time.monotonic(), list[threading.Thread]()
    for number in range(int(seconds * _A_SECOND)):
        time.sleep(max(begun + number / _A_SECOND - time.monotonic(), 0))
        batch = [(home, f"https://shop.example.com/{ids.new()}") for home in rng.choices(homes, k=_TOGETHER)]
        for (_, path), marker in batch:
            told[marker] = _Told(path, time.time(), phase)
        phase.events += len(batch)
        events = [_click(message, marker) for (message, _), marker in batch]
        posts.append(threading.Thread(target=telling.tell, args=("sendgrid", events)))
        posts[-1].start()
    for post in posts:
        post.join()


def _click(s: Sent, marker: str) -> dict[str, Any]:
    return {
        "event": "click", "email": s.recipient, "timestamp": int(time.time()), "sg_event_id": ids.new(), "url": marker,
        "mailer_envelope_id": s.id, "mailer_attempt_id": s.attempt_id,
    }  # fmt: skip


def _came(receiver: Receiver, *, since: float = 0.0) -> dict[str, float]:
    """Return what came to any endpoint, and when first."""
    found: dict[str, float] = {}
    for got in list(receiver.got):
        if got.at >= since:
            found.setdefault(got.json["data"]["url"], got.at)
    return found
