"""A suppression that comes at any moment is heeded by every call after it, and everybody else gets exactly one mail.

The moments are counted by what the workers ask of the store and of the providers: a suppression may come just before
any of them, also between reading a mail and claiming it. What providers answer is any sequence; they tell the truth.
"""

from __future__ import annotations

import shutil
import tempfile
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mailer.delivery import FINAL
from mailer.errors import ProviderError
from mailer.ports import HttpRequest, HttpResponse
from mailer.step import Finished, Later
from mailer.store import Database, Store
from tests.unit.suppressing import named, suppress
from tests.unit.world import NO_CONNECTION, Providers, World

PEOPLE = {"a@example.com": "to", "b@example.com": "to", "c@example.com": "cc", "d@example.com": "bcc"}
NO: list[HttpResponse | ProviderError] = [HttpResponse(503, {}, b"{}"), NO_CONNECTION, HttpResponse(401, {}, b"{}")]


class Clockwork(Store):
    """A store in which something may happen before each of its transactions."""

    tick: Any = staticmethod(lambda: None)

    def submit(self, *args: Any, **options: Any) -> Any:
        """Tick first."""
        self.tick()
        return super().submit(*args, **options)

    def load(self, *args: Any, **options: Any) -> Any:
        """Tick first."""
        self.tick()
        return super().load(*args, **options)

    def claim(self, *args: Any, **options: Any) -> Any:
        """Tick first."""
        self.tick()
        return super().claim(*args, **options)

    def suppress(self, *args: Any, **options: Any) -> Any:
        """Tick first."""
        self.tick()
        return super().suppress(*args, **options)

    def record(self, *args: Any, **options: Any) -> Any:
        """Tick first."""
        self.tick()
        return super().record(*args, **options)

    def settle(self, *args: Any, **options: Any) -> Any:
        """Tick first."""
        self.tick()
        return super().settle(*args, **options)


class Line(Providers):
    """Providers that note whom each call names, and whom it should not have; and whom a yes has mailed."""

    suppressed: set[str]

    def __init__(self) -> None:
        super().__init__()
        self.suppressed, self.mailed, self.wrong = set(), Counter[str](), set[str]()

    def send(self, request: HttpRequest) -> HttpResponse:
        """Answer as scripted."""
        who = set(named(request))
        self.wrong |= who & self.suppressed
        answer = super().send(request)
        if answer.status in (200, 202):
            self.mailed.update(who)
        return answer


@pytest.fixture(scope="module")
def template(_sqlite_template: bytes) -> bytes:
    """Give a migrated database to copy."""
    return _sqlite_template


@given(
    when=st.dictionaries(st.sampled_from(sorted(PEOPLE)), st.integers(0, 40)),
    answers=st.lists(st.sampled_from(range(len(NO))), max_size=6),
)
@settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))
def test_every_call_after_a_suppression_heeds_it(template: bytes, when: dict[str, int], answers: list[int]) -> None:
    folder = Path(tempfile.mkdtemp())
    (folder / "mailer.db").write_bytes(template)
    store, line = Clockwork(Database(f"sqlite:///{folder}/mailer.db")), Line()
    world = World(store, folder / "spool", providers=line)
    line.script = {name: [NO[a] for a in answers[n::2]] for n, name in enumerate(("sendgrid", "mailgun"))}
    ticks = 0

    def tick() -> None:
        nonlocal ticks
        for email in (e for e, at in when.items() if at == ticks):
            suppress(store, email)
            line.suppressed.add(email)
        ticks += 1

    store.tick = tick
    try:
        fields: dict[str, list[str]] = {}
        for email, role in PEOPLE.items():
            fields.setdefault(role, []).append(email)
        id = world.submit(**fields)
        for _ in range(100):
            step = world.service.deliver(id)
            if isinstance(step, Later):
                world.now = max(world.now, world.view(id).next_attempt_at or world.now)
            if isinstance(step, Finished) and world.view(id).status in FINAL:
                break
        view = world.view(id)
        assert line.wrong == set(), "named in a call after it was suppressed"
        assert max(line.mailed.values(), default=0) <= 1, "mailed twice"
        assert view.status in FINAL, "forgotten"
        state = {r.email: r.status.value for r in view.recipients}
        for email in PEOPLE:
            assert (state[email] == "accepted") == (line.mailed[email] == 1), "its state is a lie"
            if view.status == "accepted":
                assert line.mailed[email] or email in line.suppressed, "lost"
    finally:
        store.database.close()
        shutil.rmtree(folder)
