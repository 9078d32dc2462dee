"""`python -m mailer reconcile` against a sandbox."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
import sqlalchemy as sa

from mailer.store import Database, Store
from mailer.store.tables import events
from sandbox.process import Process
from tests.unit.cli.conftest import Done
from tests.unit.reading import Place
from tests.unit.reading import environment as pointing

Run = Callable[..., Done]


@pytest.fixture(scope="module")
def box(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Process]:
    with Process(tmp_path_factory.mktemp("sandbox")) as process:
        yield process


@pytest.fixture
def environment(environment: dict[str, str], box: Process) -> dict[str, str]:
    box.mend()
    box.clear()
    return {**environment, **pointing(box)}


@pytest.fixture
def place(environment: dict[str, str], box: Process, monkeypatch: pytest.MonkeyPatch) -> Iterator[Place]:
    """Give a place that has sent a mail through Mailgun, which was delivered, and one through SendGrid: it bounced."""
    for name, value in pointing(box).items():
        monkeypatch.setenv(name, value)
    database = Database(environment["DATABASE_URL"])
    place = Place(Store(database), box)
    place.send("mailgun", "bob@example.com")
    place.send("sendgrid", "bounce@example.com")
    place.until_happened(2)
    place.until_listed("sendgrid", "bounces", "bounce@example.com")
    yield place
    database.close()


def seen(done: Done) -> dict[tuple[str, str], tuple[int, int]]:
    """Return what was new of each source."""
    return {
        (r["provider"], r["source"]): (r["new_events"], r["new_listed"]) for r in done.json["readings"]
        if r["new_events"] or r["new_listed"]
    }  # fmt: skip


def count(place: Place) -> int:
    with place.store.database.read() as connection:
        return connection.execute(sa.select(sa.func.count()).select_from(events)).scalar_one()


def test_it_is_tried_first_and_then_done_once(run: Run, place: Place) -> None:
    new = {("mailgun", "events"): (2, 0), ("sendgrid", "bounces"): (0, 1)}
    tried = run("reconcile", "--since", "10m", "--dry-run", "--json")
    assert (tried.code, tried.json["ok"], tried.json["stored"], seen(tried)) == (0, True, False, new)
    assert count(place) == 0
    assert seen(run("reconcile", "--since", "10m", "--json")) == new
    assert count(place) == 2
    again = run("reconcile", "--since", "10m", "--provider", "mailgun")
    assert "0 new" in again.out
    assert "sendgrid" not in again.out


def test_a_provider_that_cannot_be_read_is_an_exit_code(run: Run, place: Place) -> None:
    place.box.fail("mailgun", status=401)
    done = run("reconcile", "--since", "10m")
    assert done.code == 1
    assert "401" in done.out


def test_wrong_usage_is_said(run: Run) -> None:
    assert run("reconcile").code == 2
    assert run("reconcile", "--since", "yesterday").code == 2
    wrong = run("reconcile", "--since", "1h", "--provider", "pigeon")
    assert (wrong.code, "pigeon" in wrong.err) == (2, True)
