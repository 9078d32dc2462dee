"""Whatever a Django message can say is translated, or refused by name."""

from __future__ import annotations

from email import message_from_string
from email.mime.application import MIMEApplication
from email.mime.base import MIMEBase
from email.mime.image import MIMEImage
from email.mime.message import MIMEMessage
from email.mime.multipart import MIMEMultipart
from email.mime.text import MIMEText
from typing import Any

import pytest
from django.core.mail import BadHeaderError, EmailMessage, EmailMultiAlternatives
from django.core.mail.message import EmailAttachment

from mailer.client.fields import MessageFields
from mailer.message import Message
from tests.settings_of_django import configure

configure()

from mailer.django.message import OPTIONS, UnsupportedFeature, fields  # noqa: E402 - Django reads its settings first


def message(kind: Any = EmailMessage, **changed: Any) -> Any:
    given = {"subject": "Hi", "body": "Hello", "from_email": "ann@example.com", "to": ["bob@example.com"]} | changed
    return kind(**given)


def files(*attachments: Any) -> list[tuple[str, str, bytes, str | None]]:
    """Return the attachments of a message that these were given to, each as our own model takes it."""
    found = fields(message(attachments=list(attachments)))
    built = Message.build({("from" if name == "from_" else name): value for name, value in found.items()})
    return [(a.filename, a.content_type, a.content, a.content_id) for a in built.attachments]


def named(part: Any, disposition: str = "attachment", **more: str) -> Any:
    part.add_header("Content-Disposition", disposition, **more)
    return part


def test_people() -> None:
    got = fields(
        message(
            from_email="Ann Ünal <ann@example.com>", to=['"Bob, Jr." <bob@example.com>', "eve@example.com"],
            cc=["=?utf-8?q?J=C3=BCrgen?= <j@example.com>"], bcc=["dan@example.com"], reply_to=["help@example.com"],
        )
    )  # fmt: skip
    assert got["from_"] == {"email": "ann@example.com", "name": "Ann Ünal"}
    assert got["to"] == [{"email": "bob@example.com", "name": "Bob, Jr."}, {"email": "eve@example.com", "name": None}]
    assert got["cc"] == [{"email": "j@example.com", "name": "Jürgen"}]
    assert [each["email"] for each in (*got["bcc"], *got["reply_to"])] == ["dan@example.com", "help@example.com"]


def test_a_sender_that_is_not_given_is_djangos_default() -> None:
    assert fields(message(from_email=None))["from_"]["email"] == "shop@sender.example.com"


@pytest.mark.parametrize(
    ("subtype", "body", "alternatives", "text", "html"),
    [
        ("plain", "a", [], "a", None),
        ("html", "<a>", [], None, "<a>"),
        ("plain", "a", [("<b>", "text/html")], "a", "<b>"),
        ("plain", "", [("<b>", "text/html")], None, "<b>"),
        ("html", "<a>", [("b", "text/plain")], "b", "<a>"),
        ("plain", "a", [(b"<b>", "text/html")], "a", "<b>"),
    ],
)
def test_texts(subtype: str, body: str, alternatives: list[Any], text: str | None, html: str | None) -> None:
    given = message(EmailMultiAlternatives, body=body)
    given.content_subtype = subtype
    for content, kind in alternatives:
        given.attach_alternative(content, kind)
    got = fields(given)
    assert (got.get("text"), got.get("html")) == (text, html)


@pytest.mark.parametrize(
    "alternatives",
    [[("<amp>", "text/x-amp-html")], [("<b>", "text/html"), ("<c>", "text/html")], [("x", "text/plain")],
     [("BEGIN:VCALENDAR", "text/calendar")]],
)  # fmt: skip
def test_other_forms_of_the_text_are_refused(alternatives: list[tuple[str, str]]) -> None:
    given = message(EmailMultiAlternatives)
    for content, kind in alternatives:
        given.attach_alternative(content, kind)
    with pytest.raises(UnsupportedFeature, match="form of the text"):
        fields(given)


