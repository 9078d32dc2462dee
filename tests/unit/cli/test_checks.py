"""The checks of `doctor`: each finding names what is wrong and what to do, and none of them hangs."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import timedelta
from email.utils import format_datetime
from pathlib import Path

import pytest
import sqlalchemy as sa

from cli import check, check_provider
from cli.check import Check, Level, examine
from mailer import clock
from mailer.errors import Unanswered
from mailer.ledger import Overdue, Sweep
from mailer.ports import HttpRequest, HttpResponse
from mailer.providers import registry
from mailer.store import Store, migrate
from tests.unit.cli.conftest import Done
from tests.unit.world import ENVIRONMENT

Run = Callable[..., Done]


def found(run: Run, name: str) -> tuple[str, str]:
    """Return level and words of a check as doctor tells it."""
    [one] = [c for c in run("doctor", "--json").json["checks"] if c["name"] == name]
    return one["level"], f"{one['found']} {one['cure']}"


def test_every_check_runs_whatever_the_others_find(run: Run, environment: dict[str, str]) -> None:
    environment |= {"CELERY_BROKER_URL": "amqp://u:secret@127.0.0.1:9//", "DATABASE_URL": "postgresql://127.0.0.1:9/x"}
    document = run("doctor", "--json").json
    assert document["ok"] is False
    assert [c["name"] for c in document["checks"]] == [
        "settings", "routing", "spool", "disk", "broker", "topology", "dead queue", "database", "revision", "sweep",
        "reconciliation", "silence", "provider sendgrid", "clock",
    ]  # fmt: skip
    levels = {c["name"]: c["level"] for c in document["checks"]}
    assert {name for name, level in levels.items() if level == "failed"} == {
        "broker", "topology", "dead queue", "database", "revision", "sweep", "provider sendgrid",
    }  # fmt: skip
    assert "secret" not in str(document)


def test_each_finding_is_one_line_for_a_person_and_tells_no_secret(run: Run) -> None:
    done = run("doctor")
    assert done.code == 1
    assert len(done.out.splitlines()) == 14
    assert "secret-of-ours" not in done.out


def test_an_old_revision_says_migrate_and_a_newer_one_says_deploy(store: Store, run: Run) -> None:
    assert found(run, "revision") == ("ok", f"{migrate.head()}, this code's ")
    for revision, cure in (("0001", "python -m mailer migrate"), ("9999", "deploy the newer code")):
        with store.database.write() as connection:
            connection.execute(sa.text("UPDATE alembic_version SET version_num = :r"), {"r": revision})
        level, words = found(run, "revision")
        assert (level, cure in words) == ("failed", True)


def test_a_sweep_that_never_ran_or_long_ago_means_that_beat_or_its_workers_are_not_running(
    store: Store, run: Run, environment: dict[str, str]
) -> None:
    environment["MAILER_SWEEP_INTERVAL"] = "10"

    def swept(ago: float, left: int = 0) -> tuple[str, str]:
        at = clock.now() - timedelta(seconds=ago)
        oldest = at - timedelta(minutes=5) if left else None
        done = Sweep(
            ran_at=at, seconds=0.1, woken=0, buried=0, left=Overdue(count=left, oldest_at=oldest), depths={}
        )  # fmt: skip
        store.note_sweep(done)
        return found(run, "sweep")

    level, words = found(run, "sweep")
    assert (level, "beat or the workers of mail.sweep are not running" in words) == ("failed", True)
    assert swept(30)[0] == "ok"
    assert swept(60)[0] == "failed"
    level, words = swept(3, left=7)
    assert (level, "left 7 for later" in words) == ("warning", True)


def test_what_waits_in_the_spool_is_counted(run: Run, tmp_path: Path) -> None:
    assert found(run, "spool")[0] == "ok"
    (tmp_path / "spool").mkdir()
    for name in ("a.json", "b.json", "c.tmp"):
        (tmp_path / "spool" / name).touch()
    level, words = found(run, "spool")
    assert (level, words.startswith("2 ")) == ("warning", True)


@pytest.mark.parametrize(
    ("changed", "level", "words"),
    [
        ({}, "warning", "only sendgrid"),
        ({"SENDGRID_API_KEY": ""}, "failed", "no provider is configured"),
        ({"MAILER_ROUTING": "failover:postmark"}, "failed", "'postmark'"),
        ({"MAILGUN_API_KEY": "k", "MAILGUN_DOMAIN": "d.example"}, "ok", "sendgrid, mailgun"),
    ],
)
def test_routing_names_what_is_wrong(
    run: Run, environment: dict[str, str], changed: dict[str, str], level: str, words: str
) -> None:
    environment |= {"MAILER_MAILGUN_URL": environment["MAILER_SENDGRID_URL"], **changed}
    said = found(run, "routing")
    assert (said[0], words in said[1]) == (level, True)


class Answers:
    """A transport that gives one answer, with a clock that is off."""

    def __init__(self, *, status: int = 200, body: bytes = b'{"scopes":["mail.send"]}', ahead: float = 0) -> None:
        self._answer = (status, body, ahead)

    def send(self, _: HttpRequest) -> HttpResponse:
        """Answer."""
        status, body, ahead = self._answer
        if status == 0:
            raise Unanswered("read_timeout")
        date = format_datetime(clock.now() + timedelta(seconds=ahead), usegmt=True)
        return HttpResponse(status, {"date": date}, body)


@pytest.mark.parametrize(
    ("answers", "level", "words"),
    [
        (Answers(), Level.OK, "takes our key"),
        (Answers(status=401, body=b"{}"), Level.FAILED, "SENDGRID_API_KEY"),
        (Answers(body=b'{"scopes":[]}'), Level.FAILED, "mail.send"),
        (Answers(status=0), Level.FAILED, "read_timeout"),
    ],
)
def test_a_providers_answer_is_a_finding(answers: Answers, level: Level, words: str) -> None:
    only = {"sendgrid": registry.load(ENVIRONMENT)["sendgrid"]}
    [finding] = examine(check_provider.Providers(only, answers).checks())
    assert (finding.level, words in finding.found) == (level, True)


@pytest.mark.parametrize(
    ("ahead", "level"), [(0, Level.OK), (-5, Level.WARNING), (5, Level.WARNING), (60, Level.FAILED)]
)
def test_a_clock_that_differs_is_told_by_how_much(store: Store, ahead: float, level: Level) -> None:
    only = {"sendgrid": registry.load(ENVIRONMENT)["sendgrid"]}
    providers = check_provider.Providers(only, Answers(ahead=ahead))
    list(examine(providers.checks()))
    finding = check_provider.clocks(providers, store)
    assert finding.level is level
    assert f"sendgrid {'+' if ahead >= 0 else '-'}" in finding.found or ahead == 0
    assert ("database" in finding.found) is (store.now() is not None)


def test_a_check_that_hangs_is_a_finding_and_the_others_are_told_all_the_same() -> None:
    checks = [Check("slow", lambda: time.sleep(30)), Check("quick", lambda: check.ok("quick", "fine"))]  # type: ignore[arg-type,return-value]
    begun = time.monotonic()
    slow, quick = examine(checks, seconds=0.2)
    assert time.monotonic() - begun < 2
    assert (slow.level, quick.level) == (Level.FAILED, Level.OK)
    assert "no answer" in slow.found


def test_a_surprise_in_one_check_is_its_finding() -> None:
    [finding] = examine([Check("odd", lambda: 1 / 0)])  # type: ignore[arg-type,return-value]
    assert (finding.level, "ZeroDivisionError" in finding.found) == (Level.FAILED, True)
