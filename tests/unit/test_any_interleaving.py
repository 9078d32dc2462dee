"""Any interleaving of claim, call, kill, redelivery, sweep, late answer, outage, dead letter and suppression keeps the
promises.

The model knows the truth: which calls are running, and what each provider really took in. The machine steps through
real workers (threads that stop in the middle of their call), a real store, a real spool.
"""

from __future__ import annotations

import queue
import re
import shutil
import tempfile
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    consumes,
    invariant,
    multiple,
    rule,
    run_state_machine_as_test,
)

from mailer import ids
from mailer.burial import Letter
from mailer.delivery import FINAL, Lane, OnUnknown
from mailer.errors import ProviderError, StoreUnavailable
from mailer.ledger import Work
from mailer.outcome import Outcome
from mailer.ports import HttpRequest, HttpResponse
from mailer.replay import Order, Wanted
from mailer.step import Step
from mailer.store import Database, Store
from mailer.store.desk import Records
from mailer.suppression import Suppression
from tests.unit import suppressing
from tests.unit.world import NO_CONNECTION, READ_TIMEOUT, YES, Providers, World

Answer = HttpResponse | ProviderError | BaseException

# What a provider may say, and whether it has taken the mail in.
ANSWERS: dict[str, tuple[Answer | None, bool]] = {
    "yes": (None, True),
    "refused for now": (HttpResponse(503, {}, b"{}"), False),
    "no connection": (NO_CONNECTION, False),
    "rejected": (HttpResponse(400, {}, b"{}"), False),
    "account refused": (HttpResponse(401, {}, b"{}"), False),
    "500, taken": (HttpResponse(500, {}, b"{}"), True),
    "500, not taken": (HttpResponse(500, {}, b"{}"), False),
    "read timeout, taken": (READ_TIMEOUT, True),
    "read timeout, not taken": (READ_TIMEOUT, False),
}


class Killed(BaseException):
    """SIGKILL, as far as the store can tell."""


@dataclass
class Running:
    """A call that is under way: its worker waits until the test says how it ends."""

    envelope_id: str
    provider: str
    attempt_id: str
    ends: queue.Queue[Answer] = field(default_factory=queue.Queue)


class Line(Providers):
    """The transport: hands each call to the machine and waits."""

    def __init__(self, calls: queue.Queue[Running | Done]) -> None:
        super().__init__()
        self.began = calls

    def send(self, request: HttpRequest) -> HttpResponse:
        """Wait for the machine's answer."""
        if request.method == "GET":
            return super().send(request)
        text = request.body.decode("utf-8", "replace")
        provider = "sendgrid" if "sendgrid" in request.url else "mailgun"
        named = dict(re.findall(r'mailer_(envelope|attempt)_id"(?::"|\s+)([0-9a-f-]{36})', text))
        running = Running(named["envelope"], provider, named["attempt"])
        self.began.put(running)
        end = running.ends.get()
        if isinstance(end, HttpResponse):
            return end
        raise end


@dataclass
class Done:
    """A worker has finished."""

    step: Step | None
    error: BaseException | None = None


class Store_(Store):  # noqa: N801 - the store, with a plug to pull
    """A store that can be away."""

    away = False

    def record(self, *args: Any, **options: Any) -> Any:
        """Refuse while it is away."""
        if self.away:
            raise StoreUnavailable("away")
        return super().record(*args, **options)


