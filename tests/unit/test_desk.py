"""What becomes of a replayed message: real store, real providers, the worker's own decisions."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from celery import signals

from mailer import ids
from mailer.client.task import SendEmail, publisher
from mailer.delivery import EnvelopeStatus
from mailer.desk import Desk
from mailer.replay import Order, Wanted
from mailer.settings import Settings
from mailer.store.desk import Records
from mailer.store.tables import dead_calls
from tests.factories import NOW, fields
from tests.unit.world import NO_CONNECTION, READ_TIMEOUT, World

ORDER = Order(who="ann", why="", deadline=lambda _: 86_400)


@pytest.fixture
def task(tmp_path: Path) -> SendEmail:
    """Give a send_email whose broker is a folder."""
    for folder in ("messages", "control"):
        (tmp_path / folder).mkdir()
    return publisher(Settings(broker_url="filesystem://", broker_dir=str(tmp_path)))


@pytest.fixture
def desk(world: World, task: SendEmail) -> Desk:
    """Give the operator's desk in that world."""
    return Desk(records=Records(world.store.database), task=task, clock=lambda: world.now)


def replay(world: World, desk: Desk, **wanted: Any) -> int:
    """Replay what is wanted, as the command line does, a moment later."""
    world.now += timedelta(seconds=60)
    fixed, plan = desk.plan(Wanted(**wanted))
    return max(desk.replay(fixed, ORDER, total=plan.total), default=0)


def test_one_with_as_many_unknowns_as_are_allowed_gets_a_call_and_rests_again_if_that_is_unknown_too(
    world: World, desk: Desk
) -> None:
    world.providers.script = {"sendgrid": [READ_TIMEOUT] * 9, "mailgun": [READ_TIMEOUT] * 9}
    id = world.submit()
    world.run(id)
    assert (world.view(id).status, len(world.view(id).attempts)) == (EnvelopeStatus.UNKNOWN, 4)
    assert replay(world, desk) == 0, "somebody may have it already"
    assert replay(world, desk, allow_duplicates=True) == 1
    world.run(id)
    view = world.view(id)
    assert (view.status, view.next_attempt_at, len(view.attempts)) == (EnvelopeStatus.UNKNOWN, None, 5)
    assert view.attempts[-1].possible_duplicate
    assert (view.possible_duplicates, world.due()) == (4, [])


def test_the_call_after_a_replay_that_is_accepted_ends_it(world: World, desk: Desk) -> None:
    world.providers.script = {"sendgrid": [READ_TIMEOUT]}
    id = world.submit(on_unknown="fail")
    world.run(id)
    replay(world, desk, ids=(id,), allow_duplicates=True)
    assert [due.id for due in world.due()] == [id], "the sweep wakes it"
    world.run(id)
    assert world.view(id).status is EnvelopeStatus.ACCEPTED
    assert {r.status for r in world.view(id).recipients} == {"accepted"}


def test_one_that_was_rejected_is_tried_again_until_it_is_through(world: World, desk: Desk) -> None:
    world.providers.script = {"sendgrid": [400, 503], "mailgun": [503, 503]}
    id = world.submit()
    world.run(id)
    assert world.view(id).status is EnvelopeStatus.FAILED
    assert replay(world, desk) == 1
    world.run(id)
    assert world.view(id).status is EnvelopeStatus.ACCEPTED


def test_one_that_expired_gets_new_time_and_goes_on(world: World, desk: Desk) -> None:
    world.providers.script = {name: [NO_CONNECTION] for name in ("sendgrid", "mailgun")}
    id = world.submit()
    world.service.deliver(id)
    world.service.deliver(id)
    world.now = NOW + timedelta(days=2)
    world.run(id)
    assert world.view(id).status is EnvelopeStatus.EXPIRED
    replay(world, desk)
    world.run(id)
    assert world.view(id).status is EnvelopeStatus.ACCEPTED


