"""What a mail leaves behind in logs, Flower and Sentry: its ids everywhere, its people and words nowhere."""

from __future__ import annotations

import gzip
import json
import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
import requests
from pytest_celery import CeleryTestSetup

from deploy.local import port
from deploy.local.process import Process
from mailer import Mailer
from mailer.client.task import SendEmail
from sandbox.process import Process as Sandbox
from tests.factories import fields
from tests.integration.conftest import API_KEY, PROVIDER_KEYS, copies, json_of

# Everything here is what must not be seen: people, words, files, keys.
PRIVATE = fields(
    from_="Ann Sender <ann.private@sender.example.com>", to=["Bob Private <bob.private@example.com>"],
    cc="carl.private@example.com", bcc="dan.private@example.com", subject="Subject-private", text="Text-private",
    html="<p>Html-private</p>", headers={"X-Private": "Header-private"}, metadata={"k": "Metadata-private"},
    attachments=[{"filename": "File-private.txt", "content": b"Content-private"}],
)  # fmt: skip
SECRETS = [
    "private",
    "Q29udGVudC1wcml2YXRl",
    API_KEY,
    PROVIDER_KEYS["SENDGRID_API_KEY"],
    PROVIDER_KEYS["MAILGUN_API_KEY"],
]


@pytest.fixture
def database_url(postgres_url: str) -> str:
    """Give PostgreSQL only: nothing here depends on the database."""
    return postgres_url


def seen_in(text: str) -> list[str]:
    """Return the secrets found in a text."""
    return [secret for secret in SECRETS if secret.lower() in text.lower()]


def test_every_log_line_is_json_carries_its_ids_and_shows_nothing_private(
    api: Mailer, celery_setup: CeleryTestSetup, sandbox: Sandbox, beat: Process, send_email: SendEmail, tmp_path: Path
) -> None:
    sandbox.fail("sendgrid", status=401, body={"errors": [{"message": "no bob.private@example.com", "field": None}]})
    by_http = api.send(**PRIVATE, request_id="trace-http")
    api.wait(by_http, timeout=20)
    by_task = send_email.apply_async(kwargs=PRIVATE, headers={"x-request-id": "trace-task"}).id
    wait_for(lambda: copies(sandbox, by_task))
    sandbox.fail("mailgun", status=400, body={"message": "no carl.private@example.com"})
    failed = api.send(**PRIVATE, request_id="trace-failed")
    api.wait(failed, timeout=20)
    # A message that slipped past its sender's own check, and a task that nobody knows.
    send_email.app.send_task("tasks.send_email", kwargs={"to": "bob.private@example.com"}, queue="mail.transactional")
    send_email.app.send_task("tasks.unknown", kwargs={"to": "bob.private@example.com"}, queue="mail.transactional")
    with pytest.raises(Exception, match="404"):
        api.get("bob.private@example.com")
    log = tmp_path / "worker.log"
    wait_for(lambda: "tasks.unknown" in log.read_text() and "message.invalid" in log.read_text())

    text = {name: (tmp_path / f"{name}.log").read_text() for name in ("web", "worker", "beat")}
    assert {name: seen_in(content) for name, content in text.items()} == {"web": [], "worker": [], "beat": []}
    lines = [json.loads(line) for content in text.values() for line in content.splitlines()]
    assert all({"time", "level", "message", "process"} <= set(line) for line in lines)
    assert all(line["time"].endswith("Z") for line in lines)

    [access] = [
        line
        for line in lines
        if line["message"] == "request" and line["request_id"] == "trace-http" and line["method"] == "POST"
    ]
    assert (access["status"], access["path"], access["key"], access["message_id"]) == (
        202,
        "/v1/messages",
        "bootstrap",
        by_http,
    )
    tried = [line for line in lines if line["message"] == "attempt" and line["request_id"] == "trace-http"]
    assert [(a["provider"], a["status"], a["outcome"], a["retry"]) for a in tried] == [
        ("sendgrid", 401, "not_accepted", 0), ("mailgun", 200, "accepted", 1),
    ]  # fmt: skip
    assert all(a["duration_ms"] >= 0 and a["envelope_id"] == by_http for a in tried)
    assert [x["outcome"] for x in lines if x["message"] == "attempt" and x["request_id"] == "trace-task"] == [
        "accepted"
    ]
    about = [line for line in lines if by_task in json.dumps(line) or by_http in json.dumps(line)]
    assert {line["request_id"] for line in about} == {"trace-http", "trace-task"}, "no line of a mail without its id"


