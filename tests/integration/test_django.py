"""Django's own functions, unchanged, through the backend: real API, worker and inbox."""

from __future__ import annotations

import time
from collections.abc import Iterator
from email.mime.image import MIMEImage
from typing import Any

import pytest
import requests
from django.core import mail
from django.test.utils import override_settings
from pytest_celery import CeleryTestSetup

from mailer import InvalidMessage, Mailer
from sandbox.process import Process as Sandbox
from tests.integration.conftest import API_KEY
from tests.settings_of_django import configure

configure()


@pytest.fixture
def database_url(sqlite_url: str) -> str:
    """Give SQLite only: nothing here depends on the database."""
    return sqlite_url


@pytest.fixture
def django(api: Mailer, api_url: str, celery_setup: CeleryTestSetup) -> Iterator[None]:
    """Give Django with the settings that the documentation shows."""
    with override_settings(EMAIL_BACKEND="mailer.django.EmailBackend", MAILER_URL=api_url, MAILER_API_KEY=API_KEY):
        yield


def arrived(sandbox: Sandbox, subject: str) -> dict[str, Any]:
    """Return the one mail with this subject, as its recipient has it."""
    deadline = time.monotonic() + 20
    while not (found := [m for m in sandbox.mails() if m["subject"] == subject]) and time.monotonic() < deadline:
        time.sleep(0.1)
    [one] = found
    return one


def file(sandbox: Sandbox, mail_id: int, position: int) -> bytes:
    return requests.get(f"{sandbox.url}/mails/{mail_id}/attachments/{position}", timeout=10).content


def test_send_mail_arrives(django: None, sandbox: Sandbox) -> None:
    sent = mail.send_mail(
        "A receipt", "Thank you.", "Shop Ünal <shop@sender.example.com>", ["bob@example.com"],
        html_message="<p>Thank you.</p>",
    )  # fmt: skip
    assert sent == 1
    got = arrived(sandbox, "A receipt")
    assert got["from"] == {"email": "shop@sender.example.com", "name": "Shop Ünal"}
    assert [p["email"] for p in got["to"]] == ["bob@example.com"]
    assert (got["text"], got["html"]) == ("Thank you.", "<p>Thank you.</p>")


def test_every_part_of_a_message_with_alternatives_arrives(django: None, api: Mailer, sandbox: Sandbox) -> None:
    message = mail.EmailMultiAlternatives(
        "All parts", "Hello", "shop@sender.example.com", ["Bob <bob@example.com>", "eve@example.com"],
        cc=["carl@example.com"], bcc=["dan@example.com"], reply_to=["help@sender.example.com"],
        headers={"X-Order": "7"},
    )  # fmt: skip
    message.attach_alternative("<p>Hello <img src='cid:logo'></p>", "text/html")
    message.attach("invoice.pdf", b"%PDF-1.4", "application/pdf")
    message.attach("note.txt", "Grüße", "text/plain")
    logo = MIMEImage(b"\x89PNG\r\n\x1a\n", "png")
    logo.add_header("Content-ID", "<logo>")
    logo.add_header("Content-Disposition", "inline", filename="logo.png")
    message.attach(logo)
    message.mailer = {"tags": ["invoice"], "metadata": {"order": "7"}, "request_id": "django-7"}
    assert message.send() == 1

    got = arrived(sandbox, "All parts")
    assert [[p["email"] for p in got[role]] for role in ("to", "cc", "bcc")] == [
        ["bob@example.com", "eve@example.com"], ["carl@example.com"], ["dan@example.com"],
    ]  # fmt: skip
    assert (got["text"], got["html"]) == ("Hello", "<p>Hello <img src='cid:logo'></p>")
    assert {name.lower(): value for name, value in got["headers"].items()}["x-order"] == "7"
    assert "help@sender.example.com" in str(got["headers"])
    assert got["tags"] == ["invoice"]
    shown = [(a["filename"], a["content_type"], a["content_id"]) for a in got["attachments"]]
    assert shown == [
        ("invoice.pdf", "application/pdf", None), ("note.txt", "text/plain", None), ("logo.png", "image/png", "logo"),
    ]  # fmt: skip
    assert [file(sandbox, got["id"], n) for n in range(3)] == [b"%PDF-1.4", "Grüße".encode(), b"\x89PNG\r\n\x1a\n"]
    assert api.wait(message.mailer_id, timeout=20).request_id == "django-7"


def test_a_refusal_raises_or_is_silent_as_the_program_has_said(django: None, sandbox: Sandbox) -> None:
    wrong = ("Wrong", "x", "shop@sender.example.com", ["nobody"])
    with pytest.raises(InvalidMessage, match="/to/0"):
        mail.send_mail(*wrong)
    assert mail.send_mail(*wrong, fail_silently=True) == 0


def test_several_messages_go_over_one_connection(django: None, sandbox: Sandbox) -> None:
    texts = [(f"Mass {n}", "x", "shop@sender.example.com", [f"u{n}@example.com"]) for n in range(3)]
    assert mail.send_mass_mail(texts) == 3
    assert [arrived(sandbox, f"Mass {n}")["to"][0]["email"] for n in range(3)] == [
        f"u{n}@example.com" for n in range(3)
    ]
