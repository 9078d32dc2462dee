"""The feed: every event once, numbered without gaps, whoever commits first."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from datetime import timedelta

import pytest
import sqlalchemy as sa

from mailer import ids
from mailer.delivery import EnvelopeInput
from mailer.event import Event, EventType, FeedType
from mailer.feed import FeedEvent
from mailer.ledger import Move
from mailer.store import Database, Store
from mailer.store.caller import CallerStore
from mailer.store.hearing import HearingStore
from mailer.store.tables import events, messages
from tests.factories import NOW
from tests.unit.test_hearing import event, take
from tests.unit.world import READ_TIMEOUT, World

T = EventType


def feed(world: World, *, after: int = 0, limit: int = 100, types: tuple[FeedType, ...] = ()) -> list[FeedEvent]:
    store = CallerStore(world.store.database)
    store.number(limit=500, now=world.now)
    return store.page("default", test=False, after=after, limit=limit, types=types)


def kinds(world: World) -> list[str]:
    return [e.type for e in feed(world)]


def test_what_providers_tell_is_told_in_order_with_what_the_message_brought(world: World) -> None:
    id = world.submit(metadata={"order": "4711"}, tags=["invoice"])
    world.run(id)
    take(world, event(world, id, T.DELIVERED), event(world, id, T.OPENED, machine=True))
    one, two = feed(world)
    assert (one.sequence, one.type, one.message_id, one.recipient) == (1, "delivered", id, "Bob@Example.com")
    assert (two.sequence, two.type, two.machine) == (2, "opened", True)
    assert (one.metadata, one.tags, one.request_id, one.provider) == (
        {"order": "4711"},
        ["invoice"],
        "req-1",
        "sendgrid",
    )
    assert feed(world, after=1) == [two]
    assert feed(world, types=(FeedType.OPENED,)) == [two]


def test_an_event_of_another_service_is_nobodys(world: World) -> None:
    id = world.submit()
    take(world, event(world, id, T.DELIVERED, envelope_id=None))
    assert feed(world) == []


def test_an_end_that_no_provider_tells_is_told(world: World) -> None:
    world.providers.script = {"sendgrid": [400]}
    failed = world.submit(to=["a@example.com", "b@example.com"])
    world.run(failed)
    assert [(e.type, e.recipient, e.provider) for e in feed(world)] == [
        ("failed", "a@example.com", None), ("failed", "b@example.com", None)
    ]  # fmt: skip


@pytest.mark.parametrize("on_unknown", ["fail", "wait"])
def test_a_mail_that_rests_without_anybody_knowing_is_told_once(world: World, on_unknown: str) -> None:
    world.providers.script = {name: [READ_TIMEOUT] * 9 for name in ("sendgrid", "mailgun")}
    id = world.submit(on_unknown=on_unknown)
    while world.service.deliver(id) and world.store.load([id])[id].wake_at is not None:
        world.now += timedelta(minutes=30)
    assert world.view(id).status == "unknown"
    assert kinds(world) == ["outcome_unknown"]


def test_whoever_is_left_out_is_told(world: World) -> None:
    bounced = world.submit(to="bob@example.com")
    world.run(bounced)
    take(world, event(world, bounced, T.BOUNCED))
    again = world.submit(to=["bob@example.com", "ann@example.com"])
    world.run(again)
    assert [(e.type, e.message_id, e.recipient, e.detail) for e in feed(world)][1:] == [
        ("suppressed", again, "bob@example.com", "bounced")
    ]


def test_of_two_who_give_up_one_tells(world: World) -> None:
    world.providers.script = {name: [READ_TIMEOUT] * 9 for name in ("sendgrid", "mailgun")}
    id = world.submit(on_unknown="fail")
    world.service.deliver(id)
    move = Move(id=id, input=EnvelopeInput.GIVE_UP, reason="expired", seen=1)
    assert world.store.settle([move], now=world.now) == set()
    assert kinds(world) == ["outcome_unknown"]


def test_what_a_process_of_the_version_before_stores_gets_to_its_own_world_and_nobody_elses(world: World) -> None:
    id = world.submit()
    world.run(id)
    take(world, event(world, id, T.DELIVERED), event(world, id, T.OPENED, envelope_id=None))
    with world.store.database.write() as connection:
        connection.execute(sa.update(messages).values(test=True))
        connection.execute(sa.update(events).values(public=True, test=False))
    assert feed(world) == []
    page = CallerStore(world.store.database).page("default", test=True, after=0, limit=9, types=())
    assert [e.type for e in page] == ["delivered"]


def test_two_copies_that_arrived_are_told_once(world: World) -> None:
    world.providers.script = {"sendgrid": [READ_TIMEOUT]}
    id = world.submit()
    world.run(id)
    for _ in range(2):
        take(world, event(world, id, T.DELIVERED), event(world, id, T.DELIVERED, attempt=1, provider="mailgun"))
    assert kinds(world).count("duplicate_delivered") == 1


def test_an_accepted_mail_is_its_providers_to_tell(world: World) -> None:
    world.run(world.submit())
    assert feed(world) == []


@pytest.fixture
def database(database_url: str) -> Iterator[Database]:
    found = Database(database_url, pool_size=20)
    yield found
    found.close()


def test_a_reader_who_follows_the_numbers_misses_nothing_while_many_write_and_number(database: Database) -> None:
    store, caller, hearing = Store(database), CallerStore(database), HearingStore(database)
    from tests.unit.store.test_store import stored

    work = stored(store)
    writers, each = 6, 25
    done = threading.Event()

    def write(number: int) -> None:
        for count in range(each):
            told = Event(
                type=T.OPENED, provider="sendgrid", provider_event_id=f"{number}-{count}", occurred_at=NOW,
                raw_type="open", envelope_id=work.id, recipient="bob@example.com",
            )  # fmt: skip
            hearing.take(ids.new(), [told], [], now=NOW)
            caller.number(limit=7, now=NOW)

    seen: list[int] = []

    def read() -> None:
        while True:
            ended = done.is_set()
            page = caller.page("default", test=False, after=seen[-1] if seen else 0, limit=10, types=())
            seen.extend(e.sequence or 0 for e in page)
            if ended and not page:
                return
            time.sleep(0.001)

    threads = [threading.Thread(target=write, args=(number,)) for number in range(writers)]
    reader = threading.Thread(target=read)
    for thread in (*threads, reader):
        thread.start()
    for thread in threads:
        thread.join()
    while caller.number(limit=500, now=NOW)[0]:
        pass
    done.set()
    reader.join()
    assert seen == list(range(1, writers * each + 1))
    with database.read() as connection:
        assert connection.execute(sa.select(sa.func.count(sa.distinct(events.c.position)))).scalar_one() == len(seen)