def test_a_log_file_is_written_by_all_processes_and_rotated_without_losing_a_line(
    environment: dict[str, str], api: Mailer, tmp_path: Path, spawn: Callable[..., Process]
) -> None:
    code = (
        "from mailer import log; from mailer.settings import Settings; log.configure(Settings.load(), process='p')\n"
        "import sys\n"
        "for i in range(400): log.get('x').info('line', who=sys.argv[1], n=i, filler='y' * 300)"
    )
    environment |= {
        "MAILER_LOG_FILE": str(tmp_path / "logs" / "mailer.log"), "MAILER_LOG_FILE_BYTES": "100000",
        "MAILER_LOG_FILE_BACKUPS": "50",
    }  # fmt: skip
    writers = [spawn(f"writer-{i}", "-c", code, str(i)) for i in range(4)]
    wait_for(lambda: not any(w.running for w in writers), timeout=60)
    assert [w.status for w in writers] == [0] * 4
    files = [p for p in (tmp_path / "logs").iterdir() if not p.name.startswith(".") and "lock" not in p.name]
    lines = [json.loads(line) for p in files for line in p.read_text().splitlines()]
    assert len(files) > 1
    assert {(line["who"], line["n"]) for line in lines} == {(str(w), n) for w in range(4) for n in range(400)}
    assert len(lines) == 1600


def test_flower_shows_the_hops_and_nothing_private(
    api: Mailer, celery_setup: CeleryTestSetup, sandbox: Sandbox, environment: dict[str, str],
    spawn: Callable[..., Process], send_email: SendEmail,
) -> None:  # fmt: skip
    number = port.free_port()
    environment |= {"FLOWER_PORT": str(number), "FLOWER_ADDRESS": "127.0.0.1", "FLOWER_UNAUTHENTICATED_API": "true"}
    spawn("flower", "-m", "celery", "-A", "tasks", "flower")
    url = f"http://127.0.0.1:{number}"
    wait_for(lambda: port.answers(number) and json_of(f"{url}/api/workers"), timeout=30)
    sandbox.fail("sendgrid", status=503)
    id = send_email.delay(**PRIVATE).id
    wait_for(lambda: copies(sandbox, id) == ["mailgun"])
    wait_for(lambda: json_of(f"{url}/api/tasks").get(id, {}).get("state") == "SUCCESS")
    info = json_of(f"{url}/api/task/info/{id}")
    assert info["name"] == "tasks.send_email"
    assert "mailgun after sendgrid:503" in info["kwargs"]
    pages = [
        requests.get(f"{url}{path}", timeout=10).text
        for path in ("/api/tasks", f"/task/{id}", "/tasks", "/api/workers?refresh=1")
    ]
    assert [seen_in(page) for page in pages] == [[]] * 4