def test_attachments_of_every_form() -> None:
    inner = message(subject="Inner")
    parsed = message_from_string("Subject: parsed\n\nx")
    pdf = named(MIMEApplication(b"%PDF", "pdf"), filename="Grüße.pdf")
    [*found] = files(
        ("a.pdf", b"%PDF", "application/pdf"),
        ("a.txt", "Grüße", "text/plain"),
        EmailAttachment("a.csv", "a,b", None),
        (None, b"x", "image/png"),
        EmailAttachment("data.bin", b"x", "application/x-data"),
        pdf,
        named(MIMEText("Grüße", "plain", "iso-8859-1"), filename="l1.txt"),
        ("m.eml", inner, "message/rfc822"),
        (None, parsed, "message/rfc822"),
        ("s.eml", "Subject: text\n\nx", "message/rfc822"),
        MIMEMessage(parsed),
    )
    assert [f[:2] for f in found] == [
        ("a.pdf", "application/pdf"), ("a.txt", "text/plain"), ("a.csv", "text/csv"), ("attachment.png", "image/png"),
        ("data.bin", "application/x-data"), ("Grüße.pdf", "application/pdf"), ("l1.txt", "text/plain"),
        ("m.eml", "message/rfc822"), ("attachment.eml", "message/rfc822"), ("s.eml", "message/rfc822"),
        ("attachment.eml", "message/rfc822"),
    ]  # fmt: skip
    contents = [f[2] for f in found]
    assert contents[:3] == [b"%PDF", "Grüße".encode(), b"a,b"]
    assert contents[6] == "Grüße".encode(), "whatever it was written in, it arrives as UTF-8"
    assert b"Subject: Inner" in contents[7]
    assert all(b"Subject: " in each for each in contents[7:])
    assert [f[3] for f in found] == [None] * len(found)


def test_an_image_within_the_text() -> None:
    logo = named(MIMEImage(b"\x89PNG", "png"), "inline", filename="logo.png")
    logo.add_header("Content-ID", "<logo@x>")
    bare = MIMEImage(b"GIF", "gif")
    bare.add_header("Content-ID", "<dot>")
    assert files(logo, bare) == [
        ("logo.png", "image/png", b"\x89PNG", "logo@x"), ("attachment.gif", "image/gif", b"GIF", "dot"),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("part", "why"),
    [
        (MIMEMultipart(), "multipart/mixed"),
        (MIMEBase("text", "calendar", method="REQUEST"), "text/calendar with method"),
    ],
)
def test_a_part_that_would_arrive_as_something_else_is_refused(part: Any, why: str) -> None:
    if not part.is_multipart():
        part.set_payload("x")
    with pytest.raises(UnsupportedFeature, match=why):
        fields(message(attachments=[part]))


def test_headers() -> None:
    got = fields(
        message(headers={"X-Order": 7, "reply-to": "a@example.com, B <b@example.com>", "From": "Ann <ANN@example.com>"})
    )
    assert got["headers"] == {"X-Order": "7"}
    assert [each["email"] for each in got["reply_to"]] == ["a@example.com", "b@example.com"]
    assert got["from_"] == {"email": "ANN@example.com", "name": "Ann"}


@pytest.mark.parametrize(
    ("changed", "why"),
    [
        ({"headers": {"From": "eve@example.com"}}, "other than from_email"),
        ({"headers": {"to": "list@example.com"}}, "to header"),
        ({"headers": {"Bcc": "list@example.com"}}, "Bcc header"),
        ({"to": ["a@example.com, b@example.com"]}, "one address"),
        ({"to": ["Bob, Jr. <b@example.com>"]}, "one address"),
    ],
)
def test_people_that_cannot_be_told_are_refused(changed: dict[str, Any], why: str) -> None:
    with pytest.raises(UnsupportedFeature, match=why):
        fields(message(**changed))


@pytest.mark.parametrize(
    "changed",
    [{"subject": "a\nBcc: b@example.com"}, {"headers": {"X-A": "a\r\nb"}}, {"to": ["a@example.com\n"]},
     {"from_email": "a\n <a@example.com>"}],
)  # fmt: skip
def test_a_header_of_two_lines_is_djangos_own_error(changed: dict[str, Any]) -> None:
    with pytest.raises(BadHeaderError):
        fields(message(**changed))


def test_options_are_the_services_own_fields() -> None:
    given = message()
    given.mailer = {"tags": ["a"], "lane": "bulk", "idempotency_key": "k"}
    assert fields(given).items() >= {"tags": ["a"], "lane": "bulk", "idempotency_key": "k"}.items()
    given.mailer = {"tag": "a"}
    with pytest.raises(UnsupportedFeature, match="no tag, only callback_url, expires_at, idempotency_key"):
        fields(given)
    assert OPTIONS - {"idempotency_key", "request_id"} <= MessageFields.__annotations__.keys()


def test_a_message_that_is_rendered_in_another_way_is_refused() -> None:
    class Signed(EmailMessage):  # type: ignore[misc, unused-ignore]
        def message(self) -> Any:
            return super().message()

    with pytest.raises(UnsupportedFeature, match="Signed"):
        fields(message(Signed))
    for name, found in (("mixed_subtype", "report"), ("alternative_subtype", "related")):
        given = message(EmailMultiAlternatives)
        setattr(given, name, found)
        with pytest.raises(UnsupportedFeature, match=name):
            fields(given)
