"""Callbacks: every event to every endpoint that wants it, again until it is taken, and no endpoint in another's way."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from standardwebhooks import Webhook
from standardwebhooks.webhooks import WebhookVerificationError

from mailer import ids
from mailer.callback import Secret
from mailer.callback_http import CallbackTransport
from mailer.caller import Caller, Pace
from mailer.calling import Turn, Waiting
from mailer.endpoint import Endpoint, Key
from mailer.event import FeedType
from mailer.feed import CallbackState
from mailer.ledger import Answer
from mailer.store import Database, Store
from mailer.store.caller import CallerStore
from tests.factories import message
from tests.receiver import Receiver, receiver
from tests.unit.store.test_store import stored


class Shop:
    """A project with a message, its endpoints, and workers that call them; time can be moved."""

    def __init__(self, database: Database, here: Receiver, *, timeout: float = 1.0) -> None:
        self.database, self.receiver = database, here
        self.store = CallerStore(database)
        self.ahead = timedelta()
        self.alarms: list[str] = []
        self.work = stored(Store(database))
        self.caller = self.worker(timeout=timeout)

    def worker(self, *, timeout: float = 1.0, troubled: int = 4) -> Caller:
        """Return another worker."""
        return Caller(
            store=self.store,
            transport=CallbackTransport(localhost=True, timeout=timeout),
            pace=Pace(calls=4, threads=20, batch=20, turn_seconds=5, lease_seconds=30, troubled=troubled),
            alarm=lambda name, **_: self.alarms.append(name),
            clock=self.now,
            uniform=lambda low, high: (low + high) / 2,
        )

    def now(self) -> datetime:
        return datetime.now(UTC) + self.ahead

    def endpoint(self, path: str = "/hooks", **changed: Any) -> Endpoint:
        """Register an endpoint at the receiver."""
        values: dict[str, Any] = {
            "id": ids.new(), "project_id": "default", "test": False, "url": self.receiver.url + path,
            "keys": (Key(secret=Secret.new(), created_at=self.now()),), "created_at": self.now(),
        }  # fmt: skip
        new = Endpoint(**values | changed)
        self.store.add(new, asked=None, given=Answer(status=201, body={}))
        return new

    def happen(self, *types: FeedType) -> None:
        """Let things become of the message."""
        from mailer.store import feed

        with self.database.write() as connection:
            for type in types:
                feed.occur(connection, self.work.id, type, ["bob@example.com"], now=self.now())

    def call(self, caller: Caller | None = None) -> dict[Waiting, float]:
        """Do what workers do: number, then call whoever waits."""
        working = caller or self.caller
        waiting = working.publish()
        groups = [[w.endpoint_id for w in waiting if not w.alone], *([w.endpoint_id] for w in waiting if w.alone)]
        return {w: seconds for group in groups for again in working.call(group) for w, seconds in again.items()}

    def again(self, endpoint: Endpoint, *, after: timedelta = timedelta()) -> float | None:
        """Call one endpoint later; in how many seconds there is more."""
        self.ahead += after
        more = [seconds for again in self.caller.call([endpoint.id]) for seconds in again.values()]
        return more[0] if more else None

    def log(self, endpoint: Endpoint) -> list[CallbackState]:
        """Return what an endpoint was told and is to be told, the oldest first."""
        return self.store.log(endpoint, status=None, after=None, limit=100)[::-1]

    def known(self, endpoint: Endpoint) -> Endpoint:
        found = self.store.get(endpoint.id, project_id="default", test=False)
        assert found is not None
        return found


@pytest.fixture
def here() -> Iterator[Receiver]:
    with receiver() as running:
        yield running


@pytest.fixture
def shop(database_url: str, here: Receiver) -> Iterator[Shop]:
    database = Database(database_url, pool_size=20)
    yield Shop(database, here)
    database.close()


@pytest.fixture
def lite(sqlite_url: str, here: Receiver) -> Iterator[Shop]:
    """Give a shop on SQLite: what depends on the rules alone."""
    database = Database(sqlite_url)
    yield Shop(database, here)
    database.close()


def test_an_application_can_verify_what_it_is_told_with_the_official_library(shop: Shop) -> None:
    e = shop.endpoint()
    shop.happen(FeedType.FAILED)
    shop.call()
    [got] = shop.receiver.got
    secret = e.keys[0].secret.text
    said = Webhook(secret).verify(got.body, got.headers)
    assert said["type"] == "failed"
    assert said["data"]["message_id"] == shop.work.id
    assert said["data"]["sequence"] == 1
    assert got.id == said["data"]["id"]
    with pytest.raises(WebhookVerificationError):
        Webhook(Secret.new().text).verify(got.body, got.headers)
    [line] = shop.log(e)
    assert (line.status, line.attempts, line.event_id, line.next_at) == ("delivered", 1, got.id, None)
    assert line.last is not None
    assert (line.last.status_code, line.last.excerpt) == (200, "ok")


def test_many_events_reach_every_endpoint_once(shop: Shop) -> None:
    endpoints = [shop.endpoint(f"/{number}") for number in range(3)]
    shop.happen(*[FeedType.FAILED] * 70)
    again = shop.call()
    while again:
        waves = shop.caller.call([waiting.endpoint_id for waiting in again])
        again = {w: seconds for wave in waves for w, seconds in wave.items()}
    for number, e in enumerate(endpoints):
        got = shop.receiver.at(f"/{number}")
        assert sorted(each.json["data"]["sequence"] for each in got) == list(range(1, 71))
        assert {line.status for line in shop.log(e)} == {"delivered"}


def test_what_is_not_taken_is_told_again_under_the_same_id_until_it_is(lite: Shop) -> None:
    e = lite.endpoint()
    lite.receiver.answers["/hooks"] = 500
    lite.happen(FeedType.FAILED)
    [again] = lite.call().values()
    assert again == pytest.approx(5, abs=1)
    assert lite.again(e) is not None, "it is not due yet"
    assert len(lite.receiver.got) == 1
    lite.again(e, after=timedelta(seconds=6))
    lite.receiver.answers["/hooks"] = 200
    assert lite.again(e, after=timedelta(seconds=36)) is None
    assert len({got.id for got in lite.receiver.got}) == 1
    [line] = lite.log(e)
    assert (line.status, line.attempts) == ("delivered", 3)
    assert [a.status_code for a in lite.store.attempts(line.id)] == [500, 500, 200]


def test_one_event_that_is_not_taken_is_given_up_after_a_day_and_stops_no_other(lite: Shop) -> None:
    e = lite.endpoint()
    lite.receiver.answers["/hooks"] = lambda request: request.send_error(500)
    lite.happen(FeedType.FAILED)
    lite.call()
    lite.receiver.answers["/hooks"] = 200
    lite.happen(FeedType.EXPIRED)
    lite.call()
    assert [line.status for line in lite.log(e)] == ["pending", "delivered"]
    lite.receiver.answers["/hooks"] = 500
    lite.again(e, after=timedelta(hours=25))
    assert [line.status for line in lite.log(e)] == ["failed", "delivered"]


def test_what_waited_for_more_than_a_day_is_not_given_up_at_its_first_try(lite: Shop) -> None:
    e = lite.endpoint()
    lite.happen(FeedType.FAILED)
    lite.caller.publish()
    lite.receiver.answers["/hooks"] = 503
    lite.again(e, after=timedelta(days=2))
    assert [line.status for line in lite.log(e)] == ["pending"]
    lite.receiver.answers["/hooks"] = 200
    lite.again(e, after=timedelta(seconds=6))
    [line] = lite.log(e)
    assert (line.status, line.attempts) == ("delivered", 2)


def test_a_replay_is_tried_again_as_soon_as_a_first_one(lite: Shop) -> None:
    e = lite.endpoint()
    lite.receiver.answers["/hooks"] = 500
    lite.happen(FeedType.FAILED)
    lite.call()
    for _ in range(4):
        lite.again(e, after=timedelta(hours=4))
    [line] = lite.log(e)
    assert line.next_at is not None
    assert line.next_at - lite.now() > timedelta(minutes=5)
    lite.store.replay(e, line.id, asked=None, render=lambda _: Answer(status=202, body={}), now=lite.now())
    lite.again(e, after=timedelta(hours=1))
    [line] = lite.log(e)
    assert line.next_at is not None
    assert (line.attempts, line.next_at - lite.now() < timedelta(seconds=10)) == (6, True)


def test_many_endpoints_share_what_one_transaction_writes(lite: Shop) -> None:
    for number in range(60):
        lite.endpoint(f"/{number}")
    lite.happen(*[FeedType.FAILED] * 100)
    more, waiting = lite.store.number(limit=500, now=lite.now())
    assert more
    assert len(waiting) == 60
    lite.caller.publish()
    page = lite.store.page("default", test=False, after=0, limit=500, types=())
    assert [event.sequence for event in page] == list(range(1, 101))


def test_an_endpoint_that_fails_for_a_day_is_switched_off_with_notice_and_probed_until_it_is_back(lite: Shop) -> None:
    e, other = lite.endpoint(), lite.endpoint("/other")
    lite.receiver.answers["/hooks"] = 503
    lite.happen(*[FeedType.FAILED] * 3)
    lite.call()
    for _ in range(30):
        lite.again(e, after=timedelta(hours=1))
    off = lite.known(e)
    assert off.disabled_reason == "failing"
    assert lite.alarms == ["endpoint.disabled"]
    lite.call()
    assert lite.receiver.at("/other")[-1].json["type"] == "endpoint_disabled"
    assert e.id in lite.receiver.at("/other")[-1].json["data"]["detail"]
    lite.happen(FeedType.EXPIRED)
    lite.call()
    before = len(lite.receiver.at("/hooks"))
    lite.again(e, after=timedelta(minutes=59))
    lite.again(e, after=timedelta(minutes=2))
    assert len(lite.receiver.at("/hooks")) == before + 1, "one probe an hour"
    lite.receiver.answers["/hooks"] = 200
    assert lite.again(e, after=timedelta(minutes=61)) == 0, "there is more"
    assert lite.known(e).disabled_reason is None
    lite.again(e)
    lite.again(e, after=timedelta(hours=5))
    assert {line.status for line in lite.log(e)} == {"delivered"}, "everything waited for it"
    assert lite.known(other).failures == 0


def test_who_says_410_is_asked_no_more(lite: Shop) -> None:
    e = lite.endpoint()
    lite.receiver.answers["/hooks"] = 410
    lite.happen(*[FeedType.FAILED] * 2)
    lite.call()
    assert lite.known(e).disabled_reason == "gone"
    lite.happen(FeedType.EXPIRED)
    lite.call()
    lite.again(e, after=timedelta(days=1))
    assert len(lite.receiver.got) <= 2
    assert len(lite.log(e)) == 2, "nothing more is kept for it"


def test_an_endpoint_in_trouble_is_asked_with_one_call_and_left_alone_in_between(lite: Shop) -> None:
    e = lite.endpoint()
    lite.receiver.answers["/hooks"] = 500
    lite.happen(*[FeedType.FAILED] * 50)
    lite.call()
    first = len(lite.receiver.got)
    assert first < 10, "it stops before all fifty have failed"
    assert lite.known(e).rest_until is not None
    lite.again(e, after=timedelta(minutes=20))
    assert len(lite.receiver.got) == first + 1


def test_one_turn_at_a_time_so_many_workers_make_no_second_call(shop: Shop) -> None:
    e = shop.endpoint()
    shop.receiver.answers["/hooks"] = shop.receiver.slow
    shop.happen(*[FeedType.FAILED] * 8)
    shop.caller.publish()
    workers = [shop.worker() for _ in range(6)]
    threads = [threading.Thread(target=lambda worker=worker: list(worker.call([e.id]))) for worker in workers]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(shop.receiver.got) == len({got.id for got in shop.receiver.got}) == 8


def test_what_a_killed_worker_was_telling_is_told_again_under_the_same_id(lite: Shop) -> None:
    e = lite.endpoint()
    lite.happen(FeedType.FAILED)
    lite.caller.publish()
    now = lite.now()
    assert lite.store.begin([e.id], Turn(id=ids.new(), until=now + timedelta(seconds=30)), well=True, now=now) == [e]
    assert lite.again(e) is None, "somebody is at it"
    assert lite.caller.overdue(older_than=0, limit=10) == set()
    lite.ahead += timedelta(seconds=31)
    assert lite.caller.overdue(older_than=0, limit=10) == {Waiting(e.id, alone=False)}
    lite.again(e)
    assert len(lite.receiver.got) == 1


def test_a_turn_that_took_too_long_writes_nothing_over_the_next_one(lite: Shop) -> None:
    e = lite.endpoint()
    lite.happen(FeedType.FAILED)
    lite.caller.publish()
    now = lite.now()
    old = Turn(id=ids.new(), until=now)
    lite.store.begin([e.id], old, well=True, now=now)
    lite.again(e)
    assert lite.store.record([e.id], [], turn=old, after=lambda found: replace(found, failures=9), now=now) == {}
    assert lite.known(e).failures == 0


def test_endpoints_that_are_called_together_do_not_wait_for_one_that_hangs(shop: Shop) -> None:
    caller = shop.worker(timeout=3)
    good = [shop.endpoint(f"/good/{number}") for number in range(5)]
    shop.endpoint("/hangs")
    shop.receiver.answers["/hangs"] = shop.receiver.hang
    shop.happen(FeedType.FAILED)
    together = threading.Thread(target=shop.call, args=(caller,))
    begun = time.monotonic()
    together.start()
    shop.receiver.wait(6)
    while any(line.status == "pending" for e in good for line in shop.log(e)):
        assert time.monotonic() - begun < 2, "their turn is over, and the next event can be told"
    assert together.is_alive()
    shop.happen(FeedType.EXPIRED)
    shop.call()
    assert all(len(shop.receiver.at(f"/good/{number}")) == 2 for number in range(5))
    together.join()


def test_an_endpoint_that_is_slow_is_called_by_itself_until_it_is_not(lite: Shop) -> None:
    caller = lite.worker(timeout=5)
    e = lite.endpoint()
    lite.receiver.answers["/hooks"] = lite.receiver.very_slow
    lite.happen(FeedType.FAILED)
    lite.call(caller)
    assert lite.known(e).slow
    lite.happen(FeedType.FAILED)
    assert caller.publish() == {Waiting(e.id, alone=True)}
    lite.receiver.answers["/hooks"] = 200
    list(caller.call([e.id]))
    assert not lite.known(e).slow


def test_one_with_a_long_backlog_does_not_keep_those_with_it_waiting(shop: Shop) -> None:
    many, few = (
        shop.endpoint("/many", types=frozenset({FeedType.FAILED})),
        shop.endpoint("/few", types=frozenset({FeedType.EXPIRED})),
    )
    shop.happen(*[FeedType.FAILED] * 100)
    shop.happen(FeedType.EXPIRED)
    shop.call()
    assert len(shop.receiver.at("/few")) == 1
    assert len(shop.receiver.at("/many")) == 20, "a turn's worth"
    assert (len(shop.log(few)), len(shop.log(many))) == (1, 100)


def test_endpoints_in_trouble_take_only_their_share_of_the_threads(lite: Shop) -> None:
    caller = lite.worker(timeout=5, troubled=1)
    slow = [lite.endpoint(f"/slow/{number}") for number in range(3)]
    for number in range(3):
        lite.receiver.answers[f"/slow/{number}"] = 500
    lite.happen(FeedType.FAILED)
    lite.call(caller)
    for number in range(3):
        lite.receiver.answers[f"/slow/{number}"] = lite.receiver.hang
    lite.ahead += timedelta(seconds=10)
    threads = [threading.Thread(target=lambda e=e: list(caller.call([e.id]))) for e in slow]
    begun = time.monotonic()
    threads[0].start()
    lite.receiver.wait(4)
    answers = [again for e in slow[1:] for wave in caller.call([e.id]) for again in wave.values()]
    assert answers == [1.0, 1.0], "they come back when there is room"
    assert time.monotonic() - begun < 5
    lite.receiver.ended.set()
    threads[0].join()


@pytest.mark.parametrize("how", ["hang", "trickle"])
def test_an_endpoint_that_does_not_come_to_an_end_is_cut(lite: Shop, how: str) -> None:
    e = lite.endpoint()
    lite.receiver.answers["/hooks"] = getattr(lite.receiver, how)
    lite.happen(FeedType.FAILED)
    begun = time.monotonic()
    lite.call()
    assert time.monotonic() - begun < 4
    [line] = lite.log(e)
    assert line.last is not None
    assert line.last.error in ("timeout", "too_slow")


def test_a_message_with_an_address_of_its_own_is_told_there(shop: Shop) -> None:
    url = shop.receiver.url + "/orders/4711"
    shop.work = stored(Store(shop.database), message=message(callback_url=url))
    everything, single = shop.endpoint("/all"), shop.endpoint("/orders", per_message=True)
    elsewhere = shop.endpoint("/carts", per_message=True)
    shop.happen(FeedType.FAILED)
    shop.call()
    assert sorted(got.path for got in shop.receiver.got) == ["/all", "/orders/4711"]
    assert [len(shop.log(e)) for e in (everything, single, elsewhere)] == [1, 1, 0]
    [got] = shop.receiver.at("/orders/4711")
    Webhook(single.keys[0].secret.text).verify(got.body, got.headers)


def test_during_a_rotation_both_secrets_verify(lite: Shop) -> None:
    e = lite.endpoint()
    new = Secret.new()
    lite.store.change(
        e.id, project_id="default", test=False, change=lambda was: was.rotated(new, now=lite.now()),
        render=lambda _: Answer(status=200, body={}),
    )  # fmt: skip
    lite.happen(FeedType.FAILED)
    lite.call()
    [got] = lite.receiver.got
    for secret in (e.keys[0].secret, new):
        Webhook(secret.text).verify(got.body, got.headers)


def test_test_messages_and_the_others_have_feeds_and_endpoints_of_their_own(lite: Shop) -> None:
    test, live = lite.endpoint("/test", test=True), lite.endpoint("/live")
    lite.happen(FeedType.FAILED)
    lite.work = stored(Store(lite.database), test=True)
    lite.happen(FeedType.EXPIRED)
    lite.call()
    assert [(got.path, got.json["type"], got.json["data"]["sequence"]) for got in sorted(
        lite.receiver.got, key=lambda got: got.path
    )] == [("/live", "failed", 1), ("/test", "expired", 1)]  # fmt: skip
    assert [len(lite.log(e)) for e in (test, live)] == [1, 1]


def test_what_is_too_old_is_forgotten_and_a_deleted_endpoint_with_all_it_was_told(shop: Shop) -> None:
    kept, gone = shop.endpoint("/kept"), shop.endpoint("/gone")
    shop.happen(*[FeedType.FAILED] * 3)
    shop.call()
    assert shop.store.delete(gone.id, project_id="default", test=False, now=shop.now())
    assert shop.store.get(gone.id, project_id="default", test=False) is None
    while shop.caller.forget(limit=2):
        pass
    assert len(shop.log(kept)) == 3
    assert shop.log(gone) == []
    shop.ahead += timedelta(days=31)
    while shop.caller.forget(limit=2):
        pass
    assert shop.log(kept) == []


def test_many_who_number_at_once_do_it_together(lite: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[int] = []
    number: Callable[..., Any] = lite.store.number

    def slowly(**options: Any) -> Any:
        calls.append(1)
        time.sleep(0.1)
        return number(**options)

    monkeypatch.setattr(lite.store, "number", slowly)
    threads = [threading.Thread(target=lite.caller.publish) for _ in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert 1 < len(calls) <= 3, "the first, and once more for all who came meanwhile"