class Collector(ThreadingHTTPServer):
    """Sentry's intake, as far as sending goes: keeps the events it is posted."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Intake)
        self.raw: list[str] = []

    @property
    def dsn(self) -> str:
        """The address to send to."""
        return f"http://public@127.0.0.1:{self.server_port}/1"

    def events(self) -> list[dict[str, Any]]:
        """Return the events so far."""
        lines = [json.loads(line) for text in self.raw for line in text.splitlines() if line.startswith("{")]
        return [line for line in lines if "event_id" in line and "platform" in line]


class _Intake(BaseHTTPRequestHandler):
    server: Collector

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        if self.headers.get("Content-Encoding") == "gzip":
            body = gzip.decompress(body)
        self.server.raw.append(body.decode())
        self.send_response(200)
        self.send_header("Content-Length", "2")
        self.end_headers()
        self.wfile.write(b"{}")

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.fixture
def sentry(environment: dict[str, str]) -> Iterator[Collector]:
    """Give a local Sentry, switched on for the whole system."""
    with Collector() as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        environment["SENTRY_DSN"] = server.dsn
        yield server
        server.shutdown()


def test_sentry_hears_of_what_a_person_should_look_at_and_of_nothing_private(
    sentry: Collector, api: Mailer, celery_setup: CeleryTestSetup, sandbox: Sandbox, environment: dict[str, str]
) -> None:
    sandbox.fail("sendgrid", status=401, body={"errors": [{"message": "no bob.private@example.com", "field": None}]})
    refused = api.send(**PRIVATE, request_id="sentry-refused")
    api.wait(refused, timeout=20)
    sandbox.fail("mailgun", status=400, body={"message": "no carl.private@example.com"})
    failed = api.send(**PRIVATE, request_id="sentry-failed")
    api.wait(failed, timeout=20)
    wait_for(lambda: len(sentry.events()) >= 2)
    found = {event["message"]: event for event in sentry.events()}
    assert found.keys() == {"provider.account_refused", "envelope.failed"}
    tags = {name: event["tags"] for name, event in found.items()}
    assert tags["provider.account_refused"].items() >= {
        "request_id": "sentry-refused", "envelope_id": refused, "provider": "sendgrid", "process": "worker",
    }.items()  # fmt: skip
    assert tags["envelope.failed"].items() >= {"request_id": "sentry-failed", "envelope_id": failed}.items()
    assert seen_in("".join(sentry.raw)) == []


def test_sentry_hears_of_unexpected_exceptions_in_api_and_worker(
    sentry: Collector, environment: dict[str, str], tmp_path: Path, spawn: Callable[..., Process]
) -> None:
    code = """
from mailer import alarm, request_id, bootstrap
from mailer.settings import Settings
import os
alarm.configure(Settings.load(), process="web")
from api import create_app
app = create_app(Settings.load())
def broken(*_, **__):
    raise RuntimeError("cannot send to bob.private@example.com")
from mailer.intake import Intake
Intake.draft = broken
answer = app.test_client().post("/v1/messages", json={"to": "bob.private@example.com", "subject": "Subject-private",
    "text": "Text-private", "from": "ann.private@sender.example.com"},
    headers={"Authorization": "Bearer " + os.environ["MAILER_API_KEY"], "X-Request-ID": "sentry-boom"})
assert answer.status_code == 500
import tasks.send
type(bootstrap.service()).deliver = broken
id = "019367f0-5b7a-7c3e-9f0d-2f6a1c9e4b11"
tasks.send.send_email.apply(kwargs={"id": id}, task_id=id, headers={"x-request-id": "sentry-task"})
import sentry_sdk; sentry_sdk.flush(5)
"""
    process = spawn("broken", "-c", code)
    wait_for(lambda: not process.running, timeout=30)
    assert process.status == 0, process.tail(40)
    events = sentry.events()
    assert {event["tags"]["request_id"] for event in events} == {"sentry-boom", "sentry-task"}
    task_ids = [event["tags"].get("envelope_id") for event in events if event["tags"]["request_id"] == "sentry-task"]
    assert task_ids == ["019367f0-5b7a-7c3e-9f0d-2f6a1c9e4b11"]
    assert {event["exception"]["values"][-1]["type"] for event in events} == {"RuntimeError"}
    assert seen_in("".join(sentry.raw)) == []


def wait_for(condition: Callable[[], Any], timeout: float = 20) -> None:
    """Wait until something is true; fail if it does not become so."""
    deadline = time.monotonic() + timeout
    while not condition():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.1)
