"""The command line against the whole system: a broker that is down, a wrong key, an outage and what follows."""

from __future__ import annotations

import json
import os
import pty
import signal
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import pytest

from deploy.local.port import wait_until
from deploy.local.process import Process
from mailer import ids
from mailer.client.task import SendEmail
from mailer.delivery import EnvelopeInput
from mailer.settings import Settings
from mailer.store import Database, Store
from sandbox.process import Process as Sandbox
from tests.factories import fields
from tests.integration.conftest import QUEUES, copies
from tests.integration.nodes import ROOT
from tests.unit.store.test_desk import bury, rested

Run = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def database_url(postgres_url: str) -> str:
    """Give PostgreSQL only: what differs between the two is tested with the store."""
    return postgres_url


@pytest.fixture
def run(environment: dict[str, str]) -> Run:
    """Give a way to run a command as an operator does."""

    def command(*arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "mailer", *arguments], cwd=ROOT, env={"PATH": os.environ["PATH"], **environment},
            capture_output=True, text=True, timeout=100, stdin=subprocess.DEVNULL, check=False,
        )  # fmt: skip

    return command


@pytest.fixture
def working(settings: Settings, spawn: Callable[..., Process]) -> Process:
    """Give a worker of every queue, and beat."""
    spawn("beat", "-m", "celery", "-q", "-A", "tasks", "beat", "--schedule", f"{settings.var}/schedule")
    command = ["-m", "celery", "-q", "-A", "tasks", "worker", "-Q", QUEUES, "--hostname", "w@localhost"]
    process = spawn("worker", *command)
    process.wait_ready(lambda: "ready." in process.log.read_text(), timeout=30)
    return process


@pytest.fixture
def store(settings: Settings) -> Any:
    """Give the store of that system."""
    database = Database(settings.database)
    yield Store(database)
    database.close()


def levels(done: subprocess.CompletedProcess[str]) -> dict[str, str]:
    return {c["name"]: c["level"] for c in json.loads(done.stdout)["checks"]}


def line(done: subprocess.CompletedProcess[str], name: str) -> str:
    [found] = [text for text in done.stdout.splitlines() if text[9:].startswith(f"{name} ")]
    return found


def test_doctor_finds_all_well_in_a_system_that_runs(working: Process, run: Run, store: Store) -> None:
    assert wait_until(lambda: store.last_sweep() is not None, timeout=20)
    done = run("doctor")
    assert done.returncode == 0, done.stdout
    assert {text.split()[0] for text in done.stdout.splitlines()} == {"ok"}, done.stdout


def test_doctor_has_one_clear_line_for_each_thing_that_is_wrong(
    settings: Settings, environment: dict[str, str], run: Run, send_email: SendEmail, sandbox: Sandbox
) -> None:
    with send_email.app.connection_for_write() as connection:
        channel = connection.default_channel
        channel.queue_delete("mail.bulk")
        channel.queue_delete("mail.sweep")
        channel.queue_declare("mail.sweep", durable=True, auto_delete=False, arguments={"x-queue-type": "classic"})
    environment |= {"SENDGRID_API_KEY": "SG.another-key-than-that", "MAILGUN_DOMAIN": "other.example"}
    done = run("doctor")
    assert done.returncode == 1
    assert "missing: mail.bulk -> run: python -m mailer topology" in line(done, "topology")
    assert "refuses SENDGRID_API_KEY (401)" in line(done, "provider sendgrid")
    assert "does not know the domain other.example (404)" in line(done, "provider mailgun")
    assert "another-key" not in done.stdout
    assert run("topology").returncode == 1, "the sweep's queue is another's"
    sandbox.fail("mailgun", mode="hang")
    environment["CELERY_BROKER_URL"] = "amqp://guest:guest@127.0.0.1:1//"
    done = run("doctor")
    assert "does not answer" in line(done, "broker")
    assert "does not answer (read_timeout)" in line(done, "provider mailgun")


def test_doctor_tells_arguments_that_are_not_ours_and_what_to_do(
    run: Run, settings: Settings, send_email: SendEmail
) -> None:
    with send_email.app.connection_for_write() as connection:
        connection.default_channel.queue_delete("mail.sweep")
        connection.default_channel.queue_declare("mail.sweep", durable=True, auto_delete=False)
    found = line(run("doctor"), "topology")
    assert "other arguments than ours: mail.sweep" in found
    assert "delete it" in found


