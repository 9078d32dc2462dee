"""Whoever is suppressed gets nothing, from the moment that it is known; everybody else gets their one mail."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from mailer.ports import HttpResponse
from mailer.replay import Order, Wanted
from mailer.step import Finished, Later, Next
from mailer.store.desk import Records
from mailer.story import tell
from mailer.suppression import NO_TO_LEFT, NOBODY_LEFT, Reason
from tests.unit.suppressing import lift, named, suppress
from tests.unit.world import NO_CONNECTION, READ_TIMEOUT, World

A, B, C = "a@example.com", "b@example.com", "c@example.com"


def people(world: World, id: str) -> dict[str, tuple[str, str | None]]:
    return {r.email: (r.status.value, r.reason) for r in world.view(id).recipients}


def test_who_is_suppressed_is_left_out_at_acceptance_and_the_others_get_their_mail(world: World) -> None:
    suppress(world.store, A, Reason.BOUNCED)
    id = world.submit(to=[A.upper(), B], cc=C)
    assert people(world, id)[A.upper().replace("EXAMPLE.COM", "example.com")] == ("suppressed", "bounced")
    world.run(id)
    assert [named(r) for r in world.providers.requests] == [[B, C]]
    assert people(world, id)[B] == people(world, id)[C] == ("accepted", None)


def test_when_nobody_is_left_it_has_ended_with_its_reason_and_without_an_alarm(world: World) -> None:
    suppress(world.store, A)
    id = world.submit(to=A, send_at=world.now + timedelta(days=1))
    assert (world.view(id).status, world.view(id).reason) == ("failed", NOBODY_LEFT)
    world.now += timedelta(days=2)
    assert world.due() == []
    assert world.service.deliver(id) == Finished("failed")
    assert (world.providers.calls, world.alarms) == ([], [])


def test_without_a_to_the_copies_are_not_sent_either(world: World) -> None:
    suppress(world.store, A)
    id = world.submit(to=A, cc=B, bcc=C)
    assert (world.view(id).status, world.view(id).reason) == ("failed", NO_TO_LEFT)
    assert people(world, id) == {A: ("suppressed", "manual"), B: ("failed", None), C: ("failed", None)}


@pytest.mark.parametrize(("to", "ends"), [([A, B], "accepted"), ([A], "failed")])
def test_who_is_suppressed_after_acceptance_is_left_out_before_the_call(world: World, to: list[str], ends: str) -> None:
    id = world.submit(to=to)
    suppress(world.store, A, Reason.COMPLAINED)
    world.run(id)
    assert world.view(id).status == ends
    assert people(world, id)[A] == ("suppressed", "complained")
    assert [named(r) for r in world.providers.requests] == ([[B]] if B in to else [])
    assert world.alarms == []


def test_a_failover_leaves_out_who_was_suppressed_during_the_first_call(world: World) -> None:
    id = world.submit(to=[A, B])

    def meanwhile() -> HttpResponse:
        suppress(world.store, A)
        return HttpResponse(503, {}, b"{}")

    world.providers.script = {"sendgrid": [meanwhile]}
    assert isinstance(world.run(id)[0], Next)
    assert [named(r) for r in world.providers.requests] == [[A, B], [B]]
    assert people(world, id) == {A: ("suppressed", "manual"), B: ("accepted", None)}


def test_a_retry_leaves_out_who_was_suppressed_while_it_waited(world: World) -> None:
    world.providers.script = {"sendgrid": [NO_CONNECTION], "mailgun": [NO_CONNECTION]}
    id = world.submit(to=[A, B])
    assert isinstance(world.service.deliver(id), Next)
    assert isinstance(world.service.deliver(id), Later)
    suppress(world.store, B)
    world.now += timedelta(minutes=5)
    world.run(id)
    assert named(world.providers.requests[-1]) == [A]


def test_after_an_unknown_answer_failed_would_be_a_lie(world: World) -> None:
    world.providers.script = {"sendgrid": [READ_TIMEOUT]}
    id = world.submit(to=A)
    world.service.deliver(id)
    suppress(world.store, A)
    world.run(id)
    assert (world.view(id).status, world.view(id).reason) == ("unknown", NOBODY_LEFT)
    assert world.providers.calls == ["sendgrid"]


def test_waiting_for_news_ends_without_a_call_to_who_was_suppressed_meanwhile(world: World) -> None:
    world.providers.script = {"sendgrid": [READ_TIMEOUT]}
    id = world.submit(to=[A, B], on_unknown="wait")
    world.service.deliver(id)
    suppress(world.store, A)
    world.now += timedelta(hours=2)
    world.run(id)
    assert [named(r) for r in world.providers.requests] == [[A, B], [B]]


def test_one_that_is_suppressed_between_reading_and_claiming_is_not_named(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    id = world.submit(to=[A, B])
    claim, race = world.store.claim, [A]

    def late(*args: Any, **options: Any) -> set[str]:
        if race:
            suppress(world.store, race.pop())
        return claim(*args, **options)

    monkeypatch.setattr(world.store, "claim", late)
    assert world.service.deliver(id) == Finished("accepted")
    assert [named(r) for r in world.providers.requests] == [[B]]


def test_a_message_may_choose_to_ignore_suppressions_and_its_story_says_so(world: World) -> None:
    suppress(world.store, A, Reason.BOUNCED)
    id = world.submit(to=A, ignore_suppressions=True)
    world.run(id)
    assert people(world, id) == {A: ("accepted", None)}
    [story] = Records(world.store.database).stories_of_id(id)[0]
    assert "suppressions ignored" in tell(story, now=world.now)[0].text


def test_the_story_says_who_was_left_out_and_why(world: World) -> None:
    suppress(world.store, A, Reason.BOUNCED)
    id = world.submit(to=[A, B])
    [story] = Records(world.store.database).stories_of_id(id)[0]
    assert ("suppressed", "a***@example.com: bounced") in [
        (line.kind, line.text) for line in tell(story, now=world.now)
    ]


@pytest.mark.parametrize(("lifted", "ends"), [(False, "failed"), (True, "accepted")])
def test_a_replay_sends_to_whom_it_may_by_now(world: World, lifted: bool, ends: str) -> None:
    held = suppress(world.store, A)
    id = world.submit(to=A)
    if lifted:
        lift(world.store, held)
    order = Order(who="ann", why="", deadline=lambda _: 72_000)
    assert Records(world.store.database).replay(Wanted(ids=(id,)), order, limit=9, now=world.now) == [id]
    world.run(id)
    assert world.view(id).status == ends
    assert len(world.providers.calls) == lifted


@pytest.mark.parametrize(
    "changed", [{"project_id": "other"}, {"test": True}, {"stream": "news"}, {"email": "aa@example.com"}]
)
def test_what_holds_elsewhere_does_not_hold_here(world: World, changed: dict[str, Any]) -> None:
    suppress(world.store, **{"email": A} | changed)
    id = world.submit(to=A)
    world.run(id)
    assert people(world, id) == {A: ("accepted", None)}


def test_unsubscribing_from_news_leaves_the_password_reset(world: World) -> None:
    suppress(world.store, A, Reason.UNSUBSCRIBED, stream="bulk")
    news, reset = world.submit(to=A, lane="bulk"), world.submit(to=A)
    world.run(reset)
    assert (world.view(news).status, world.view(reset).status) == ("failed", "accepted")