class Machine(RuleBasedStateMachine):
    """Everything that may happen, in any order."""

    template: bytes
    mails = Bundle("mails")
    calls = Bundle("calls")

    def __init__(self) -> None:
        super().__init__()
        self.folder = Path(tempfile.mkdtemp())
        (self.folder / "mailer.db").write_bytes(self.template)
        self.store = Store_(Database(f"sqlite:///{self.folder}/mailer.db"))
        self.happenings: queue.Queue[Running | Done] = queue.Queue()
        self.world = World(self.store, self.folder / "spool", providers=Line(self.happenings))
        self.taken: dict[str, list[str]] = {}  # what providers really took in: envelope to attempts
        self.running: list[Running] = []
        self.policy: dict[str, OnUnknown] = {}
        self.address: dict[str, str] = {}
        self.suppressed: dict[str, Suppression] = {}  # by mail
        self.risky: set[str] = set()  # of these an operator chose to risk a second mail

    def teardown(self) -> None:
        """End every worker that still waits."""
        for call in list(self.running):
            self.end(call, Killed())
        self.store.database.close()
        shutil.rmtree(self.folder)

    # What may happen.

    @rule(target=mails, on_unknown=st.sampled_from(OnUnknown))
    def submit(self, on_unknown: OnUnknown) -> str:
        """An application hands a mail over."""
        address = f"n{len(self.policy)}@example.com"
        hours = self.world.now + timedelta(hours=20)
        id = self.world.submit(to=address, on_unknown=on_unknown.value, expires_at=hours)
        self.policy[id], self.address[id] = on_unknown, address
        self.taken[id] = []
        return id

    @rule(target=calls, id=mails)
    def deliver(self, id: str) -> Any:
        """A worker gets the mail's task, for the first time or once more."""
        before = self.work(id)
        threading.Thread(target=self._work, args=(id,), daemon=True).start()
        happened = self.happenings.get(timeout=20)
        if isinstance(happened, Done):
            # While the store is away its task comes back later; that is another delivery.
            away = self.store.away and isinstance(happened.error, StoreUnavailable)
            assert happened.error is None or away, happened.error
            return multiple()
        self.running.append(happened)
        self.check_call(before, happened)
        return happened

    @rule(call=consumes(calls), how=st.sampled_from(sorted(ANSWERS)))
    def answer(self, call: Running, how: str) -> None:
        """The provider answers, in time or late."""
        if call not in self.running:
            return
        answer, taken = ANSWERS[how]
        if taken:
            self.take(call)
        self.end(call, answer or YES[call.provider])

    @rule(call=consumes(calls), taken=st.booleans())
    def kill(self, call: Running, taken: bool) -> None:
        """The worker is killed in the middle of its call."""
        if call not in self.running:
            return
        if taken:
            self.take(call)
        self.end(call, Killed())

    @rule(seconds=st.sampled_from([1, 11, 46, 130, 2500]))
    def time_passes(self, seconds: int) -> None:
        """Time passes."""
        self.world.now += timedelta(seconds=seconds)

    @rule(target=calls)
    def sweep(self) -> Any:
        """The sweep wakes what is due."""
        due = [d.id for lane in Lane for d in self.world.service.sweep(lane=lane, limit=9, again_in=600)]
        begun = [self.deliver(id) for id in due]
        return multiple(*(call for call in begun if isinstance(call, Running)))

    @rule(away=st.booleans())
    def database(self, away: bool) -> None:
        """The database goes away just when outcomes are to be stored, or comes back and the spool is stored."""
        self.store.away = away
        if not away:
            self.world.service.replay_spool()

    @rule(id=mails)
    def suppress_or_lift(self, id: str) -> None:
        """Somebody does not want a mail, or wants it after all."""
        if held := self.suppressed.pop(id, None):
            suppressing.lift(self.store, held, now=self.world.now)
        else:
            self.suppressed[id] = suppressing.suppress(self.store, self.address[id])

    @rule(id=mails)
    def the_task_dies(self, id: str) -> None:
        """The broker gives a task up."""
        letter = Letter(
            id=id, project_id="default", request_id="r", reason="delivery_limit", death=ids.new(), fields=None, call={}
        )
        self.world.service.bury(letter)

    @rule(id=mails, allow_duplicates=st.booleans())
    def replay(self, id: str, allow_duplicates: bool) -> None:
        """An operator sends again what rests, and may choose the risk."""
        wanted = Wanted(ids=(id,), allow_duplicates=allow_duplicates)
        order = Order(who="ann", why="", deadline=lambda _: 72_000)
        moved = Records(self.store.database).replay(wanted, order, limit=9, now=self.world.now)
        assert allow_duplicates or not (moved and self.taken[id]), "replayed what a provider has, unasked"
        if moved and allow_duplicates:
            self.risky.add(id)

    # What must hold.

    def check_call(self, before: Work, call: Running) -> None:
        """A call has begun: had it the right to?"""
        id, now = call.envelope_id, self.work(call.envelope_id)
        attempt = next(a for a in now.attempts if a.id == call.attempt_id)
        assert not before.at_rest, "a mail at rest was called for"
        assert id not in self.suppressed, "a call that names somebody who is suppressed"
        assert all(a.outcome is not Outcome.STARTED for a in before.attempts), "a second call while one may be running"
        assert not before.accepted, "sent again after a yes"
        if self.taken[id]:
            assert attempt.possible_duplicate, "a second mail that nobody had written down"
            assert self.policy[id] is not OnUnknown.FAIL or id in self.risky, "a second mail under `fail`"
        assert before.unknowns < 4 or id in self.risky, "a provider that takes and hangs would mail for ever"

    @invariant()
    def nothing_is_forgotten(self) -> None:
        """Everything that is not at rest has a time at which somebody looks after it."""
        for id in self.policy:
            work = self.work(id)
            assert work.at_rest or work.wake_at is not None, f"{work.status} and nobody will look after it"
            if work.status in FINAL and work.status != "accepted":
                # What is still in the air or in the spool may say otherwise later.
                known = {a.id for a in work.attempts if a.outcome not in (Outcome.STARTED, Outcome.UNKNOWN)}
                assert not set(self.taken[id]) & known, f"{work.status}, and a provider has it"

    def finish(self) -> None:
        """Let everything calm down, with good providers: every mail comes to rest, and says the truth."""
        self.store.away = False
        for call in list(self.running):
            self.end(call, Killed())
        self.world.service.replay_spool()
        for _ in range(60):
            self.time_passes(2500)
            for lane in Lane:
                for due in self.world.service.sweep(lane=lane, limit=99, again_in=600):
                    begun: Any = self.deliver(due.id)
                    if isinstance(begun, Running):
                        self.take(begun)
                        self.end(begun, YES[begun.provider])
        for id, taken in self.taken.items():
            work = self.work(id)
            assert work.at_rest, f"{work.status} for ever"
            assert taken or work.status != "accepted", "accepted by nobody"
            if work.status in ("failed", "expired"):
                assert not taken, f"{work.status}, and a provider has it"

    # How the machine works.

    def work(self, id: str) -> Work:
        """Return what the store knows."""
        return self.store.load([id])[id]

    def take(self, call: Running) -> None:
        """Let the provider take the mail in; Mailgun's Events API knows of it from now on."""
        self.taken[call.envelope_id].append(call.attempt_id)
        if call.provider == "mailgun":
            event = {"event": "accepted", "user-variables": {"mailer_attempt_id": call.attempt_id}}
            self.world.providers.events.append(event)

    def end(self, call: Running, answer: Answer) -> None:
        """End a call and wait until its worker has done what it does then."""
        self.running.remove(call)
        call.ends.put(answer)
        done = self.happenings.get(timeout=20)
        assert isinstance(done, Done)
        assert done.error is None or isinstance(done.error, Killed), done.error

    def _work(self, id: str) -> None:
        try:
            self.happenings.put(Done(self.world.service.deliver(id)))
        except BaseException as error:  # noqa: BLE001 - whatever it is, the machine judges it
            self.happenings.put(Done(None, error))


def _machine(template: bytes, *, then: Callable[[Machine], None] | None = None) -> type[Machine]:
    class Filled(Machine):
        def teardown(self) -> None:
            if then:
                then(self)
            super().teardown()

    Filled.template = template
    return Filled


@pytest.fixture
def machine(_sqlite_template: bytes) -> type[Machine]:
    """Give the machine with a migrated database to copy."""
    return _machine(_sqlite_template, then=Machine.finish)


def test_any_interleaving_keeps_the_promises(machine: type[Machine]) -> None:
    run_state_machine_as_test(
        machine,
        settings=settings(
            max_examples=60, stateful_step_count=40, deadline=None, suppress_health_check=list(HealthCheck)
        ),
    )
