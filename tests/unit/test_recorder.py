"""An answer of a provider that the database cannot take is kept, and stored when it can."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from mailer.errors import StoreUnavailable
from mailer.ports import HttpResponse
from mailer.step import Finished
from tests.unit.world import YES, World


@pytest.fixture
def cut(world: World, monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """Give a database that is cut off as soon as a provider has been called; undone, it is back."""

    def gone(*_: Any, **__: Any) -> Any:
        raise StoreUnavailable("down")

    def answer() -> HttpResponse:
        monkeypatch.setattr(world.store, "record", gone)
        return YES["sendgrid"]

    world.providers.script["sendgrid"] = [answer]
    return monkeypatch


def files(world: World) -> list[str]:
    """Return the names of what lies in the spool."""
    return sorted(path.name for path in world.spool.iterdir()) if world.spool.exists() else []


def test_a_yes_that_cannot_be_stored_is_on_disk_and_stored_later(world: World, cut: pytest.MonkeyPatch) -> None:
    id = world.submit()
    assert world.service.deliver(id) == Finished("spooled")
    assert len(files(world)) == 1
    with pytest.raises(StoreUnavailable):
        world.service.replay_spool()
    assert len(files(world)) == 1
    cut.undo()
    assert world.service.replay_spool() == 1
    assert files(world) == []
    assert world.outcomes(id) == [("sendgrid", "accepted")]
    assert world.run(id) == [Finished("accepted")]
    assert world.providers.calls == ["sendgrid"]


def test_whoever_looks_first_when_the_database_is_back_does_not_give_it_up(
    world: World, cut: pytest.MonkeyPatch
) -> None:
    """The lease is long over when the database returns, and another worker is quicker than the one with the answer."""
    id = world.submit()
    world.service.deliver(id)
    world.now += timedelta(hours=1)
    cut.undo()
    assert world.service.deliver(id) == Finished("sending")
    world.now += timedelta(seconds=3)
    world.service.replay_spool()
    assert world.run(id) == [Finished("accepted")]
    assert world.providers.calls == ["sendgrid"]


def test_a_worker_that_is_killed_meanwhile_finds_it_when_it_starts_again(world: World, cut: pytest.MonkeyPatch) -> None:
    id = world.submit()
    world.service.deliver(id)
    cut.undo()
    again = World(world.store, world.spool, now=world.now)
    assert again.service.replay_spool() == 1
    assert again.view(id).status == "accepted"


def test_a_no_from_the_spool_lets_the_mail_go_on_at_the_next_sweep(world: World, cut: pytest.MonkeyPatch) -> None:
    id = world.submit()
    refuse = world.providers.script["sendgrid"].pop()

    def answer() -> HttpResponse:
        refuse()  # type: ignore[operator]
        return HttpResponse(503, {}, b"{}")

    world.providers.script["sendgrid"] = [answer]
    world.service.deliver(id)
    cut.undo()
    world.service.replay_spool()
    assert [due.id for due in world.due()] == [id]
    assert world.run(id) == [Finished("accepted")]
    assert world.outcomes(id) == [("sendgrid", "not_accepted"), ("mailgun", "accepted")]


def test_a_yes_from_the_spool_that_comes_too_late_is_a_late_yes(world: World, cut: pytest.MonkeyPatch) -> None:
    id = world.submit(on_unknown="wait")
    world.service.deliver(id)
    cut.undo()
    world.now += timedelta(seconds=60)
    assert world.give_up(id) == Finished("unknown")
    world.service.replay_spool()
    assert world.view(id).status == "accepted"
    assert world.providers.calls == ["sendgrid"]


def test_replaying_twice_changes_nothing(world: World, cut: pytest.MonkeyPatch) -> None:
    id = world.submit()
    world.service.deliver(id)
    [file] = world.spool.iterdir()
    kept = file.read_bytes()
    cut.undo()
    world.service.replay_spool()
    before = world.view(id)
    file.write_bytes(kept)
    world.now += timedelta(seconds=60)
    assert world.service.replay_spool() == 1
    assert world.view(id) == before


def test_with_the_disk_full_too_the_answer_is_held_until_one_of_both_is_back(
    world: World, cut: pytest.MonkeyPatch
) -> None:
    world.spool.write_text("no directory: nothing can be written here")
    id, naps = world.submit(), []

    def sleep(seconds: float) -> None:
        naps.append(seconds)
        if len(naps) == 10:
            cut.undo()

    object.__setattr__(world.recorder, "sleep", sleep)
    assert world.service.deliver(id) == Finished("accepted")
    assert len(naps) == 10
    assert set(world.alarms) == {"spool.failed"}
    assert world.view(id).status == "accepted"


def test_a_file_that_cannot_be_read_is_put_aside_with_an_alarm(world: World, cut: pytest.MonkeyPatch) -> None:
    id = world.submit()
    world.service.deliver(id)
    (world.spool / "00000000-nonsense.json").write_text('{"attempt":')
    cut.undo()
    assert world.service.replay_spool() == 1
    assert world.alarms == ["spool.unreadable"]
    assert files(world) == ["00000000-nonsense.unreadable"]
    world.service.replay_spool()
    assert world.alarms == ["spool.unreadable"]


def test_what_is_spooled_holds_no_address(world: World, cut: pytest.MonkeyPatch) -> None:
    world.service.deliver(world.submit(to="bob@example.com", subject="Secret"))
    [file] = Path(world.spool).iterdir()
    text = file.read_text()
    assert "example" not in text
    assert "Secret" not in text


def test_a_commit_that_we_heard_nothing_of_costs_no_more_than_the_next_sweep(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The outcome is stored, the answer of the database is lost, and so is the task that would have gone on."""
    record, lost = world.store.record, [1]

    def unheard(*args: Any, **options: Any) -> Any:
        happened = record(*args, **options)
        if lost:
            lost.pop()
            raise StoreUnavailable("connection lost")
        return happened

    monkeypatch.setattr(world.store, "record", unheard)
    world.providers.script["sendgrid"] = [503]
    id = world.submit()
    assert world.service.deliver(id) == Finished("late")
    assert [due.id for due in world.due()] == [id]
    assert world.run(id) == [Finished("accepted")]
    assert world.outcomes(id) == [("sendgrid", "not_accepted"), ("mailgun", "accepted")]
    assert files(world) == []
