"""A provider that accepts and reports nothing is noticed, told of once, and avoided by whoever wants that."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta

import pytest
import sqlalchemy as sa

from mailer import ids, silence
from mailer.delivery import EnvelopeInput, OnUnknown
from mailer.errors import TemporarilyRefused
from mailer.event import Event, EventType
from mailer.ledger import Attempt, Claim, Move, Result, Submission
from mailer.listener import Listener
from mailer.outcome import Outcome
from mailer.routing import Routing
from mailer.silence import FEW, Heard, Silence
from mailer.store import Database, Store
from mailer.store.hearing import HearingStore
from mailer.store.reconciler import ReconcilerStore
from mailer.store.silence import latest_accepted
from tests.factories import NOW, message
from tests.unit.world import World

BEFORE = Silence(provider="sendgrid", measured_at=NOW)
BOTH = ("sendgrid", "mailgun")


def mails(heard: int, unheard: int, *, after: float = 2.0) -> list[Heard]:
    old = NOW - timedelta(minutes=20)
    return [Heard(old, after)] * heard + [Heard(old + timedelta(seconds=n), None) for n in range(unheard)]


@pytest.mark.parametrize(
    ("found", "silent"),
    [
        (mails(0, 20), True), (mails(1, 19), True), (mails(3, 19), False), (mails(20, 0), False),
        (mails(20, 20), False), (mails(0, 19), False), ([], False),
    ],
)  # fmt: skip
def test_silent_is_who_is_unheard_of_in_nearly_all_of_enough_mails(found: Sequence[Heard], silent: bool) -> None:
    measured = silence.measure(BEFORE, found, now=NOW)
    assert (measured.silent_since is not None) is silent
    if silent:
        assert measured.silent_since == NOW - timedelta(minutes=20), "since the oldest was accepted"


def test_it_stays_silent_since_then_until_it_is_heard_and_few_mails_say_nothing() -> None:
    quiet = silence.measure(BEFORE, mails(0, 50), now=NOW)
    newer = [Heard(NOW, None)] * 30
    later = silence.measure(quiet, newer, now=NOW + timedelta(hours=1))
    assert later.silent_since == quiet.silent_since
    assert silence.measure(later, mails(3, 0), now=NOW).silent_since == quiet.silent_since
    assert silence.measure(later, mails(30, 30), now=NOW).silent_since is None


def test_much_longer_than_usual_is_by_its_own_usual_and_never_less_than_minutes() -> None:
    assert BEFORE.patience == timedelta(minutes=10)
    slow = silence.measure(BEFORE, [*mails(95, 0), *mails(5, 0, after=300.0)], now=NOW)
    assert (slow.usual_seconds, slow.patience) == (300.0, timedelta(seconds=3000))
    assert silence.measure(slow, mails(0, 50), now=NOW).usual_seconds == 300.0, "silence is not its new usual"


def accepted(store: Store, number: int, *, provider: str = "sendgrid", test: bool = False) -> list[tuple[str, str]]:
    """Store mails that a provider accepted 20 minutes ago; (envelope, attempt) of each."""
    at, sent = NOW - timedelta(minutes=20), []
    for _ in range(number):
        id, attempt = ids.new(), ids.new()
        store.submit([Submission(
            id=id, project_id="default", request_id="r", message=message(), on_unknown=OnUnknown.FAILOVER,
            created_at=at, expires_at=NOW, wake_at=at, test=test,
        )])  # fmt: skip
        made = Attempt(id=attempt, number=1, round=0, provider=provider, started_at=at, lease_until=NOW)
        claim = Claim(
            id=id, project_id="default", request_id="r", created_at=at, route=(provider,), seen=0, attempt=made
        )
        assert store.claim([claim], now=at) == {id}
        done = Attempt(
            id=attempt, number=1, round=0, provider=provider, started_at=at, lease_until=NOW, outcome=Outcome.ACCEPTED
        )
        store.record([Result(attempt=done, move=Move(id=id, input=EnvelopeInput.ACCEPT))], now=at)
        sent.append((id, attempt))
    return sent


def tell(store: Store, sent: Sequence[tuple[str, str]]) -> None:
    """Let an event of each come three seconds after it was accepted."""
    at = NOW - timedelta(minutes=20) + timedelta(seconds=3)
    told = [
        Event(
            type=EventType.ACCEPTED, provider="sendgrid", provider_event_id=ids.new(), occurred_at=at, raw_type="x",
            envelope_id=id, attempt_id=attempt,
        )
        for id, attempt in sent
    ]  # fmt: skip
    HearingStore(store.database).take(ids.new(), told, [], now=at)


def test_an_alarm_tells_when_it_begins_and_when_it_ends_once(store: Store) -> None:
    alarms: list[tuple[str, str]] = []
    stored = ReconcilerStore(store.database)
    listener = Listener(
        store=stored, providers=BOTH, alarm=lambda name, **about: alarms.append((name, about["provider"])),
        clock=lambda: NOW,
    )  # fmt: skip
    accepted(store, FEW, provider="mailgun", test=True)
    sent = accepted(store, FEW)
    for _ in range(2):
        listener.measure()
    assert alarms == [("provider.silent", "sendgrid")]
    found = stored.silences()["sendgrid"]
    assert (found.looked_at, found.unheard, found.silent_since) == (FEW, FEW, NOW - timedelta(minutes=20))
    assert stored.silences()["mailgun"].looked_at == 0, "of test mails nothing is told"
    tell(store, sent)
    for _ in range(2):
        listener.measure()
    assert alarms == [("provider.silent", "sendgrid"), ("provider.heard_again", "sendgrid")]
    assert stored.silences()["sendgrid"].usual_seconds == 3.0


def test_mails_that_are_too_young_to_have_been_heard_of_do_not_count(store: Store) -> None:
    accepted(store, FEW)
    stored = ReconcilerStore(store.database)
    assert stored.heard("sendgrid", before=NOW - timedelta(minutes=30)) == []
    assert len(stored.heard("sendgrid", before=NOW - timedelta(minutes=10))) == FEW


def test_it_is_measured_along_an_index(postgres_url: str) -> None:
    database = Database(postgres_url)
    query = latest_accepted("default", "sendgrid", before=NOW)
    with database.engine.connect() as connection:
        connection.execute(sa.text("SET enable_seqscan = off; SET enable_sort = off; SET enable_bitmapscan = off"))
        text = query.compile(database.engine, compile_kwargs={"literal_binds": True})
        plan = "\n".join(row[0] for row in connection.execute(sa.text(f"EXPLAIN {text}")))
    database.close()
    assert "Index Scan Backward using ix_attempts_project_id_provider_created_at_envelope_id" in plan
    assert "Sort" not in plan


def test_who_is_silent_comes_last_on_a_new_route() -> None:
    routing = Routing.parse("failover", providers=BOTH)
    assert routing.route(BOTH, uniform=lambda *_: 0, silent={"sendgrid"}) == ("mailgun", "sendgrid")
    assert routing.route(BOTH, uniform=lambda *_: 0, silent=BOTH) == BOTH, "somebody must be asked"
    weighted = Routing.parse("sendgrid=100,mailgun=0", providers=BOTH)
    assert weighted.route(BOTH, uniform=lambda *_: 0, silent={"sendgrid"})[0] == "mailgun"


def test_a_route_that_is_chosen_stays(world: World) -> None:
    world.providers.script = {"sendgrid": [TemporarilyRefused("no_connection")], "mailgun": [503]}
    first = world.submit()
    world.service.deliver(first)
    world.service._courier = replace(world.service._courier, silent=lambda: {"sendgrid"})
    second = world.submit()
    world.providers.script = {}
    world.service.deliver(second)
    assert world.outcomes(second) == [("mailgun", "accepted")]
    world.service.deliver(first)
    assert [provider for provider, _ in world.outcomes(first)] == ["sendgrid", "mailgun"]
