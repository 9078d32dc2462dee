"""Mailgun's form and answers."""

from __future__ import annotations

import pytest

from mailer.errors import ProviderError, Rejected, SenderRefused, TemporarilyRefused, Unanswered
from mailer.providers.mailgun import Field, Mailgun, form
from tests.factories import NOW, answer, envelope

MAILGUN = Mailgun(
    {"MAILGUN_API_KEY": "k", "MAILGUN_DOMAIN": "mg.example.com", "MAILER_MAILGUN_URL": "https://api.mailgun.net"}
)

LIMIT = "Domain example.com is not allowed to send: recipient limit exceeded"


def values(fields: list[Field], name: str) -> list[object]:
    return [value for field, value in fields if field == name]


def test_every_recipient_is_a_field_of_its_own_and_no_recipient_variables_hide_them() -> None:
    fields = form(envelope(to=["a@example.com", "b@example.com"], cc="c@example.com", bcc="d@example.com"))
    assert values(fields, "to") == ["a@example.com", "b@example.com"]
    assert values(fields, "cc") == ["c@example.com"]
    assert values(fields, "bcc") == ["d@example.com"]
    assert values(fields, "recipient-variables") == []


def test_names_are_quoted_so_that_no_punctuation_makes_another_address() -> None:
    fields = form(envelope(to={"email": "a@example.com", "name": 'Doe, "J" \\ <x@y.z>'}))
    assert values(fields, "to") == ['"Doe, \\"J\\" \\\\ <x@y.z>" <a@example.com>']


def test_headers_tags_and_reply_to_have_their_prefixes() -> None:
    fields = form(envelope(headers={"X-A": "1"}, tags=["t1", "t2"], reply_to=["r@example.com", "S <s@example.com>"]))
    assert values(fields, "h:X-A") == ["1"]
    assert values(fields, "o:tag") == ["t1", "t2"]
    assert values(fields, "h:Reply-To") == ['r@example.com, "S" <s@example.com>']


def test_files_keep_their_name_and_inline_images_go_by_their_content_id() -> None:
    files = [{"filename": "a.pdf", "content": b"1"}, {"filename": "logo.png", "content": b"2", "content_id": "cid1"}]
    fields = form(envelope(attachments=files))
    assert values(fields, "attachment") == [("a.pdf", b"1", "application/octet-stream")]
    assert values(fields, "inline") == [("cid1", b"2", "application/octet-stream")]


def test_a_file_name_beyond_ascii_travels_as_filename_never_as_filename_star() -> None:
    body = MAILGUN.request(envelope(attachments=[{"filename": "fünf.txt", "content": b"1"}])).body
    assert 'filename="fünf.txt"'.encode() in body
    assert b"filename*" not in body


def test_tracking_is_switched_off_each_time() -> None:
    fields = form(envelope())
    assert values(fields, "o:tracking-clicks") == values(fields, "o:tracking-opens") == ["no"]


def test_the_request_is_the_documented_one() -> None:
    request = MAILGUN.request(envelope())
    assert (request.method, request.url) == ("POST", "https://api.mailgun.net/v3/mg.example.com/messages")
    assert request.headers["Authorization"] == "Basic YXBpOms="
    assert request.headers["Content-Type"].startswith("multipart/form-data; boundary=")


def test_200_with_an_id_and_queued_is_the_yes() -> None:
    body = b'{"id":"<m1@mg.example.com>","message":"Queued. Thank you."}'
    assert MAILGUN.receipt(answer(200, body), now=NOW).provider_message_id == "<m1@mg.example.com>"


def test_an_id_that_no_database_could_store_is_made_harmless() -> None:
    body = rb'{"id":"<m\u0000\ud800@x>","message":"Queued. Thank you."}'
    assert MAILGUN.receipt(answer(200, body), now=NOW).provider_message_id == "<m  @x>"


@pytest.mark.parametrize(
    "body", [b"Mailgun Magnificent API", b'{"message":"Queued. Thank you."}', b'{"id":"<m1@x>"}', b"{}", b"null"]
)
def test_any_other_200_is_unknown(body: bytes) -> None:
    with pytest.raises(Unanswered):
        MAILGUN.receipt(answer(200, body), now=NOW)


@pytest.mark.parametrize(
    ("status", "message", "kind", "wait"),
    [
        (400, "to parameter is not a valid address. please check documentation", Rejected, None),
        (400, "Domain example.com is not allowed to send: The domain is unverified", SenderRefused, None),
        (403, "Domain example is not allowed to send large batches yet", SenderRefused, None),
        (404, "Domain not found: example.com", SenderRefused, None),
        (429, f"{LIMIT}, try again after 120 seconds", TemporarilyRefused, 120),
        (429, f"{LIMIT}, try again after Tue, 24 Nov 2026 12:00:33 UTC", TemporarilyRefused, 33),
    ],
)  # fmt: skip
def test_its_words_decide_between_the_message_and_the_sender(
    status: int, message: str, kind: type[ProviderError], wait: float | None
) -> None:
    with pytest.raises(ProviderError) as caught:
        MAILGUN.receipt(answer(status, f'{{"message":"{message}"}}'.encode()), now=NOW)
    assert type(caught.value) is kind
    assert caught.value.retry_after == wait


def test_401_is_the_plain_word_forbidden() -> None:
    with pytest.raises(ProviderError, match="401: Forbidden"):
        MAILGUN.receipt(answer(401, b"Forbidden"), now=NOW)


def test_a_page_of_events_is_the_proof_that_key_and_domain_are_good() -> None:
    assert MAILGUN.probe().url == "https://api.mailgun.net/v3/mg.example.com/events?limit=1"
    assert MAILGUN.diagnose(answer(200, b'{"items":[],"paging":{}}')) is None


def test_a_domain_that_it_does_not_know_is_named() -> None:
    assert "mg.example.com" in (MAILGUN.diagnose(answer(404, b'{"message":"Domain not found"}')) or "")