def test_after_an_outage_of_both_providers_what_failed_is_replayed_and_arrives_once(
    working: Process, run: Run, send_email: SendEmail, sandbox: Sandbox, store: Store
) -> None:
    for provider in ("sendgrid", "mailgun"):
        sandbox.fail(provider, status=400)
    sent = [send_email.delay(**fields(to=f"u{n}@example.com")).id for n in range(4)]
    assert wait_until(lambda: {w.status for w in store.load(sent).values()} == {"failed"}, timeout=20)
    sandbox.mend()
    assert run("replay", "--status", "failed").returncode == 2, "nobody to ask and no --yes"
    plan = json.loads(run("replay", "--error", "400", "--dry-run", "--json").stdout)
    assert (plan["total"], plan["plan"]["possible_duplicates"]) == (4, 0)
    done = run("replay", "--error", "400", "--yes", "--reason", "both were down")
    assert done.returncode == 0, done.stderr
    assert "4 of 4 are queued again" in done.stdout
    assert wait_until(lambda: {w.status for w in store.load(sent).values()} == {"accepted"}, timeout=20)
    assert [len(copies(sandbox, id)) for id in sent] == [1] * 4
    told = run("trace", sent[0]).stdout
    assert [word in told for word in ("rejected 400", "both were down", "rests as accepted")] == [True] * 3, told
    assert run("stuck").returncode == 0


def test_on_a_terminal_it_asks_and_no_means_no(run: Run, environment: dict[str, str], store: Store) -> None:
    work = rested(store, EnvelopeInput.FAIL)
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-m", "mailer", "replay", "--all"], cwd=ROOT, env={"PATH": os.environ["PATH"], **environment},
        stdin=theirs, stdout=theirs, stderr=theirs,
    )  # fmt: skip
    os.close(theirs)
    os.write(ours, b"n\n")
    said = b""
    while True:
        try:
            piece = os.read(ours, 4096)
        except OSError:
            break  # the other side is closed
        if not piece:
            break
        said += piece
    os.close(ours)
    assert process.wait(30) == 1
    assert b"replay 1 message?" in said
    assert store.load([work.id])[work.id].status == "failed"


@pytest.mark.parametrize("fault", [["--status", "503"], ["--mode", "refuse"], ["--mode", "hang"]], ids=" ".join)
def test_a_drill_sees_the_failover_and_mends_the_fault(
    working: Process, run: Run, sandbox: Sandbox, fault: list[str]
) -> None:
    done = run("drill", "--provider", "sendgrid", *fault)
    assert done.returncode == 0, done.stdout + done.stderr
    steps = ["sendgrid fails", "through the broker", "1. sendgrid", "2. mailgun accepted 200", "sendgrid is mended"]
    places = [done.stdout.find(step) for step in steps]
    assert places == sorted(places)
    assert -1 not in places, done.stdout
    assert "the failover works" in done.stdout
    assert sandbox.faults() == {"sendgrid": None, "mailgun": None}


def test_a_drill_that_nobody_works_on_fails_and_mends_even_when_it_is_interrupted(
    settings: Settings, environment: dict[str, str], sandbox: Sandbox
) -> None:
    process = subprocess.Popen(
        [sys.executable, "-m", "mailer", "drill", "--json"], cwd=ROOT, env={"PATH": os.environ["PATH"], **environment},
        stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert wait_until(lambda: sandbox.faults()["sendgrid"] is not None, timeout=20)
    process.send_signal(signal.SIGTERM)
    process.communicate(timeout=20)
    assert process.returncode == 130
    assert sandbox.faults()["sendgrid"] is None


@pytest.mark.parametrize(
    "changed",
    [
        {"MAILER_SENDGRID_URL": "https://api.sendgrid.com"},
        {"MAILER_SENDGRID_URL": "http://127.0.0.1:9", "MAILER_MAILGUN_URL": "http://127.0.0.1:9"},
        {"SENDGRID_API_KEY": ""},
    ],
    ids=["real", "nobody", "one provider"],
)
def test_a_drill_anywhere_but_at_the_sandbox_is_refused(
    environment: dict[str, str], run: Run, changed: dict[str, str], sandbox: Sandbox
) -> None:
    environment |= changed
    done = run("drill")
    assert (done.returncode, done.stdout) == (2, "")
    assert sandbox.count() == 0


def test_a_drill_leaves_a_fault_of_somebody_elses_alone(
    run: Run, environment: dict[str, str], sandbox: Sandbox
) -> None:
    sandbox.fail("mailgun", status=429)
    assert run("drill").returncode == 2
    assert sandbox.faults()["mailgun"] is not None


def test_a_call_that_died_on_the_broker_goes_out_after_all(
    working: Process, run: Run, store: Store, sandbox: Sandbox
) -> None:
    id = bury(store, id=ids.new(), call=fields(), request_id="shop-7")
    assert run("stuck").returncode == 1
    assert run("replay", "--dead", "--yes").returncode == 0
    assert wait_until(lambda: copies(sandbox, id) == ["sendgrid"], timeout=20)
    assert "shop-7" in run("trace", id).stdout
