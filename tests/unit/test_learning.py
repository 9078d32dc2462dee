"""What events teach: whom not to mail any more, in which stream, and after how many temporary bounces."""

from __future__ import annotations

import itertools
from datetime import timedelta
from typing import Any

import pytest

from mailer import ids
from mailer.bounce import BounceClass
from mailer.event import Event, EventType
from mailer.store.hearing import HearingStore
from mailer.suppression import Reason
from tests.unit.suppressing import known, lift
from tests.unit.test_hearing import event, take
from tests.unit.world import World

T = EventType
BOB = "bob@example.com"


def sent(world: World, **fields: Any) -> str:
    id = world.submit(**fields)
    world.run(id)
    return id


def soft(world: World, id: str, **changed: Any) -> Event:
    """Return a temporary bounce."""
    values: dict[str, Any] = {"permanent": False, "bounce_class": BounceClass.MAILBOX_FULL}
    return event(world, id, T.BOUNCED, **values | changed)


def bars(world: World, **wanted: Any) -> list[tuple[str, str, str]]:
    return [(s.email, s.reason.value, s.stream) for s in known(world.store, **wanted)]


@pytest.mark.parametrize(
    ("type", "fields", "bar"),
    [
        (T.BOUNCED, {"lane": "bulk", "stream": "news"}, ("bounced", "")), (T.COMPLAINED, {}, ("complained", "")),
        (T.UNSUBSCRIBED, {"lane": "bulk", "stream": "news"}, ("unsubscribed", "news")),
        (T.UNSUBSCRIBED, {"lane": "bulk"}, ("unsubscribed", "bulk")),
        (T.UNSUBSCRIBED, {}, ("unsubscribed", "transactional")),
    ],
)  # fmt: skip
def test_an_event_suppresses_its_recipient_once(
    world: World, type: EventType, fields: dict[str, Any], bar: tuple[str, str]
) -> None:
    told = event(world, sent(world, **fields), type, detail="550 no such user bob@example.com")
    for _ in range(20):
        take(world, told)
    assert bars(world) == [(BOB, *bar)]
    [held] = known(world.store)
    assert (held.source, held.detail) == ("sendgrid", "550 no such user b***@example.com")


@pytest.mark.parametrize("kind", [BounceClass.BLOCKED, BounceClass.SPAM, BounceClass.POLICY])
def test_a_bounce_about_us_or_the_content_suppresses_nobody(world: World, kind: BounceClass) -> None:
    for _ in range(6):
        id = sent(world)
        take(world, event(world, id, T.BOUNCED, bounce_class=kind), soft(world, id, bounce_class=kind))
    assert bars(world) == []


def test_what_is_about_no_mail_of_ours_or_none_of_its_recipients_teaches_nothing(world: World) -> None:
    id = sent(world)
    take(
        world, event(world, id, T.BOUNCED, envelope_id=None), event(world, id, T.BOUNCED, envelope_id=ids.new()),
        event(world, id, T.BOUNCED, recipient="eve@example.com"), event(world, id, T.COMPLAINED, recipient=None),
    )  # fmt: skip
    assert bars(world) == []


def test_so_many_mails_in_a_row_that_bounce_temporarily_are_a_bounce(world: World) -> None:
    for number in range(5):
        assert bars(world) == [], number
        id = sent(world)
        told = [soft(world, id), soft(world, id)]
        for _ in range(20):
            take(world, *told)
    assert bars(world) == [(BOB, "bounced", "")]
    assert "5 mails in a row bounced temporarily, the last one: mailbox_full" in known(world.store)[0].detail


@pytest.mark.parametrize("order", list(itertools.permutations(range(3))))
def test_one_that_has_arrived_between_begins_the_count_anew_however_they_are_told(
    world: World, order: tuple[int, ...]
) -> None:
    mails = [sent(world) for _ in range(3)]
    at: list[dict[str, Any]] = [{"occurred_at": world.now + timedelta(minutes=n)} for n in range(3)]
    told = [
        soft(world, mails[0], **at[0]),
        event(world, mails[1], T.DELIVERED, **at[1]),
        soft(world, mails[2], **at[2]),
    ]
    for number in order:
        HearingStore(world.store.database, soft_bounces=2).take(ids.new(), [told[number]], [], now=world.now)
    # Told last, it is told too late.
    assert bars(world) == ([(BOB, "bounced", "")] if order[-1] == 1 else [])


def test_different_recipients_and_projects_are_counted_apart(world: World) -> None:
    for number in range(4):
        take(world, soft(world, sent(world, to=[BOB, "eve@example.com"])))
        take(world, soft(world, sent(world, to="eve@example.com"), recipient="eve@example.com"))
        assert bars(world) == [], number


def test_with_zero_temporary_bounces_count_for_nothing(world: World) -> None:
    for _ in range(7):
        told = soft(world, sent(world))
        HearingStore(world.store.database, soft_bounces=0).take(ids.new(), [told], [], now=world.now)
    assert bars(world) == []


def test_once_it_is_lifted_the_count_begins_anew(world: World) -> None:
    for _ in range(5):
        take(world, soft(world, sent(world)))
    [held] = known(world.store)
    world.now += timedelta(minutes=1)
    assert lift(world.store, held, now=world.now)
    world.now += timedelta(minutes=1)
    take(world, soft(world, sent(world)))
    assert bars(world) == []


def test_who_has_bounced_gets_nothing_more(world: World) -> None:
    take(world, event(world, sent(world), T.BOUNCED))
    id = world.submit()
    assert world.view(id).status == "failed"
    assert [r.reason for r in world.view(id).recipients] == [Reason.BOUNCED]