def test_what_rests_in_different_ways_is_replayed_by_one_run_and_a_limit_takes_the_longest_resting(
    world: World, desk: Desk
) -> None:
    world.providers.script = {"sendgrid": [400, READ_TIMEOUT, 400]}
    sent = [world.submit(**given) for given in ({}, {"on_unknown": "fail"}, {})]
    for id in sent:
        world.run(id)
        world.now += timedelta(seconds=1)
    assert replay(world, desk, limit=2, allow_duplicates=True) == 2
    assert [world.view(id).status for id in sent] == ["queued", "queued", "failed"]
    for id in sent:
        world.run(id)
    assert replay(world, desk, allow_duplicates=True) == 1
    world.providers.script = {"sendgrid": [400, READ_TIMEOUT]}
    more = [world.submit(**given) for given in ({}, {"on_unknown": "fail"})]
    for id in more:
        world.run(id)
    assert replay(world, desk, allow_duplicates=True) == 2


def test_what_fails_again_is_not_replayed_again_by_the_same_run(world: World, desk: Desk) -> None:
    world.providers.script = {"sendgrid": [400] * 9, "mailgun": [400] * 9}
    sent = [world.submit() for _ in range(3)]
    for id in sent:
        world.run(id)
    world.now += timedelta(seconds=60)
    fixed, plan = desk.plan(Wanted())
    assert max(desk.replay(fixed, ORDER, total=plan.total)) == 3
    world.now += timedelta(seconds=1)
    for id in sent:
        world.run(id)
    assert list(desk.replay(fixed, ORDER, total=9)) == []


def test_an_id_is_traced_before_it_is_taken_for_a_request_id(world: World, desk: Desk) -> None:
    id = world.submit()
    other = world.service.submit(world.store.load([id])[id].message, project_id="default", request_id=id)
    assert [s.message.id for s in desk.trace(id, limit=9).stories] == [id]
    assert [s.message.id for s in desk.trace("req-1", limit=9).stories] == [id]
    world.service.submit(world.store.load([id])[id].message, project_id="default", request_id=ids.new())
    assert not desk.trace(ids.new(), limit=9).anything
    assert desk.trace(world.view(other).id, limit=9).anything


# Calls that died on the broker.


def bury(world: World, call: dict[str, Any]) -> str:
    id = ids.new()
    row = {
        "id": id, "project_id": "default", "request_id": "shop-1", "reason": "rejected", "died_at": NOW, "call": call,
    }  # fmt: skip
    with world.store.database.write() as connection:
        connection.execute(sa.insert(dead_calls).values(row))
    return id


@pytest.fixture
def published() -> Iterator[list[tuple[dict[str, Any], dict[str, Any]]]]:
    """Give the list of everything that is published: (headers, kwargs)."""
    seen: list[tuple[dict[str, Any], dict[str, Any]]] = []

    def note(headers: dict[str, Any], body: Any, **_: Any) -> None:
        seen.append((headers, body[1]))

    signals.before_task_publish.connect(note)
    yield seen
    signals.before_task_publish.disconnect(note)


def test_a_dead_call_is_published_again_under_its_own_id_and_request_and_then_forgotten(
    world: World, desk: Desk, published: list[tuple[dict[str, Any], dict[str, Any]]]
) -> None:
    id = bury(world, fields() | {"project": "shop"})
    assert desk.replay_dead([id, ids.new()]).ids == (id,)
    [(headers, kwargs)] = published
    assert (headers["id"], headers["x-request-id"]) == (id, "shop-1")
    assert (kwargs["subject"], kwargs["project"]) == ("Your invoice", "shop")
    assert desk.plan_dead(Wanted()) == ([], [])


def test_a_dead_call_that_is_not_valid_any_more_is_kept_and_named(
    world: World, desk: Desk, published: list[tuple[dict[str, Any], dict[str, Any]]]
) -> None:
    id = bury(world, fields(expires_at="2020-01-01T00:00:00Z"))
    done = desk.replay_dead([id])
    assert (done.ids, [refused for refused, _ in done.refused]) == ((), [id])
    assert "expires_at" in done.refused[0][1]
    assert desk.plan_dead(Wanted())[1] == [id]
    assert published == []


def test_a_dead_call_that_names_a_message_nobody_knows_is_kept(world: World, desk: Desk) -> None:
    gone = bury(world, {"id": ids.new(), "lane": "bulk"})
    raw = bury(world, {"raw": "not ours", "headers": "{}"})
    done = desk.replay_dead([gone, raw])
    assert (done.ids, [id for id, _ in done.refused]) == ((), [gone, raw])
    known = bury(world, {"id": world.submit(), "lane": "transactional"})
    assert desk.replay_dead([known]).ids == (known,)
