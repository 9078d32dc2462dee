"""The inbox: nothing that was answered with a yes is missing, and it is found again."""

from __future__ import annotations

import base64
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
import requests

from sandbox.process import Process, StartError
from tests.unit.sandbox.sending import send


def test_no_mail_is_lost_by_a_kill_while_many_arrive(start: Callable[..., Process]) -> None:
    box = start()

    def keep_sending(worker: int) -> int:
        accepted = 0
        with requests.Session() as session:
            while True:
                try:
                    send(session, box, custom_args={"mailer_envelope_id": f"{worker}-{accepted}"})
                except requests.ConnectionError:
                    return accepted
                accepted += 1

    with ThreadPoolExecutor(4) as pool:
        workers = [pool.submit(keep_sending, n) for n in range(4)]
        while box.count() < 40:
            continue
        box.kill()
        accepted = sum(worker.result(timeout=10) for worker in workers)
    again = start(port=box.port)
    # Each worker may have had one more under way when the process died.
    assert accepted <= again.count() <= accepted + 4


def test_a_second_sandbox_on_the_same_port_says_so_in_one_line(box: Process, tmp_path: Path) -> None:
    with pytest.raises(StartError) as refused:
        Process(tmp_path, port=box.port)
    assert str(refused.value) == (f"sandbox: cannot listen on port {box.port} of 127.0.0.1-3: Address already in use\n")


def test_a_wrong_port_is_named(tmp_path: Path) -> None:
    run = subprocess.run(
        [sys.executable, "-m", "sandbox"],
        env={"MAILER_SANDBOX_PORT": "http", "MAILER_VAR": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (run.returncode, run.stderr) == (
        1,
        "sandbox: MAILER_SANDBOX_PORT must be a port number from 1 to 65535, not 'http'\n",
    )


def test_filters_find_whole_values(box: Process, session: requests.Session) -> None:
    send(session, box, subject="One", custom_args={"mailer_envelope_id": "e-1"})
    send(session, box, "mailgun", subject="Two", to="Bob <BOB@example.com>", **{"v:mailer_envelope_id": "e-2"})
    assert [m["subject"] for m in box.mails()] == ["Two", "One"]
    assert [m["subject"] for m in box.mails(envelope_id="e-1")] == ["One"]
    assert [m["subject"] for m in box.mails(to="bob@example.com")] == ["Two"]
    assert box.mails(to="b@example.com") == []
    assert [m["subject"] for m in box.mails(provider="mailgun", subject="Two")] == ["Two"]
    assert [m["subject"] for m in box.mails(after=box.mails()[-1]["id"])] == ["Two"]
    assert len(box.mails(limit=1)) == 1
    count = requests.get(f"{box.url}/api/count", timeout=5).json()
    assert count == {"total": 2, "envelopes": 2, "providers": {"sendgrid": 1, "mailgun": 1}}


@pytest.mark.parametrize("query", ["envelope=e-1", "limit=0", "limit=1001", "after=-1", "after=x", "provider=smtp"])
def test_a_filter_that_does_not_exist_is_an_error_and_finds_nothing(box: Process, query: str) -> None:
    response = requests.get(f"{box.url}/api/mails?{query}", timeout=5)
    assert response.status_code == 400
    assert response.json()["errors"][0].startswith(query.split("=", maxsplit=1)[0])


def test_copies_of_an_envelope_to_the_same_people_are_counted(box: Process, session: requests.Session) -> None:
    send(session, box, custom_args={"mailer_envelope_id": "e-1"})
    send(session, box, "mailgun", **{"v:mailer_envelope_id": "e-1"})
    send(session, box, "mailgun", to="other@example.com", **{"v:mailer_envelope_id": "e-1"})
    send(session, box)
    assert [(m["copy"], m["copies"]) for m in reversed(box.mails())] == [(1, 2), (2, 2), (1, 1), (1, 1)]


def test_both_providers_store_the_same_mail_alike(box: Process, session: requests.Session) -> None:
    payload: dict[str, Any] = {
        "personalizations": [
            {
                "to": [{"email": "ada@example.com", "name": "Ada"}],
                "cc": [{"email": "bob@example.com"}],
                "bcc": [{"email": "cy@example.com"}],
            }
        ],
        "from": {"email": "shop@example.org", "name": "Shop, The"},
        "content": [{"type": "text/plain", "value": "Grüße"}, {"type": "text/html", "value": "<p>Grüße</p>"}],
        "categories": ["order", "test"],
        "headers": {"X-Order": "1815", "Message-ID": "<1@example.org>"},
        "custom_args": {"mailer_envelope_id": "e-1"},
        "attachments": [
            {
                "content": base64.b64encode(b"\x00png").decode(),
                "filename": "logo.png",
                "type": "image/png",
                "disposition": "inline",
                "content_id": "logo.png",
            }
        ],
    }
    send(session, box, **payload)
    requests.post(
        f"{box.mailgun}/v3/sandbox.example/messages",
        auth=("api", "key-sandbox"),
        data=[
            ("from", '"Shop, The" <shop@example.org>'),
            ("to", "Ada <ada@example.com>"),
            ("cc", "bob@example.com"),
            ("bcc", "cy@example.com"),
            ("subject", "Hello"),
            ("text", "Grüße"),
            ("html", "<p>Grüße</p>"),
            ("o:tag", "order"),
            ("o:tag", "test"),
            ("h:X-Order", "1815"),
            ("h:Message-ID", "<1@example.org>"),
            ("v:mailer_envelope_id", "e-1"),
        ],
        files=[("inline", ("logo.png", b"\x00png", "image/png"))],
        headers={"X-Request-ID": "r-1"},
        timeout=5,
    ).raise_for_status()
    mailgun, sendgrid = box.mails()
    own = {"id", "provider", "provider_message_id", "received_at", "copy"}
    assert {k: v for k, v in mailgun.items() if k not in own} == {k: v for k, v in sendgrid.items() if k not in own}
    assert mailgun["provider_message_id"] == "<1@example.org>"
    assert mailgun["request"]["x-request-id"] == "r-1"


def test_what_is_sent_in_test_mode_reaches_nobody(box: Process, session: requests.Session) -> None:
    assert send(session, box, mail_settings={"sandbox_mode": {"enable": True}}).status_code == 200
    assert send(session, box, "mailgun", **{"o:testmode": "yes"}).status_code == 200
    assert box.count() == 0


def test_one_provider_call_to_strangers_makes_a_mail_for_each(box: Process, session: requests.Session) -> None:
    people = [{"to": [{"email": f"p{n}@example.com"}], "subject": f"Hello {n}"} for n in range(3)]
    send(session, box, personalizations=people)
    send(
        session,
        box,
        "mailgun",
        to=["a@example.com", "b@example.com"],
        subject="Hello %recipient.name%",
        **{"recipient-variables": '{"a@example.com": {"name": "A"}, "b@example.com": {"name": "B"}}'},
    )
    assert [m["subject"] for m in reversed(box.mails())] == ["Hello 0", "Hello 1", "Hello 2", "Hello A", "Hello B"]
    assert [len(m["to"]) for m in box.mails()] == [1] * 5


def test_ids_are_not_used_again_after_deleting(box: Process, session: requests.Session) -> None:
    send(session, box)
    before = box.mails()[0]["id"]
    box.clear()
    send(session, box)
    assert box.mails()[0]["id"] > before
