"""SendGrid's payload and answers."""

from __future__ import annotations

import json

import pytest

from mailer.errors import AccountRefused, SenderRefused
from mailer.providers.sendgrid import SendGrid, payload
from tests.factories import NOW, answer, envelope

SENDGRID = SendGrid({"SENDGRID_API_KEY": "SG.k", "MAILER_SENDGRID_URL": "https://api.sendgrid.com/"})


def test_recipients_of_one_message_share_one_personalization() -> None:
    body = payload(envelope(to=["a@example.com", "b@example.com"], cc="c@example.com", bcc="d@example.com"))
    assert body["personalizations"] == [
        {
            "to": [{"email": "a@example.com"}, {"email": "b@example.com"}],
            "cc": [{"email": "c@example.com"}],
            "bcc": [{"email": "d@example.com"}],
        }
    ]


def test_nothing_is_sent_empty() -> None:
    body = payload(envelope())
    assert {"reply_to_list", "attachments", "categories"}.isdisjoint(body)
    assert list(body["personalizations"][0]) == ["to"]


def test_text_comes_before_html() -> None:
    assert [c["type"] for c in payload(envelope(html="<p>x</p>"))["content"]] == ["text/plain", "text/html"]


def test_semicolons_and_commas_in_names_are_replaced_since_they_would_split_it() -> None:
    ann = {"email": "ann@example.com", "name": "Smith, Ann"}
    body = payload(envelope(to={"email": "a@example.com", "name": "Doe, John; Jr"}, from_=ann, reply_to=ann))
    assert body["personalizations"][0]["to"][0]["name"] == "Doe John Jr"
    assert body["from"] == ann, "only the names of recipients have that limitation"
    assert body["reply_to_list"] == [ann]


def test_a_name_of_which_nothing_is_left_is_left_out() -> None:
    body = payload(envelope(to={"email": "a@example.com", "name": ";"}))
    assert body["personalizations"][0]["to"] == [{"email": "a@example.com"}]


def test_a_file_name_beyond_ascii_is_encoded_and_one_in_ascii_is_not() -> None:
    files = [{"filename": name, "content": b"x"} for name in ("plain.txt", "fünf.txt")]
    names = [f["filename"] for f in payload(envelope(attachments=files))["attachments"]]
    assert names == ["plain.txt", "=?utf-8?b?ZsO8bmYudHh0?="]


def test_inline_images_keep_their_content_id() -> None:
    [file] = payload(envelope(attachments=[{"filename": "i.png", "content": b"x", "content_id": "i1"}]))["attachments"]
    assert (file["disposition"], file["content_id"]) == ("inline", "i1")


def test_tracking_is_switched_off_each_time() -> None:
    assert not any(t["enable"] for t in payload(envelope())["tracking_settings"].values())


def test_the_request_is_the_documented_one() -> None:
    request = SENDGRID.request(envelope(subject="Grüße"))
    assert (request.method, request.url) == ("POST", "https://api.sendgrid.com/v3/mail/send")
    assert request.headers["Authorization"] == "Bearer SG.k"
    assert json.loads(request.body)["subject"] == "Grüße"


def test_202_is_the_yes_and_carries_the_providers_id() -> None:
    assert SENDGRID.receipt(answer(202, x_message_id="m1"), now=NOW).provider_message_id == "m1"


def test_credits_that_ran_out_are_the_accounts_fault_and_its_words_are_kept() -> None:
    body = b'{"errors":[{"message":"Maximum credits exceeded","field":null,"help":null}]}'
    with pytest.raises(AccountRefused, match="401: Maximum credits exceeded"):
        SENDGRID.receipt(answer(401, body), now=NOW)


def test_an_unverified_sender_is_the_senders_fault_and_addresses_in_the_words_are_masked() -> None:
    body = b'{"errors":[{"message":"The from address ann@example.com does not match","field":"from"}]}'
    with pytest.raises(SenderRefused) as caught:
        SENDGRID.receipt(answer(403, body), now=NOW)
    assert caught.value.detail == "The from address a***@example.com does not match (from)"


def test_a_key_is_good_if_it_may_send() -> None:
    assert SENDGRID.probe().url == "https://api.sendgrid.com/v3/scopes"
    assert SENDGRID.diagnose(answer(200, b'{"scopes":["alerts.read","mail.send"]}')) is None
    assert "mail.send" in (SENDGRID.diagnose(answer(200, b'{"scopes":["alerts.read"]}')) or "")
