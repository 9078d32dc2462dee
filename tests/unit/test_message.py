"""A message is valid for both providers, or every wrong field of it is named."""

from __future__ import annotations

import base64
from datetime import timedelta
from typing import Any

import pytest

from mailer.errors import InvalidMessage
from mailer.message import Message
from tests.factories import NOW, fields, message


def problems(**changed: Any) -> dict[str, str]:
    """Return what is wrong with a message: pointer to code."""
    with pytest.raises(InvalidMessage) as caught:
        Message.build(fields(**changed), now=NOW)
    return {p.pointer: p.code for p in caught.value.problems}


def test_addresses_are_taken_as_text_and_as_objects_alone_and_in_lists() -> None:
    m = message(
        to=[{"email": "bob@example.com", "name": "Bob"}, "Eve <eve@example.com>"],
        cc="carl@example.com",
        bcc={"email": "dan@example.com"},
        reply_to='"Desk, Help" <help@example.com>',
    )
    assert [(role, a.email, a.name) for role, a in m.recipients()] == [
        ("to", "bob@example.com", "Bob"),
        ("to", "eve@example.com", "Eve"),
        ("cc", "carl@example.com", None),
        ("bcc", "dan@example.com", None),
    ]
    assert m.reply_to[0].name == "Desk, Help"


def test_all_wrong_fields_are_reported_at_once_with_their_places() -> None:
    found = problems(
        from_="nobody",
        to=["bob@example.com", {"email": "x@example.com", "name": ""}],
        subject="Hello\r\nBcc: eve@example.com",
        without=("text",),
        headers={"X-Ok": "1", "Bad Name": "x", "To": "y"},
        attachments=[{"filename": "a/b.txt", "content": "@@"}],
        tags=["ok", "ü"],
        metadata={"n": 1},
        lane="express",
        expires_at="2020-01-01T00:00:00Z",
        colour="red",
    )
    assert found == {
        "/from": "address",
        "/to/1/name": "too_short",
        "/subject": "control_character",
        "": "no_content",
        "/headers/Bad Name": "header_name",
        "/headers/To": "header_reserved",
        "/attachments/0/filename": "filename",
        "/attachments/0/content": "base64",
        "/tags/1": "string_pattern_mismatch",
        "/metadata/n": "string_type",
        "/lane": "enum",
        "/expires_at": "past",
        "/colour": "extra_forbidden",
    }


def test_missing_fields_are_named() -> None:
    with pytest.raises(InvalidMessage) as caught:
        Message.build({})
    assert {p.pointer for p in caught.value.problems} == {"/from", "/to", "/subject", ""}


@pytest.mark.parametrize(
    ("field", "value", "pointer", "code"),
    [
        ("subject", "", "/subject", "too_short"),
        ("subject", "a\x00b", "/subject", "control_character"),
        ("subject", "\ud800", "/subject", "control_character"),
        ("subject", "x" * 901, "/subject", "too_long"),
        ("subject", 5, "/subject", "string_type"),
        ("text", "", "/text", "too_short"),
        ("text", "a\x00", "/text", "control_character"),
        ("html", "\udfff", "/html", "control_character"),
        ("to", [], "/to", "too_short"),
        ("to", 5, "/to", "model_type"),
        ("to", "a@example.com, b@example.com", "/to", "address"),
        ("to", "a@example.com, Bob <b@example.com>", "/to", "address"),
        ("to", ["ü@example.com"], "/to/0", "address"),
        ("to", ["bob@example.com\r\nX: y"], "/to/0", "control_character"),
        ("to", [{"email": "bob@example.com", "nick": "b"}], "/to/0/nick", "extra_forbidden"),
        ("from", "Ann\nX: y <ann@example.com>", "/from", "control_character"),
        ("reply_to", [f"r{i}@example.com" for i in range(11)], "/reply_to", "too_long"),
        ("reply_to", ["r@example.com", "R <R@example.com>"], "/reply_to/1", "duplicate_address"),
        ("headers", {"X-A": "1\nX-B: 2"}, "/headers/X-A", "control_character"),
        ("headers", {"X-A": ""}, "/headers/X-A", "too_short"),
        ("headers", {"X-A": "1", "x-a": "2"}, "/headers/x-a", "header_duplicate"),
        ("headers", {"Message-ID": "<a@b>"}, "/headers/Message-ID", "header_reserved"),
        ("headers", {"X-Ü": "1"}, "/headers/X-Ü", "header_name"),
        ("headers", {f"X-{i}": "v" * 990 for i in range(16)}, "/headers", "too_large"),
        ("headers", {"X-Foo\n": "1"}, "/headers/X-Foo\n", "header_name"),
        ("headers", {"X-A": "  "}, "/headers/X-A", "blank"),
        ("headers", {"X-Mailgun-Drop-Message": "yes"}, "/headers/X-Mailgun-Drop-Message", "header_reserved"),
        ("headers", {"X-SMTPAPI": "{}"}, "/headers/X-SMTPAPI", "header_reserved"),
        ("subject", "  ", "/subject", "blank"),
        ("to", {"email": "a@example.com", "name": " "}, "/to/name", "blank"),
        ("expires_at", "4102444800", "/expires_at", "time"),
        ("expires_at", "tomorrow", "/expires_at", "time"),
        ("tags", "one", "/tags", "tuple_type"),
        ("tags", [" "], "/tags/0", "blank"),
        ("attachments", [{"filename": "..", "content": "YQ=="}], "/attachments/0/filename", "filename"),
        (
            "attachments",
            [{"filename": "invoice\u202efdp.exe", "content": "YQ=="}],
            "/attachments/0/filename",
            "filename",
        ),
        ("tags", ["a", "b", "c", "d"], "/tags", "too_long"),
        ("tags", ["a", "A"], "/tags", "duplicate_tag"),
        ("tags", ["x" * 129], "/tags/0", "too_long"),
        ("metadata", {"k": "v" * 4096}, "/metadata", "too_large"),
        ("attachments", [{"filename": "a.txt", "content": ""}], "/attachments/0/content", "empty"),
        ("attachments", [{"content": "YQ=="}], "/attachments/0/filename", "missing"),
        ("attachments", [{"filename": "a;b", "content": "YQ=="}], "/attachments/0/filename", "filename"),
        (
            "attachments",
            [{"filename": "a", "content": "YQ==", "content_type": "text/plain; x=y"}],
            "/attachments/0/content_type",
            "string_pattern_mismatch",
        ),
        (
            "attachments",
            [{"filename": "a", "content": "YQ==", "content_id": "<c>"}],
            "/attachments/0/content_id",
            "string_pattern_mismatch",
        ),
        (
            "attachments",
            [{"filename": n, "content": "YQ==", "content_id": "c"} for n in ("a", "b")],
            "/attachments",
            "duplicate_content_id",
        ),
        ("expires_at", "2026-12-01T10:00:00", "/expires_at", "timezone_aware"),
        ("expires_at", 1_800_000_000, "/expires_at", "time"),
        ("expires_at", "9999-12-31T23:59:59-23:59", "/expires_at", "time"),
        ("on_unknown", "guess", "/on_unknown", "enum"),
    ],
)
def test_one_wrong_field_is_named_and_nothing_else(field: str, value: object, pointer: str, code: str) -> None:
    assert problems(**{field: value}) == {pointer: code}


