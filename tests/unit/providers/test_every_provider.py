"""What every provider must do alike; a new one joins by its line in the registry."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

import pytest

from mailer.errors import (
    AccountRefused,
    ProviderError,
    Rejected,
    SenderRefused,
    TemporarilyRefused,
    Unanswered,
)
from mailer.ports import Provider
from mailer.providers import registry
from tests.factories import NOW, answer, envelope

KEY = "a-very-secret-key"


@pytest.fixture(params=registry.ALL, ids=lambda provider: provider.name)
def provider(request: pytest.FixtureRequest) -> Provider:
    """Give each provider in turn, with its secrets set."""
    given = {True: KEY, False: "mail.example.com"}
    values = {s.name: given[s.secret] if s.default is None else s.default for s in request.param.settings}
    made: Provider = request.param(values)
    return made


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (400, Rejected), (413, Rejected), (422, Rejected),
        (401, AccountRefused), (402, AccountRefused), (405, AccountRefused), (415, AccountRefused),
        (301, AccountRefused), (302, AccountRefused), (307, AccountRefused),
        (403, SenderRefused), (404, SenderRefused),
        (408, TemporarilyRefused), (429, TemporarilyRefused), (503, TemporarilyRefused), (451, TemporarilyRefused),
        (500, Unanswered), (502, Unanswered), (504, Unanswered), (501, Unanswered), (520, Unanswered),
        (200, Unanswered), (201, Unanswered), (204, Unanswered),
    ],
)  # fmt: skip
@pytest.mark.parametrize(
    "body", [b"", b"<html>nginx</html>", b'{"message":null,"errors":5}', b"\xff\xfe", b"[]", b"[" * 60_000]
)
def test_the_outcome_table_holds_whatever_the_body_looks_like(
    provider: Provider, status: int, kind: type[ProviderError], body: bytes
) -> None:
    with pytest.raises(ProviderError) as caught:
        provider.receipt(answer(status, body), test=False, now=NOW)
    assert type(caught.value) is kind
    assert caught.value.status == status


def test_words_that_no_database_could_store_are_made_harmless(provider: Provider) -> None:
    body = rb'{"message":"a\u0000b\ud800c\n","errors":[{"message":"a\u0000b\ud800c\n"}]}'
    with pytest.raises(Rejected) as caught:
        provider.receipt(answer(400, body), test=False, now=NOW)
    assert caught.value.detail == "a b c "


def test_retry_after_is_kept(provider: Provider) -> None:
    with pytest.raises(TemporarilyRefused) as caught:
        provider.receipt(answer(429, retry_after="17"), test=False, now=NOW)
    assert caught.value.retry_after == 17


def test_the_payload_carries_our_ids_and_the_request_its_id(provider: Provider) -> None:
    e = envelope()
    request = provider.request(e)
    for id in (e.id, e.attempt_id, e.project_id, e.message_id_header):
        assert id.strip("<>").encode() in request.body
    assert request.headers["X-Request-ID"] == "req-1"


def test_the_body_is_in_no_text_form(provider: Provider) -> None:
    assert "Thank you." not in repr(provider.request(envelope()))


def test_everything_that_a_valid_message_may_hold_is_taken(provider: Provider) -> None:
    full: dict[str, Any] = {
        "to": [{"email": f"t{i}@example.com", "name": f'T, {i}; "x"'} for i in range(3)],
        "cc": "Cc <cc@example.com>", "bcc": "bcc@example.com", "reply_to": ["r1@example.com", "R <r2@example.com>"],
        "html": "<p>ü</p>", "headers": {"X-A": "ü"}, "tags": ["a", "b"], "metadata": {"k": "v"},
        "attachments": [
            {"filename": "ü ✓.txt", "content": b"1"}, {"filename": "i.png", "content": b"2", "content_id": "i"},
        ],
    }  # fmt: skip
    request = provider.request(envelope(**full))
    assert request.method == "POST"
    assert request.url.startswith("https://")
    for part in ("t2@example.com", "cc@example.com", "bcc@example.com", "r2@example.com"):
        assert part.encode() in request.body


def test_metadata_stays_with_us_since_recipients_could_read_it(provider: Provider) -> None:
    assert b"for-our-eyes" not in provider.request(envelope(metadata={"k": "for-our-eyes"})).body


def test_the_probe_of_the_credentials_sends_nothing_and_goes_where_the_mails_go(provider: Provider) -> None:
    probe = provider.probe()
    assert (probe.method, probe.body) == ("GET", b"")
    assert urlsplit(probe.url).netloc == urlsplit(provider.request(envelope()).url).netloc
    assert "Authorization" in probe.headers
    assert KEY not in repr(probe.url)


@pytest.mark.parametrize("status", [200, 204, 301, 400, 401, 403, 404, 429, 500, 503])
@pytest.mark.parametrize(
    "body", [b"", b"<html>nginx</html>", b"{}", b"[]", b"Mailgun Magnificent API", b"\xff", b"[" * 60_000]
)
def test_a_probe_that_is_not_answered_as_documented_is_a_diagnosis_that_tells_no_secret(
    provider: Provider, status: int, body: bytes
) -> None:
    said = provider.diagnose(answer(status, body))
    assert said
    assert KEY not in said


@pytest.mark.parametrize("status", [401, 403])
def test_a_refused_key_is_named_by_its_variable(provider: Provider, status: int) -> None:
    [secret] = [s.name for s in provider.settings if s.secret and s.default is None]
    assert secret in (provider.diagnose(answer(status, b"Forbidden")) or "")
