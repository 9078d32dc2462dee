"""What providers tell us: stored once, applied in any order, and it ends what nobody knew."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from datetime import timedelta
from typing import Any

import pytest
import sqlalchemy as sa

from mailer import ids
from mailer.bounce import BounceClass
from mailer.errors import Unanswered
from mailer.event import Event, EventType
from mailer.ports import HttpResponse
from mailer.step import Finished
from mailer.store.hearing import HearingStore
from mailer.store.tables import events, notes
from tests.unit.world import READ_TIMEOUT, World

T = EventType


def event(world: World, id: str, type: EventType, *, attempt: int = 0, **changed: Any) -> Event:
    """Return an event about the (first) recipient of a message."""
    tried = world.view(id).attempts
    values: dict[str, Any] = {
        "type": type, "provider": "sendgrid", "provider_event_id": ids.new(), "occurred_at": world.now,
        "raw_type": type.value, "envelope_id": id, "attempt_id": tried[attempt].id if tried else None,
        "project_id": "default", "recipient": "Bob@Example.com",
    }  # fmt: skip
    if type is T.BOUNCED:
        values |= {"permanent": True, "bounce_class": BounceClass.UNKNOWN_USER}
    return Event(**values | changed)


def take(world: World, *told: Event) -> list[str]:
    """Take events in, as if they were those of one webhook."""
    return HearingStore(world.store.database).take(ids.new(), told, [], now=world.now)


def state(world: World, id: str) -> str:
    return world.view(id).recipients[0].status


def count(world: World, table: sa.Table) -> int:
    with world.store.database.read() as connection:
        return connection.execute(sa.select(sa.func.count()).select_from(table)).scalar_one()


@pytest.mark.parametrize(
    ("told", "becomes"),
    [
        ([T.ACCEPTED], "accepted"), ([T.DEFERRED], "deferred"), ([T.DELIVERED], "delivered"), ([T.OPENED], "delivered"),
        ([T.BOUNCED], "bounced"), ([T.REJECTED], "rejected"), ([T.DELIVERED, T.COMPLAINED], "complained"),
        ([T.DEFERRED, T.DELIVERED, T.OPENED, T.CLICKED], "delivered"), ([T.UNKNOWN], "accepted"),
        ([T.DELIVERED, T.BOUNCED], "bounced"), ([T.DEFERRED, T.BOUNCED], "bounced"),
    ],
)  # fmt: skip
def test_whatever_the_order_the_state_is_the_same(world: World, told: Sequence[EventType], becomes: str) -> None:
    for order in itertools.permutations(told):
        id = world.submit()
        world.run(id)
        for type in order:
            take(world, event(world, id, type))
        assert state(world, id) == becomes


def test_a_temporary_bounce_is_a_deferral(world: World) -> None:
    id = world.submit()
    world.run(id)
    take(world, event(world, id, T.BOUNCED, permanent=False))
    assert state(world, id) == "deferred"


def test_the_same_event_twenty_times_is_one_event(world: World) -> None:
    id = world.submit()
    world.run(id)
    told = event(world, id, T.DELIVERED)
    for _ in range(20):
        take(world, told, told)
    assert count(world, events) == 1


def test_an_event_about_no_mail_of_ours_is_kept_and_moves_nothing(world: World) -> None:
    id = world.submit()
    take(world, event(world, id, T.DELIVERED, envelope_id=ids.new()), event(world, id, T.DELIVERED, envelope_id=None))
    assert count(world, events) == 2
    assert state(world, id) == "queued"


def test_only_the_recipient_that_is_named_moves(world: World) -> None:
    id = world.submit(to=["a@example.com", "b@example.com"])
    world.run(id)
    take(world, event(world, id, T.DELIVERED, recipient="B@example.com"))
    assert [r.status for r in world.view(id).recipients] == ["accepted", "delivered"]


@pytest.mark.parametrize("type", [T.ACCEPTED, T.DELIVERED, T.DEFERRED, T.BOUNCED, T.OPENED])
def test_an_event_ends_what_nobody_knew_and_no_second_mail_goes_out(world: World, type: EventType) -> None:
    world.providers.script = {"sendgrid": [READ_TIMEOUT]}
    id = world.submit(on_unknown="wait")
    world.service.deliver(id)
    assert world.view(id).status == "unknown"
    assert take(world, event(world, id, type, provider_message_id="sg-9")) == [id]
    assert world.view(id).status == "accepted"
    assert world.outcomes(id) == [("sendgrid", "accepted")]
    assert world.view(id).attempts[0].provider_message_id == "sg-9"
    world.now += timedelta(hours=2)
    assert world.service.deliver(id) == Finished("accepted")
    assert world.providers.calls == ["sendgrid"]


@pytest.mark.parametrize("answer", [HttpResponse(202, {"x-message-id": "sg-1"}), HttpResponse(500, {}), READ_TIMEOUT])
def test_an_event_that_comes_before_the_answer_is_believed_and_the_answer_changes_nothing(
    world: World, answer: HttpResponse | Unanswered
) -> None:
    id = world.submit()

    def told_meanwhile() -> HttpResponse:
        take(world, event(world, id, T.DELIVERED))
        if isinstance(answer, Unanswered):
            raise answer
        return answer

    world.providers.script = {"sendgrid": [told_meanwhile]}
    world.run(id)
    assert (world.view(id).status, state(world, id)) == ("accepted", "delivered")
    assert world.outcomes(id) == [("sendgrid", "accepted")]
    assert world.providers.calls == ["sendgrid"]


def test_a_failover_that_delivered_twice_is_written_down(world: World) -> None:
    world.providers.script = {"sendgrid": [READ_TIMEOUT]}
    id = world.submit()
    world.run(id)
    assert world.outcomes(id) == [("sendgrid", "unknown"), ("mailgun", "accepted")]
    for _ in range(2):
        take(world, event(world, id, T.DELIVERED), event(world, id, T.DELIVERED, attempt=1, provider="mailgun"))
    with world.store.database.read() as connection:
        kinds = connection.execute(sa.select(notes.c.kind)).scalars().all()
    assert kinds == ["duplicate_delivered"]


def test_a_test_of_every_event_leaves_its_line_in_the_story(world: World) -> None:
    from mailer.store.desk import Records
    from mailer.story import tell

    id = world.submit()
    world.run(id)
    take(world, event(world, id, T.BOUNCED, detail="550 no such user bob@example.com"))
    [story] = Records(world.store.database).stories_of_id(id)[0]
    [line] = [line for line in tell(story, now=world.now) if line.kind == "bounced"]
    assert "sendgrid: B***@Example.com unknown_user" in line.text
    assert "bob@" not in line.text
