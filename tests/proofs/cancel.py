"""Cancel against claim: real workers take mails while their application cancels them."""

from __future__ import annotations

import random
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

import requests

from deploy.local.port import wait_until
from tests.chaos.system import API_KEY, System
from tests.factories import fields

_HEADERS = {"Authorization": f"Bearer {API_KEY}"}
_RESTS = {"accepted", "canceled", "failed", "expired", "unknown"}


@dataclass
class Race:
    """What the API said, and what the providers took in.

    Attributes:
        said: answers to the cancels, by status.
        canceled_and_sent: ids that were said to be canceled and were sent anyway.
        late_and_not_sent: ids of which it was said to be too late, and which nobody sent.
    """

    rounds: int
    said: Counter[int] = field(default_factory=Counter)
    canceled_and_sent: list[str] = field(default_factory=list)
    late_and_not_sent: list[str] = field(default_factory=list)


def race(system: System, *, rounds: int = 1000, seed: int = 1) -> Race:
    """Send and cancel so many mails (at most 1,000), each a moment after it was sent; count by what was received."""
    rng = random.Random(seed)
    pauses = [rng.uniform(0, 0.06) for _ in range(rounds)]
    done = Race(rounds)
    with ThreadPoolExecutor(6) as pool:
        answers = list(pool.map(lambda pause: _round(system.url, pause), pauses))
    for _, status in answers:
        done.said[status] += 1
    ids = [id for id, _ in answers]
    assert wait_until(lambda: all(_state(system.url, id) in _RESTS for id in ids), timeout=120)
    received = {mail["envelope_id"] for mail in system.sandbox.mails(limit=1000)}
    done.canceled_and_sent = [id for id, status in answers if status == 200 and id in received]
    done.late_and_not_sent = [id for id, status in answers if status == 409 and id not in received]
    return done


def _round(url: str, pause: float) -> tuple[str, int]:
    id = requests.post(f"{url}/v1/messages", json=fields(), headers=_HEADERS, timeout=20).json()["id"]
    time.sleep(pause)
    return id, requests.post(f"{url}/v1/messages/{id}/cancel", headers=_HEADERS, timeout=20).status_code


def _state(url: str, id: str) -> str:
    return str(requests.get(f"{url}/v1/messages/{id}", headers=_HEADERS, timeout=20).json()["status"])
