"""One email's way through the service: real store, real providers, and a transport that answers as the test says."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from deploy.local.port import wait_until
from mailer import ids
from mailer.delivery import EnvelopeInput, EnvelopeStatus, Lane, OnUnknown
from mailer.errors import Conflict, StoreUnavailable
from mailer.ledger import Result
from mailer.ports import HttpResponse
from mailer.step import Finished, Later, Next
from mailer.store import Store
from mailer.store.desk import Records
from mailer.store.tables import envelopes
from tests.factories import NOW, message
from tests.unit.world import NO_CONNECTION, READ_TIMEOUT, YES, Answer, World


def test_an_email_goes_through_the_first_provider_once(world: World) -> None:
    id = world.submit()
    assert world.run(id) == [Finished("accepted")]
    assert world.outcomes(id) == [("sendgrid", "accepted")]
    [attempt] = world.view(id).attempts
    assert (attempt.status_code, attempt.provider_message_id) == (202, "sg-1")
    assert world.run(id) == [Finished("accepted")], "delivering again does nothing"
    assert world.providers.calls == ["sendgrid"]


@pytest.mark.parametrize(
    ("answer", "outcome", "possible"),
    [
        (401, "not_accepted", 0), (403, "not_accepted", 0), (429, "not_accepted", 0), (503, "not_accepted", 0),
        (NO_CONNECTION, "not_accepted", 0), (500, "unknown", 1), (READ_TIMEOUT, "unknown", 1), (200, "unknown", 1),
    ],
)  # fmt: skip
def test_a_failure_at_the_first_provider_chains_to_the_second(
    world: World, answer: Answer, outcome: str, possible: int
) -> None:
    world.providers.script["sendgrid"] = [answer]
    id = world.submit()
    hop, end = world.run(id)
    assert isinstance(hop, Next)
    assert hop.hops.startswith("mailgun after sendgrid:")
    assert end == Finished("accepted")
    assert world.outcomes(id) == [("sendgrid", outcome), ("mailgun", "accepted")]
    assert world.view(id).possible_duplicates == possible


def test_a_rejected_message_fails_for_good_without_burning_the_second_provider(world: World) -> None:
    world.providers.script["sendgrid"] = [400]
    id = world.submit()
    assert world.run(id) == [Finished("failed")]
    assert world.providers.calls == ["sendgrid"]
    assert world.alarms == ["envelope.failed"]
    assert {r.status for r in world.view(id).recipients} == {"failed"}


def test_both_down_then_up_again_is_delivered_after_backoff(world: World) -> None:
    world.providers.script = {"sendgrid": [503, 503], "mailgun": [503, 503]}
    id = world.submit()
    steps = world.run(id)
    assert [type(s).__name__ for s in steps] == ["Next", "Later", "Next", "Later", "Finished"]
    assert [s.seconds for s in steps if isinstance(s, Later)] == [15, 30]
    assert world.providers.calls == ["sendgrid", "mailgun", "sendgrid", "mailgun", "sendgrid"]
    assert world.view(id).status == "accepted"


def test_retry_after_is_honoured(world: World) -> None:
    slow_down = HttpResponse(429, {"retry-after": "120"}, b"{}")
    world.providers.script = {"sendgrid": [slow_down], "mailgun": [slow_down]}
    steps = world.run(world.submit())
    assert [s.seconds for s in steps if isinstance(s, Later)] == [135], "with jitter, so that not all come at once"


def test_what_is_refused_until_it_expires_is_expired_and_no_longer_tried(world: World) -> None:
    world.providers.script = {name: [503] * 100 for name in YES}
    id = world.submit(expires_at=NOW + timedelta(seconds=100))
    assert world.run(id)[-1] == Finished("expired")
    assert world.now <= NOW + timedelta(seconds=101)
    assert world.alarms == ["envelope.expired"]


def test_what_expires_before_its_turn_is_never_sent(world: World) -> None:
    id = world.submit(expires_at=NOW + timedelta(seconds=10))
    world.now += timedelta(seconds=10)
    assert world.run(id) == [Finished("expired")]
    assert world.providers.calls == []


def test_the_possible_duplicate_is_on_disk_before_the_second_call(world: World) -> None:
    seen: list[tuple[int, bool]] = []
    id = world.submit()

    def look() -> HttpResponse:
        view = world.view(id)
        seen.append((view.possible_duplicates, view.attempts[-1].possible_duplicate))
        return YES["mailgun"]

    world.providers.script = {"sendgrid": [READ_TIMEOUT], "mailgun": [look]}
    world.run(id)
    assert seen == [(1, True)]


def test_fail_makes_no_second_call_after_an_unknown(world: World) -> None:
    world.providers.script["sendgrid"] = [READ_TIMEOUT]
    id = world.submit(on_unknown="fail")
    assert world.run(id) == [Finished("unknown")]
    assert world.providers.calls == ["sendgrid"]
    assert world.alarms == ["envelope.unknown"]
    world.now += timedelta(days=30)
    assert world.due() == []


def test_wait_makes_its_second_call_only_after_its_deadline(world: World) -> None:
    world.providers.script["sendgrid"] = [READ_TIMEOUT]
    id = world.submit(on_unknown="wait")
    assert world.run(id) == [Finished("unknown")]
    world.now += timedelta(seconds=2390)
    assert world.run(id) == [Finished("waiting")]
    assert world.due() == []
    world.now += timedelta(seconds=10)
    assert [d.id for d in world.due()] == [id]
    assert world.run(id) == [Finished("accepted")]
    assert world.outcomes(id) == [("sendgrid", "unknown"), ("mailgun", "accepted")]


def test_a_provider_that_accepts_and_then_hangs_does_not_mail_for_ever(world: World) -> None:
    world.providers.script = {name: [READ_TIMEOUT] * 100 for name in YES}
    id = world.submit()
    assert world.run(id)[-1] == Finished("unknown")
    assert world.outcomes(id) == [
        ("sendgrid", "unknown"), ("mailgun", "unknown"), ("sendgrid", "unknown"), ("mailgun", "unknown"),
    ]  # fmt: skip
    assert world.alarms == ["envelope.unknown"]


def test_rejected_after_an_unknown_rests_as_unknown(world: World) -> None:
    world.providers.script = {"sendgrid": [READ_TIMEOUT], "mailgun": [400]}
    id = world.submit()
    assert world.run(id)[-1] == Finished("unknown")


def test_a_refused_account_is_left_alone_by_every_mail_and_then_probed_by_one(world: World) -> None:
    world.providers.script["sendgrid"] = [401, 401]
    world.run(world.submit())
    assert world.alarms == ["provider.account_refused"]
    world.providers.calls.clear()
    for sender in ("ann@sender.example.com", "ann@other.example.com"):
        world.run(world.submit(from_=sender))
    assert world.providers.calls == ["mailgun", "mailgun"]
    world.now += timedelta(seconds=60)
    world.providers.calls.clear()
    for _ in range(3):
        world.run(world.submit())
    assert world.providers.calls == ["sendgrid", "mailgun", "mailgun", "mailgun"], "the probe failed: left alone again"
    world.now += timedelta(seconds=60)
    world.providers.calls.clear()
    for _ in range(2):
        world.run(world.submit())
    assert world.providers.calls == ["sendgrid", "sendgrid"], "the probe succeeded: back in service"


def test_a_probe_that_is_refused_for_its_sender_proves_that_the_account_is_well(world: World) -> None:
    world.providers.script["sendgrid"] = [401, 403]
    world.run(world.submit())
    world.now += timedelta(seconds=60)
    world.run(world.submit(from_="ann@bad.example.com"))
    world.providers.calls.clear()
    world.run(world.submit(from_="ann@good.example.com"))
    assert world.providers.calls == ["sendgrid"]


def test_a_probe_that_proves_nothing_leaves_the_provider_alone_for_as_long_again(world: World) -> None:
    world.providers.script["sendgrid"] = [401, 503]
    world.run(world.submit())
    for pause, called in ((60, ["sendgrid", "mailgun"]), (59, ["mailgun"]), (1, ["sendgrid"])):
        world.now += timedelta(seconds=pause)
        world.providers.calls.clear()
        world.run(world.submit())
        assert world.providers.calls == called


def test_a_refused_sender_is_left_alone_for_its_domain_only(world: World) -> None:
    world.providers.script["sendgrid"] = [403]
    world.run(world.submit(from_="ann@bad.example.com"))
    world.providers.calls.clear()
    world.run(world.submit(from_="eve@bad.example.com"))
    world.run(world.submit(from_="ann@good.example.com"))
    assert world.providers.calls == ["mailgun", "sendgrid"]
    assert world.alarms == ["provider.sender_refused"]


def test_with_every_provider_left_alone_a_mail_waits_without_a_call_and_goes_when_one_is_back(world: World) -> None:
    world.providers.script = {"sendgrid": [401], "mailgun": [401]}
    world.run(world.submit())
    world.providers.calls.clear()
    first = world.service.deliver(id := world.submit())
    assert isinstance(first, Finished | Later)
    assert world.run(id)[-1] == Finished("accepted")


def test_a_killed_worker_makes_an_unknown_never_a_silent_second_call(world: World) -> None:
    class Killed(BaseException):
        """SIGKILL, as far as the store can tell."""

    def die() -> HttpResponse:
        raise Killed

    world.providers.script["sendgrid"] = [die]
    id = world.submit()
    with pytest.raises(Killed):
        world.service.deliver(id)
    assert world.view(id).status == "sending"
    assert world.service.deliver(id) == Finished("sending"), "the call may still be running"
    world.now += timedelta(seconds=45)
    assert [d.id for d in world.due()] == [id]
    assert world.service.deliver(id) == Finished("sending"), "somebody may still hold its answer"
    world.now += timedelta(seconds=9)
    assert world.service.deliver(id) == Finished("sending")
    world.now += timedelta(seconds=1)
    assert [d.id for d in world.due()] == [id]
    world.run(id)
    assert world.outcomes(id) == [("sendgrid", "unknown"), ("mailgun", "accepted")]
    assert world.view(id).possible_duplicates == 1


def test_a_killed_worker_under_fail_is_not_called_again(world: World) -> None:
    def die() -> HttpResponse:
        raise KeyboardInterrupt

    world.providers.script["sendgrid"] = [die]
    id = world.submit(on_unknown="fail")
    with pytest.raises(KeyboardInterrupt):
        world.service.deliver(id)
    world.now += timedelta(seconds=45)
    assert world.give_up(id) == Finished("unknown")
    assert world.providers.calls == ["sendgrid"]


def test_a_yes_that_comes_after_its_lease_stops_the_failover(world: World) -> None:
    id = world.submit()

    def slow() -> HttpResponse:
        world.now += timedelta(seconds=46)
        assert isinstance(world.give_up(id), Next), "somebody else gave it up meanwhile"
        return YES["sendgrid"]

    world.providers.script["sendgrid"] = [slow]
    assert world.service.deliver(id) == Finished("accepted")
    assert world.run(id) == [Finished("accepted")]
    assert world.outcomes(id) == [("sendgrid", "accepted")]


def test_a_late_yes_wins_over_a_refusal_that_came_meanwhile(world: World) -> None:
    id = world.submit()

    def slow() -> HttpResponse:
        """Answer yes after the lease, while the next provider is being called."""
        world.now += timedelta(seconds=46)
        world.providers.script["mailgun"] = [lambda: next(second)]
        second = refuse()
        assert isinstance(world.give_up(id), Next)
        threading.Thread(target=world.service.deliver, args=(id,)).start()
        mailgun_called.wait(10)
        return YES["sendgrid"]

    def refuse() -> Iterator[HttpResponse]:
        mailgun_called.set()
        yes_recorded.wait(10)
        yield HttpResponse(400, {}, b"{}")

    mailgun_called, yes_recorded = threading.Event(), threading.Event()
    world.providers.script["sendgrid"] = [slow]
    assert world.service.deliver(id) == Finished("late")
    yes_recorded.set()
    assert wait_until(lambda: world.view(id).status == "accepted", timeout=10)
    assert world.outcomes(id) == [("sendgrid", "accepted"), ("mailgun", "rejected")]
    assert "envelope.unknown" not in world.alarms


def test_a_late_no_under_fail_goes_on_to_the_next_provider(world: World) -> None:
    id = world.submit(on_unknown="fail")

    def slow() -> HttpResponse:
        world.now += timedelta(seconds=46)
        assert world.give_up(id) == Finished("unknown"), "somebody gave it up meanwhile"
        return HttpResponse(503, {}, b"{}")

    world.providers.script["sendgrid"] = [slow]
    assert isinstance(world.service.deliver(id), Next)
    assert world.run(id) == [Finished("accepted")]
    assert world.outcomes(id) == [("sendgrid", "not_accepted"), ("mailgun", "accepted")]
    assert world.view(id).possible_duplicates == 0


def test_many_workers_with_the_same_task_make_one_call(world: World) -> None:
    id = world.submit()
    barrier = threading.Barrier(6)

    def deliver() -> None:
        barrier.wait()
        world.service.deliver(id)

    threads = [threading.Thread(target=deliver) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert world.providers.calls == ["sendgrid"]


def test_a_wake_up_that_was_lost_is_found_by_the_sweep(world: World) -> None:
    world.providers.script = {"sendgrid": [503], "mailgun": [503]}
    id = world.submit()
    assert world.due() == [], "its task is on its way"
    world.now += timedelta(seconds=60)
    assert [d.id for d in world.due()] == [id]
    world.service.deliver(id)
    later = world.service.deliver(id)
    assert isinstance(later, Later)
    world.now += timedelta(seconds=later.seconds + 59)
    assert world.due() == []
    world.now += timedelta(seconds=1)
    assert [d.id for d in world.due()] == [id]


def test_a_database_that_is_away_after_the_call_is_waited_for(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    record, failures = world.store.record, [StoreUnavailable("down")] * 2

    def flaky(results: list[Result], *, now: datetime) -> dict[str, EnvelopeInput]:
        if failures:
            raise failures.pop()
        return record(results, now=now)

    monkeypatch.setattr(world.store, "record", flaky)
    id = world.submit()
    assert world.run(id) == [Finished("accepted")]
    assert world.naps == [0.2, 1]
    assert world.providers.calls == ["sendgrid"]


def test_an_answer_that_we_cannot_read_is_unknown_and_not_lost(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object, **__: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr("mailer.providers.sendgrid.error", broken)
    world.providers.script["sendgrid"] = [500]
    id = world.submit()
    world.run(id)
    assert world.outcomes(id) == [("sendgrid", "unknown"), ("mailgun", "accepted")]


def test_the_same_message_under_the_same_id_is_one_message(world: World) -> None:
    id = ids.new()
    for _ in range(2):
        world.service.submit(message(), project_id="default", request_id="r", id=id)
    world.run(id)
    assert world.providers.calls == ["sendgrid"]


def test_another_message_under_the_same_id_is_refused_with_an_alarm_and_never_sent(world: World) -> None:
    id = world.submit()
    with pytest.raises(Conflict):
        world.service.submit(message(subject="Other"), project_id="default", request_id="r", id=id)
    world.run(id)
    assert world.alarms == ["envelope.conflict"]
    story = Records(world.store.database).stories_of_id(id)[0][0]
    assert [note.kind for note in story.notes] == ["conflict"], "and noted on the first"
    assert json.loads(world.providers.requests[0].body)["subject"] == "Your invoice"


@pytest.mark.parametrize(("script", "provider"), [({}, "sendgrid"), ({"sendgrid": [503]}, "mailgun")])
def test_a_test_mail_goes_to_the_providers_test_modes_only(
    world: World, script: dict[str, list[Answer]], provider: str
) -> None:
    # In its sandbox mode SendGrid says 200 where it says 202 otherwise.
    world.providers.script = {"sendgrid": [*script.get("sendgrid", []), 200]}
    draft = world.service.draft(message(), project_id="default", request_id="r", test=True)
    world.store.submit([draft])
    world.run(draft.id)
    assert world.view(draft.id).status == "accepted"
    assert world.outcomes(draft.id)[-1] == (provider, "accepted")
    for request in world.providers.requests:
        switch = b'"sandbox_mode":{"enable":true}' if "sendgrid" in request.url else b'name="o:testmode"'
        assert switch in request.body


def test_a_real_mail_is_not_accepted_by_the_yes_of_a_test_mode(world: World) -> None:
    world.providers.script = {"sendgrid": [200]}
    id = world.submit()
    world.run(id)
    assert world.outcomes(id)[0] == ("sendgrid", "unknown")
    assert b"sandbox_mode" not in world.providers.requests[0].body
    assert b"testmode" not in world.providers.requests[1].body


def test_a_mail_that_was_put_off_is_not_brought_forward_by_a_worker_that_saw_it_before(world: World) -> None:
    id = world.submit()
    later = world.now + timedelta(days=1)
    with world.store.database.write() as connection:
        values = {"status": "scheduled", "next_attempt_at": later, "wake_at": later}
        connection.execute(envelopes.update().where(envelopes.c.id == id).values(values))
    soon = world.now + timedelta(seconds=30)
    assert not world.store.postpone(id, seen=0, until=soon, wake_at=soon, now=world.now)
    assert world.view(id).next_attempt_at == later


def test_an_id_that_nobody_knows_is_an_alarm_and_no_crash(world: World) -> None:
    assert world.service.deliver(ids.new()) == Finished("missing")
    assert world.alarms == ["envelope.missing"]


@pytest.mark.parametrize("id", ["", "nonsense", "../../etc/passwd", "019367f0"])
def test_what_is_no_id_has_no_message(world: World, id: str) -> None:
    assert world.service.view(id, project_id="default") is None


def test_a_weighted_route_is_chosen_once_and_stored(sqlite_url: str, tmp_path: Path) -> None:
    from mailer.store import Database

    world = World(Store(Database(sqlite_url)), tmp_path, routing="mailgun=100,sendgrid=0")
    id = world.submit()
    world.run(id)
    assert world.store.load([id])[id].route == ("mailgun", "sendgrid")
    assert world.providers.calls == ["mailgun"]
    assert world.view(id).status is EnvelopeStatus.ACCEPTED
    world.store.database.close()


def test_a_lane_decides_what_follows_an_unknown_where_the_message_does_not(world: World) -> None:
    world.on_unknown = OnUnknown.FAIL
    world.providers.script["sendgrid"] = [READ_TIMEOUT] * 2
    by_default, chosen = world.submit(), world.submit(on_unknown="failover")
    world.run(by_default)
    world.run(chosen)
    assert (world.view(by_default).status, world.view(by_default).on_unknown) == ("unknown", "fail")
    assert world.view(chosen).status == "accepted"


def test_a_call_that_could_not_begin_in_time_is_not_made(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """A worker that is stopped between claim and call, by a hung database, say, may have lost its lease since."""
    id = world.submit()
    claim = world.store.claim

    def slow(*args: object, **options: object) -> set[str]:
        won = claim(*args, **options)  # type: ignore[arg-type]
        world.now += timedelta(seconds=11)
        return won

    monkeypatch.setattr(world.store, "claim", slow)
    assert isinstance(world.service.deliver(id), Next)
    assert world.outcomes(id) == [("sendgrid", "not_accepted")]
    assert world.view(id).attempts[0].error_code == "late_start"
    monkeypatch.undo()
    world.run(id)
    assert world.providers.calls == ["mailgun"]


def test_a_look_that_comes_too_early_loses_no_wake_up(world: World) -> None:
    """A sweep whose clock is a moment ahead must not put a lost call off by its own ten minutes."""

    def die() -> HttpResponse:
        raise KeyboardInterrupt

    world.providers.script["sendgrid"] = [die]
    id = world.submit()
    with pytest.raises(KeyboardInterrupt):
        world.service.deliver(id)
    world.now += timedelta(seconds=45)
    assert [d.id for d in world.due()] == [id]
    world.now -= timedelta(seconds=1)
    assert world.service.deliver(id) == Finished("sending")
    world.now += timedelta(seconds=1)
    assert [d.id for d in world.due()] == [id]


def test_one_lane_is_swept_without_the_other(world: World) -> None:
    one, other = world.submit(), world.submit(lane="bulk")
    world.now += timedelta(seconds=60)
    assert [d.id for d in world.service.sweep(lane=Lane.BULK, limit=9, again_in=600)] == [other]
    assert [d.id for d in world.service.sweep(lane=Lane.TRANSACTIONAL, limit=9, again_in=600)] == [one]


def test_a_sweep_leaves_what_it_found_for_whoever_looks(world: World) -> None:
    assert world.store.last_sweep() is None
    world.submit()
    world.now += timedelta(seconds=90)
    world.service.note_sweep(seconds=0.5, woken=7, buried=1, depths={"mail.bulk": 3})
    world.now += timedelta(seconds=10)
    world.service.note_sweep(seconds=0.1, woken=0, buried=0, depths={"mail.bulk": 4})
    done = world.store.last_sweep()
    assert done is not None
    assert (done.ran_at, done.woken, done.depths) == (world.now, 0, {"mail.bulk": 4})
    assert (done.left.count, done.left.oldest_at) == (1, world.now - timedelta(seconds=40))
