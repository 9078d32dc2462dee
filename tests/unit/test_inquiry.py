"""`on_unknown=wait`: the provider is asked, and a mail that was taken is not sent again."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from mailer.ports import HttpResponse
from mailer.step import Finished, Next
from tests.unit.world import READ_TIMEOUT, World


def waiting(world: World) -> str:
    """Return a message that waits for news of Mailgun, SendGrid having refused it."""
    world.providers.script = {"sendgrid": [503], "mailgun": [READ_TIMEOUT]}
    id = world.submit(on_unknown="wait")
    assert isinstance(world.service.deliver(id), Next)
    assert world.service.deliver(id) == Finished("unknown")
    return id


def event(world: World, id: str, **changed: Any) -> dict[str, Any]:
    """Return an event of the latest attempt."""
    attempt = world.view(id).attempts[-1].id
    return {"event": "accepted", "user-variables": {"mailer_attempt_id": attempt}} | changed


def test_an_event_of_the_attempt_ends_the_waiting_without_a_second_mail(world: World) -> None:
    id = waiting(world)
    assert world.view(id).status == "unknown"
    world.now += timedelta(seconds=30)
    assert [d.id for d in world.due()] == [id]
    world.providers.events = [event(world, id)]
    assert world.run(id) == [Finished("accepted")]
    assert world.outcomes(id) == [("sendgrid", "not_accepted"), ("mailgun", "accepted")]
    assert world.view(id).recipients[0].status == "accepted"
    assert world.providers.calls == ["sendgrid", "mailgun"]


def test_it_is_asked_ever_more_seldom_and_a_last_time_before_anybody_else_is_called(world: World) -> None:
    id = waiting(world)
    begun = world.now
    looks: list[int] = []
    while not looks or world.view(id).status == "unknown":
        world.now += timedelta(seconds=1)
        if world.due():
            looks.append(round((world.now - begun).total_seconds()))
            world.service.deliver(id)
    assert looks == [30, 60, 120, 240, 480, 960, 1920, 2400]
    assert world.providers.asked == len(looks)
    assert world.outcomes(id)[-1] == ("sendgrid", "accepted")
    assert world.view(id).possible_duplicates == 1


def test_nothing_found_proves_nothing(world: World) -> None:
    id = waiting(world)
    other = event(world, id) | {"user-variables": {"mailer_attempt_id": "of another attempt"}}
    answers: list[Any] = [[], [other], [event(world, id, event="rejected")], [{}], [None], "nonsense"]
    for events in answers:
        world.providers.events = events
        assert world.service.deliver(id) == Finished("waiting"), events
    assert world.view(id).status == "unknown"


def test_a_provider_that_cannot_be_asked_just_now_is_asked_again(world: World) -> None:
    id = waiting(world)
    world.providers.refuses_questions = HttpResponse(401, {}, b"Forbidden")
    assert world.service.deliver(id) == Finished("waiting")
    world.providers.refuses_questions = None
    world.providers.events = [event(world, id)]
    assert world.service.deliver(id) == Finished("accepted")


def test_a_provider_that_cannot_be_asked_at_all_is_waited_for(world: World) -> None:
    world.providers.script["sendgrid"] = [READ_TIMEOUT]
    id = world.submit(on_unknown="wait")
    world.service.deliver(id)
    assert world.service.deliver(id) == Finished("waiting")
    assert world.providers.asked == 0


def test_under_failover_nobody_is_asked(world: World) -> None:
    world.providers.script["mailgun"] = [READ_TIMEOUT]
    world.routing = "failover:mailgun,sendgrid"
    again = World(world.store, world.spool, providers=world.providers, routing=world.routing)
    assert again.run(again.submit())[-1] == Finished("accepted")
    assert world.providers.asked == 0


def test_an_inquiry_that_takes_long_does_not_cost_the_call_that_follows_its_time(world: World) -> None:
    id = waiting(world)
    world.now += timedelta(seconds=2400)
    world.providers.asking_takes = 40
    assert world.service.deliver(id) == Finished("accepted")
    assert world.outcomes(id)[-1] == ("sendgrid", "accepted")
