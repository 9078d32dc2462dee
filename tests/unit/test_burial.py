"""A task that dies on the broker ends as a mark on its envelope and an alarm; nothing it brought is lost."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
import sqlalchemy as sa

from mailer import ids
from mailer.burial import Letter
from mailer.ports import HttpResponse
from mailer.replay import Order, Wanted
from mailer.step import Finished
from mailer.store.desk import Records
from mailer.store.tables import dead_calls, notes
from tests.factories import fields
from tests.unit.world import READ_TIMEOUT, World


def letter(id: str | None, **changed: Any) -> Letter:
    """Return a letter that names a stored envelope; each of another death."""
    values: dict[str, Any] = {
        "id": id, "project_id": "default", "request_id": "req-9", "reason": "delivery_limit", "death": ids.new(),
        "fields": None, "call": {"id": id},
    }  # fmt: skip
    return Letter(**values | changed)


def rows(world: World, table: sa.Table) -> list[Any]:
    """Return all rows of a table."""
    with world.store.database.read() as connection:
        return list(connection.execute(sa.select(table)))


def test_an_innocent_mail_comes_back_later_and_is_sent(world: World) -> None:
    id = world.submit()
    world.service.bury(letter(id))
    assert world.alarms == ["task.dead"]
    assert [(n.envelope_id, n.kind, n.detail) for n in rows(world, notes)] == [(id, "dead", "delivery_limit")]
    assert world.service.deliver(id) == Finished("waiting"), "not at once: whatever killed it may still be there"
    world.now += timedelta(seconds=120)
    assert [d.id for d in world.due()] == [id]
    assert world.run(id) == [Finished("accepted")]


def test_each_time_it_comes_back_later(world: World) -> None:
    id = world.submit()
    pauses = []
    for _ in range(2):
        world.service.bury(letter(id))
        at = world.view(id).next_attempt_at
        assert at is not None
        pauses.append((at - world.now).total_seconds())
        world.now = at
    assert pauses == [30, 60]


def test_one_that_dies_again_and_again_fails_with_its_reason_and_is_not_woken_any_more(world: World) -> None:
    id = world.submit()
    for _ in range(3):
        world.service.bury(letter(id))
        world.now += timedelta(hours=1)
    view = world.view(id)
    assert (view.status, view.reason, view.recipients[0].status) == ("failed", "dead_letter: delivery_limit", "failed")
    assert world.due() == []
    assert world.providers.calls == []


def test_one_that_is_replayed_has_all_its_lives_again(world: World) -> None:
    id = world.submit()
    for _ in range(3):
        world.service.bury(letter(id))
        world.now += timedelta(hours=1)
    order = Order(who="ann", why="mended", deadline=lambda _: 72_000)
    assert Records(world.store.database).replay(Wanted(ids=(id,)), order, limit=1, now=world.now) == [id]
    world.now += timedelta(seconds=1)
    world.service.bury(letter(id))
    assert world.view(id).status == "queued"


def test_after_an_unknown_it_rests_as_unknown_since_failed_would_be_a_lie(world: World) -> None:
    world.providers.script["sendgrid"] = [READ_TIMEOUT]
    id = world.submit()
    world.service.deliver(id)
    for _ in range(3):
        world.service.bury(letter(id))
    assert (world.view(id).status, world.view(id).next_attempt_at) == ("unknown", None)


def test_of_one_whose_call_may_be_running_the_lease_decides(world: World) -> None:
    def die() -> HttpResponse:
        raise KeyboardInterrupt

    world.providers.script["sendgrid"] = [die]
    id = world.submit(on_unknown="fail")
    with pytest.raises(KeyboardInterrupt):
        world.service.deliver(id)
    for _ in range(4):
        world.service.bury(letter(id))
    assert world.view(id).status == "sending"
    world.now += timedelta(seconds=45)
    assert world.give_up(id) == Finished("unknown")


def test_one_that_was_sent_meanwhile_stays_sent(world: World) -> None:
    id = world.submit()
    world.run(id)
    for _ in range(3):
        world.service.bury(letter(id))
    assert world.view(id).status == "accepted"


def test_a_call_that_no_worker_had_stored_is_stored_and_sent(world: World) -> None:
    id = ids.new()
    world.service.bury(letter(id, fields=fields(), call=fields()))
    assert world.view(id).status == "queued"
    world.now += timedelta(seconds=120)
    assert [d.id for d in world.due()] == [id]
    assert world.run(id) == [Finished("accepted")]


def test_what_is_no_message_is_kept_whole_and_once(world: World) -> None:
    id = ids.new()
    broken = letter(id, fields={"to": "nobody"}, call={"to": "nobody"}, reason="rejected")
    for _ in range(2):
        world.service.bury(broken)
    world.service.bury(letter(None, call={"raw": "garbage"}))
    world.service.bury(letter(ids.new()))
    kept = rows(world, dead_calls)
    assert [(row.reason, row.request_id) for row in kept] == [("rejected", "req-9"), *[("delivery_limit", "req-9")] * 2]
    assert [row.call for row in kept][:2] == [{"to": "nobody"}, {"raw": "garbage"}]
    assert set(world.alarms) == {"task.dead"}


def test_another_message_under_a_known_id_is_kept_apart(world: World) -> None:
    id = world.submit()
    world.service.bury(letter(id, fields=fields(subject="Other"), call=fields(subject="Other")))
    [kept] = rows(world, dead_calls)
    assert kept.call["subject"] == "Other"
    assert world.run(id) == [Finished("accepted")]


def test_one_death_counts_once_however_often_it_is_told(world: World) -> None:
    id = world.submit()
    told = letter(id)
    for _ in range(5):
        world.service.bury(told)
    assert len(rows(world, notes)) == 1
    assert world.view(id).status == "queued"


def test_a_mail_that_was_called_for_meanwhile_is_not_given_up(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    world.providers.script["sendgrid"] = [READ_TIMEOUT]
    id = world.submit(on_unknown="fail")
    for _ in range(2):
        world.service.bury(letter(id))
    world.now += timedelta(hours=1)
    deaths = world.store.deaths

    def meanwhile(given: str) -> int:
        world.service.deliver(given)
        return deaths(given)

    monkeypatch.setattr(world.store, "deaths", meanwhile)
    world.service.bury(letter(id))
    assert world.view(id).status == "unknown", "`failed` would be a lie"


def test_a_call_that_fails_in_an_unforeseen_way_here_too_is_kept_and_the_next_one_too(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object, **__: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(world.store, "submit", broken)
    for _ in range(2):
        world.service.bury(letter(ids.new(), fields=fields(), call=fields()))
    assert [row.call["subject"] for row in rows(world, dead_calls)] == ["Your invoice"] * 2


def test_every_other_mail_under_an_id_that_is_taken_is_kept_and_none_for_another(world: World) -> None:
    id = world.submit()
    for subject in ("Second", "Third", "Third"):
        brought = fields(subject=subject)
        world.service.bury(letter(id, fields=brought, call=brought, reason="rejected"))
    kept = rows(world, dead_calls)
    assert sorted(call.call["subject"] for call in kept) == ["Second", "Third"]
    assert {call.reason for call in kept} == {"conflict"}
    assert id not in {call.id for call in kept}, "replayed, each is a mail of its own"


def test_two_calls_that_no_version_can_store_are_both_kept(world: World) -> None:
    id = ids.new()
    for subject in ("", " "):
        world.service.bury(letter(id, fields=fields(subject=subject), call=fields(subject=subject)))
    assert sorted(call.call["subject"] for call in rows(world, dead_calls)) == ["", " "]


def test_a_call_for_a_project_that_there_is_none_of_is_sent_by_nobody_and_kept(world: World) -> None:
    world.service.bury(letter(ids.new(), project_id="nobody", fields=fields(), call=fields()))
    assert len(rows(world, dead_calls)) == 1
    assert world.providers.calls == []