def test_an_address_is_a_recipient_only_once_whatever_its_case_and_role() -> None:
    assert problems(to=["bob@example.com", "eve@example.com"], bcc="BOB@example.com") == {
        "/bcc/0": "duplicate_recipient"
    }


def test_a_thousand_recipients_are_taken_and_one_more_is_refused() -> None:
    thousand = [f"u{i}@example.com" for i in range(1000)]
    assert len(list(message(to=thousand).recipients())) == 1000
    assert problems(to=[*thousand, "one@example.com"]) == {"/to": "too_many"}
    assert problems(to=thousand, cc="one@example.com") == {"": "too_many"}


def test_the_size_is_counted_with_base64_over_bodies_and_files() -> None:
    megabytes = base64.b64encode(b"x" * 9_000_000).decode()  # 12 MB on the wire
    file = {"filename": "a.bin", "content": megabytes}
    assert message(attachments=[file], text="t" * 12_900_000).attachments[0].encoded_size == 12_000_000
    assert problems(attachments=[file, file], text="t" * 1_000_001) == {"/attachments": "too_large"}


def test_a_text_counts_as_it_travels_in_json_where_a_line_break_is_two_characters() -> None:
    assert message(text="\n" * 12_000_000).text
    assert problems(text="\n" * 13_000_000) == {"": "too_large"}


def test_reply_to_counts_with_the_headers_since_it_is_one_at_mailgun() -> None:
    long = [{"email": f"r{i}@example.com", "name": "\u00fc" * 255} for i in range(10)]
    assert problems(
        reply_to=long, headers={"X-A": "v" * 990, "X-B": "v" * 990, **{f"X-{i}": "v" * 900 for i in range(8)}}
    ) == {"/headers": "too_large"}


def test_base64_may_be_broken_into_lines() -> None:
    m = message(attachments=[{"filename": "a", "content": "aGVs\r\nbG8=\n"}])
    assert m.attachments[0].content == b"hello"


def test_pythons_word_for_from_is_no_field_of_the_message_itself() -> None:
    with pytest.raises(InvalidMessage, match="/from_: is not a known field"):
        Message.build({**fields(), "from_": "ann@example.com"})


def test_null_counts_as_left_out() -> None:
    assert message(cc=None, html=None) == message()
    assert problems(subject=None) == {"/subject": "missing"}


def test_a_pointer_escapes_what_a_key_may_hold() -> None:
    assert problems(**{"a/b~c": 1}) == {"/a~1b~0c": "extra_forbidden"}


def test_no_error_repeats_what_was_sent() -> None:
    with pytest.raises(InvalidMessage) as caught:
        Message.build(fields(to=["secret-person@@example.com"], subject="very secret\n", tags=["sécret"]))
    assert "secret" not in str(caught.value)


def test_a_message_survives_the_wire_unchanged() -> None:
    m = message(
        cc="Carl <carl@example.com>", html="<p>ü</p>", headers={"X-A": "ü"}, tags=["a"], metadata={"k": "v"},
        attachments=[{"filename": "ü.txt", "content": b"\x00\xff", "content_id": "c1"}], on_unknown="fail",
        expires_at=NOW + timedelta(days=1), lane="bulk",
    )  # fmt: skip
    again = Message.build(m.wire())
    assert again == m
    assert again.fingerprint == m.fingerprint


def test_the_fingerprint_tells_two_requests_apart() -> None:
    assert message().fingerprint == message().fingerprint
    assert message().fingerprint != message(text="Thank you!").fingerprint


def test_an_expiry_that_has_passed_is_refused_when_accepted_but_not_when_read_back() -> None:
    past = {"expires_at": NOW - timedelta(seconds=1)}
    assert problems(**past) == {"/expires_at": "past"}
    assert Message.build(fields(**past)).expires_at == NOW - timedelta(seconds=1)
