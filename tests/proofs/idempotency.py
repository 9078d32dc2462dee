"""One idempotency key, many requests at once, and an API that dies under them."""

from __future__ import annotations

import multiprocessing
import random
import threading
import time
import uuid
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import requests
import sqlalchemy as sa
from sqlalchemy.engine import Connection

from deploy.local.port import wait_until
from mailer.store import Database
from tests.chaos.system import API_KEY, System
from tests.factories import fields

# Short: a stuck key would be seen as an answer 409 that stays.
_PATIENCE = 30.0
# Messages that are made between two kills.
_BETWEEN = 20


def post(url: str, key: str, body: dict[str, Any]) -> tuple[str, str | None]:
    """Return how a request was answered (status, `replayed`, or the error's name), and the id in the answer."""
    headers = {"Authorization": f"Bearer {API_KEY}", "Idempotency-Key": key}
    try:
        answer = requests.post(f"{url}/v1/messages", json=body, headers=headers, timeout=20)
    except requests.RequestException as error:
        return type(error).__name__, None
    if answer.status_code == 202:
        return "replayed" if "Idempotency-Replayed" in answer.headers else "202", answer.json()["id"]
    return str(answer.status_code), None


def _several(url: str, key: str, number: int, ready: Any) -> list[tuple[str, str | None]]:
    """In a process of its own: so many requests at once."""
    found: list[tuple[str, str | None]] = []
    threads = [threading.Thread(target=lambda: found.append(post(url, key, fields()))) for _ in range(number)]
    ready.wait()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return found


@dataclass
class Crowd:
    """What became of parallel requests with one key: answers by kind, ids in them, messages stored."""

    answers: Counter[str]
    ids: set[str]
    messages: int


def crowd(system: System, *, requests: int = 100, processes: int = 8) -> Crowd:
    """Send so many requests with one key at once, from so many processes."""
    key, before = uuid.uuid4().hex, count(system)
    shares = [requests // processes + (number < requests % processes) for number in range(processes)]
    with multiprocessing.Manager() as manager, multiprocessing.Pool(processes) as pool:
        ready = manager.Barrier(processes)
        found = pool.starmap(_several, [(system.url, key, share, ready) for share in shares])
    answers = [answer for several in found for answer in several]
    ids = {id for _, id in answers if id}
    return Crowd(Counter(kind for kind, _ in answers), ids, count(system) - before)


@dataclass
class Kills:
    """What became of keys under kills: how many; still locked at the end; with more or fewer messages than one."""

    kills: int = 0
    keys: int = 0
    stuck: list[str] = field(default_factory=list)
    doubled: list[str] = field(default_factory=list)
    answers: Counter[str] = field(default_factory=Counter)


def kills(system: System, *, times: int = 20, seed: int = 1) -> Kills:
    """Kill -9 the API so often while requests with keys come in; then ask every key again."""
    rng, done, ended = random.Random(seed), Kills(), threading.Event()
    keys: list[str] = []
    lock = threading.Lock()

    def work() -> None:
        while not ended.is_set():
            key = uuid.uuid4().hex
            with lock:
                keys.append(key)
            # Each key twice at once: the second of a pair dies with the process too.
            with ThreadPoolExecutor(2) as pair:
                kinds = [kind for kind, _ in pair.map(partial(post, system.url, key), [_named(key)] * 2)]
            with lock:
                done.answers.update(kinds)
            if "ConnectionError" in kinds:
                time.sleep(0.1)

    threads = [threading.Thread(target=work) for _ in range(6)]
    for thread in threads:
        thread.start()
    for _ in range(times):
        # In the middle of the load, not before it has begun.
        wait_until(partial(_made, done.answers, done.answers["202"] + _BETWEEN), timeout=_PATIENCE)
        time.sleep(rng.uniform(0, 0.1))
        system.web.kill()
        done.kills += 1
        system.start(system.web)
    ended.set()
    for thread in threads:
        thread.join()
    done.keys = len(keys)
    stored = by_key(system, keys)
    for key in keys:
        if not wait_until(partial(_answered, system.url, key), timeout=_PATIENCE):
            done.stuck.append(key)
    after = by_key(system, keys)
    done.doubled = [key for key in keys if after[key] != 1 or (stored[key] > 1)]
    return done


def _made(answers: Counter[str], number: int) -> bool:
    return answers["202"] >= number


def _answered(url: str, key: str) -> bool:
    return post(url, key, _named(key))[1] is not None


def _named(key: str) -> dict[str, Any]:
    return fields(subject=f"key {key}", send_at="2100-01-01T00:00:00Z", metadata={"key": key})


def count(system: System) -> int:
    """Count the messages stored."""
    with _reading(system) as connection:
        found: int = connection.execute(sa.text("SELECT count(*) FROM messages")).scalar_one()
        return found


def by_key(system: System, keys: Sequence[str]) -> Counter[str]:
    """Count the messages by the key that is in their metadata."""
    with _reading(system) as connection:
        query = sa.text("SELECT content -> 'metadata' ->> 'key' AS key FROM contents")
        found = Counter(row.key for row in connection.execute(query))
    return Counter({key: found[key] for key in keys})


@contextmanager
def _reading(system: System) -> Iterator[Connection]:
    database = Database(system.environment["DATABASE_URL"])
    try:
        with database.read() as connection:
            yield connection
    finally:
        database.close()
