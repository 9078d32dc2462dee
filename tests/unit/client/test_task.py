"""`send_email.delay(...)`: what is checked, shown and refused before anything is published."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from celery import signals

from mailer import ids
from mailer.client.task import SendEmail, publisher
from mailer.errors import BrokerUnavailable, InvalidMessage
from mailer.settings import Settings
from tests.factories import fields

ROOT = Path(__file__).parents[3]


@pytest.fixture
def task(tmp_path: Path) -> SendEmail:
    """Give a send_email whose broker is a folder: real publishing, nothing to start."""
    for folder in ("messages", "control"):
        (tmp_path / folder).mkdir()
    return publisher(Settings(broker_url="filesystem://", broker_dir=str(tmp_path)))


@pytest.fixture
def published() -> Any:
    """Give the list of everything that is published: (headers, kwargs, queue)."""
    seen: list[tuple[dict[str, Any], dict[str, Any], str]] = []

    def note(headers: dict[str, Any], body: Any, routing_key: str, **_: Any) -> None:
        seen.append((headers, body[1], routing_key))

    signals.before_task_publish.connect(note)
    yield seen
    signals.before_task_publish.disconnect(note)


def test_the_id_is_there_at_once_and_is_the_tasks(task: SendEmail, published: Any) -> None:
    id = task.delay(**fields()).id
    assert ids.is_id(id)
    [(headers, _, _)] = published
    assert headers["id"] == id


@pytest.mark.parametrize(
    "wrong",
    [
        {"to": "nobody"}, {"subject": ""}, {"colour": "red"}, {"text": None}, {"project": 5}, {"id": "x"},
        {"project": "a\x00"}, {"expires_at": "2020-01-01T00:00:00Z"},
    ],
)  # fmt: skip
def test_a_wrong_field_raises_before_anything_is_published(task: SendEmail, published: Any, wrong: Any) -> None:
    with pytest.raises(InvalidMessage):
        task.delay(**fields(**wrong))
    assert published == []


@pytest.mark.parametrize("call", [{"lane": "bulk"}, {"hops": "x"}, {"id": "nonsense"}, {}])
def test_a_call_that_brings_no_message_and_names_none_is_refused(task: SendEmail, published: Any, call: Any) -> None:
    with pytest.raises(InvalidMessage):
        task.delay(**call)
    assert published == []


def test_celerys_own_expiry_is_refused_since_it_would_drop_the_mail_unseen(task: SendEmail, published: Any) -> None:
    with pytest.raises(InvalidMessage, match="expires_at"):
        task.apply_async(kwargs=fields(), expires=5)
    assert published == []


def test_positional_arguments_are_refused_with_the_way_to_do_it(task: SendEmail) -> None:
    with pytest.raises(TypeError, match="keyword arguments only"):
        task.delay("bob@example.com")


def test_a_task_id_of_the_callers_must_be_one_of_ours(task: SendEmail) -> None:
    id = ids.new()
    assert task.apply_async(kwargs=fields(), task_id=id).id == id
    with pytest.raises(InvalidMessage, match="/task_id"):
        task.apply_async(kwargs=fields(), task_id="mine")


def test_flower_and_events_see_a_masked_summary(task: SendEmail, published: Any) -> None:
    task.delay(**fields(to=["bob.secret@example.com", "eve@example.com"], subject="top secret", text="very secret"))
    [(headers, _, _)] = published
    assert headers["argsrepr"] == "()"
    assert headers["kwargsrepr"] == (
        "{'recipients': 2, 'to': 'b***@example.com, e***@example.com', 'lane': 'transactional'}"
    )


@pytest.mark.parametrize(("lane", "queue"), [("transactional", "mail.transactional"), ("bulk", "mail.bulk")])
def test_each_lane_goes_to_its_own_queue(task: SendEmail, published: Any, lane: str, queue: str) -> None:
    task.delay(**fields(lane=lane))
    assert published[0][2] == queue


def test_the_request_id_is_taken_from_the_headers_cleaned_or_made(task: SendEmail, published: Any) -> None:
    task.apply_async(kwargs=fields(), headers={"X-Request-ID": "my id\r\n", "other": "kept"})
    task.delay(**fields())
    assert published[0][0]["x-request-id"] == "myid"
    assert published[0][0]["other"] == "kept"
    assert ids.is_id(published[1][0]["x-request-id"])


@pytest.mark.parametrize(("asked", "given"), [(0.3, 1), (1, 1), (1.2, 2), (60, 60)])
def test_a_countdown_is_whole_seconds_since_a_quorum_queue_loses_fractions(
    task: SendEmail, monkeypatch: pytest.MonkeyPatch, asked: float, given: int
) -> None:
    seen: list[Any] = []
    monkeypatch.setattr("celery.Task.apply_async", lambda *_, **options: seen.append(options["countdown"]))
    task.apply_async(kwargs=fields(), countdown=asked)
    assert seen == [given]


def test_a_message_without_a_sender_gets_the_default_one(
    task: SendEmail, published: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(InvalidMessage, match="/from: is required"):
        task.delay(**fields(without=("from",)))
    monkeypatch.setenv("MAILER_FROM", "Shop <shop@example.com>")
    task.delay(**fields(without=("from",)))
    assert published[0][1]["from"] == {"email": "shop@example.com", "name": "Shop"}


def test_bytes_may_be_attached_as_they_are(task: SendEmail, published: Any) -> None:
    task.delay(**fields(attachments=[{"filename": "a", "content": b"\x00\xff"}]))
    assert published[0][1]["attachments"][0]["content"] == "AP8="


@pytest.mark.parametrize("address", ["127.0.0.1:1", "broker.invalid:5672"])
def test_a_broker_that_is_down_raises_within_seconds(address: str) -> None:
    down = publisher(Settings(broker_url=f"amqp://guest:secret@{address}//"))
    begun = time.monotonic()
    with pytest.raises(BrokerUnavailable) as caught:
        down.delay(**fields())
    assert time.monotonic() - begun < 10
    assert "secret" not in str(caught.value)


HEAVY = ("flask", "sqlalchemy", "psycopg", "structlog", "sentry_sdk")


def run_python(code: str) -> str:
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    return done.stdout.strip()


@pytest.mark.parametrize(
    ("code", "absent"),
    [
        ("from mailer import send_email; send_email.delay", HEAVY),
        ("from mailer import Mailer", (*HEAVY, "celery", "kombu")),
        ("import mailer", ("flask", "sqlalchemy", "celery", "pydantic", "requests")),
    ],
)  # fmt: skip
def test_an_application_loads_neither_the_web_nor_the_database(code: str, absent: tuple[str, ...]) -> None:
    loaded = run_python(f"{code}\nimport sys; print([m for m in {absent!r} if m in sys.modules])")
    assert loaded == "[]"


def test_it_leaves_the_applications_own_celery_app_alone() -> None:
    code = (
        "import celery; mine = celery.Celery('mine'); "
        "from mailer import send_email; send_email.name; "
        "print(celery.current_app.main)"
    )
    assert run_python(code) == "mine"


def test_a_repeat_under_the_same_key_names_the_same_mail(task: SendEmail, published: Any) -> None:
    first = task.delay(**fields(), idempotency_key="order-4711").id
    assert task.delay(**fields(subject="Another"), idempotency_key="order-4711").id == first
    assert task.delay(**fields(), idempotency_key="order-4712").id != first
    assert task.delay(**fields(), idempotency_key="order-4711", project="b").id != first
    assert all("idempotency_key" not in call for _, call, _ in published)


@pytest.mark.parametrize("key", ["", "x" * 256, 7])
def test_a_key_that_is_none_is_named(task: SendEmail, published: Any, key: Any) -> None:
    with pytest.raises(InvalidMessage, match="/idempotency_key"):
        task.delay(**fields(), idempotency_key=key)
    assert published == []
