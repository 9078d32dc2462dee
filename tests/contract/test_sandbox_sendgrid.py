"""The sandbox's SendGrid held against Twilio's OpenAPI and SendGrid's catalogue of errors."""

from __future__ import annotations

import base64
import copy
import gzip
import json
import re
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import requests
from openapi_schema_validator import OAS30Validator, oas30_format_checker

from sandbox.process import Process

CONTRACTS = Path(__file__).parents[3] / "shared" / "contracts"
OPENAPI = CONTRACTS / "tsg_mail_v3.json"
CATALOGUE = CONTRACTS / "sendgrid-mail-send-errors.json"
REASON = f"the provider's contract is not at {CONTRACTS}"

pytestmark = pytest.mark.skipif(not (OPENAPI.exists() and CATALOGUE.exists()), reason=REASON)

# Rules that the documents give outside the catalogue, without a text.
TEXTS_OF_OUR_OWN = {
    "Bad Request",
    "Content-Type should be application/json.",
    "reply_to_list is mutually exclusive with the reply_to property.",
}
MISSING = object()
FILE = base64.b64encode(b"hello").decode()
PAYLOAD: dict[str, Any] = {
    "personalizations": [
        {
            "to": [{"email": "ada@example.com", "name": "Ada"}],
            "cc": [{"email": "bob@example.com"}],
            "bcc": [{"email": "cy@example.com"}],
            "subject": "Hello Ada",
            "headers": {"X-One": "1"},
            "custom_args": {"one": "1"},
            "substitutions": {"-name-": "Ada"},
            "send_at": 1,
        }
    ],
    "from": {"email": "shop@example.org", "name": "Shop"},
    "reply_to_list": [{"email": "help@example.org", "name": "Help"}],
    "subject": "Hello",
    "content": [{"type": "text/plain", "value": "Hi"}, {"type": "text/html", "value": "<p>Hi</p>"}],
    "attachments": [
        {"content": FILE, "type": "text/plain", "filename": "a.txt", "disposition": "inline", "content_id": "a"}
    ],
    "headers": {"X-Two": "2"},
    "categories": ["order"],
    "custom_args": {"two": "2"},
    "send_at": 1,
    "mail_settings": {"footer": {"enable": True, "text": "Bye", "html": "<p>Bye</p>"}},
    "tracking_settings": {
        "click_tracking": {"enable": False, "enable_text": False},
        "open_tracking": {"enable": False, "substitution_tag": "%open%"},
        "subscription_tracking": {"enable": False, "text": "a", "html": "b", "substitution_tag": "c"},
        "ganalytics": {"enable": False, "utm_source": "x"},
    },
}


def openapi() -> dict[str, Any]:
    """Return Twilio's document with its two known errors mended."""
    document: dict[str, Any] = json.loads(OPENAPI.read_text())
    request = document["components"]["requestBodies"]["PostMailSend"]["content"]["application/json"]["schema"]
    request["properties"]["custom_args"] = {"type": "object", "additionalProperties": {"type": "string"}}
    error = document["components"]["schemas"]["ErrorResponse"]["properties"]["errors"]["items"]
    error["properties"]["help"] = {"type": "string", "nullable": True}  # on the wire it is an address
    return document


def validator(schema: dict[str, Any], document: dict[str, Any]) -> OAS30Validator:
    checked = {**schema, "components": document["components"]}
    return OAS30Validator(checked, format_checker=oas30_format_checker)


@pytest.fixture(scope="module")
def accepts() -> OAS30Validator:
    document = openapi()
    body = document["components"]["requestBodies"]["PostMailSend"]["content"]["application/json"]
    return validator(body["schema"], document)


@pytest.fixture(scope="module")
def error_shape() -> OAS30Validator:
    document = openapi()
    return validator(document["components"]["schemas"]["ErrorResponse"], document)


@pytest.fixture(scope="module")
def catalogue() -> list[re.Pattern[str]]:
    return [pattern(error["message"]) for error in json.loads(CATALOGUE.read_text())["errors"]]


def pattern(message: str) -> re.Pattern[str]:
    """Turn `[YOUR CATEGORY]` and `X categories` into what may stand there."""
    pieces = re.split(r"(\[.*?\]|\bX\b)", message)
    return re.compile("".join(".*" if n % 2 else re.escape(piece) for n, piece in enumerate(pieces)), re.DOTALL)


@pytest.fixture(scope="module")
def box(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Process]:
    with Process(tmp_path_factory.mktemp("sandbox")) as process:
        yield process


@pytest.fixture(scope="module")
def session() -> Iterator[requests.Session]:
    with requests.Session() as session:
        session.headers["Authorization"] = "Bearer SG.sandbox"
        yield session


def post(session: requests.Session, box: Process, payload: object, **headers: str) -> requests.Response:
    body = payload if isinstance(payload, bytes) else json.dumps(payload).encode()
    headers = {"Content-Type": "application/json", **headers}
    return session.post(f"{box.sendgrid}/v3/mail/send", data=body, headers=headers, timeout=30)


def changed(*changes: tuple[str, Any]) -> dict[str, Any]:
    """Return the payload with values put at their paths, e.g. `content.0.type`; MISSING takes one out."""
    payload = copy.deepcopy(PAYLOAD)
    for path, value in changes:
        *parents, last = [int(part) if part.isdecimal() else part for part in path.split(".")]
        owner: Any = payload
        for parent in parents:
            owner = owner[parent]
        if value is MISSING:
            del owner[last]
        else:
            owner[last] = value
    return payload


def paths(value: Any, prefix: str = "") -> Iterator[str]:
    """Yield the path of every value in a payload."""
    entries = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for name, inner in entries:
        yield f"{prefix}{name}"
        yield from paths(inner, f"{prefix}{name}.")


def messages(response: requests.Response) -> list[str]:
    return [error["message"] for error in response.json()["errors"]]


def test_a_full_payload_is_accepted_with_an_empty_202(
    box: Process, session: requests.Session, accepts: OAS30Validator
) -> None:
    accepts.validate(PAYLOAD)
    response = post(session, box, PAYLOAD)
    assert (response.status_code, response.content) == (202, b"")
    assert response.headers["X-Message-Id"] == box.mails()[0]["provider_message_id"]


PEOPLE = [{"email": "x@example.com"}, [{"email": "x"}], [{"email": "x@example.com", "name": ""}]]
TEXTS = ["", "x", "7", "a;b", "a\r\nb", "é", "x" * 300]
JUNK = [MISSING, None, True, 0, 7, -1, 1.5, *TEXTS, [], {}, [1], ["x", "x"], {"a": 1}, {"a": "b"}, [{}], *PEOPLE]


@pytest.mark.parametrize("path", sorted(paths(PAYLOAD)))
def test_what_the_openapi_refuses_is_refused_and_every_refusal_is_in_the_catalogue(
    *,
    box: Process,
    session: requests.Session,
    accepts: OAS30Validator,
    error_shape: OAS30Validator,
    catalogue: list[re.Pattern[str]],
    path: str,
) -> None:
    for value in JUNK:
        payload = changed((path, value))
        response = post(session, box, payload)
        if response.status_code == 202:
            accepts.validate(payload)
            continue
        assert response.status_code == 400
        error_shape.validate(response.json())
        for message in messages(response):
            assert message in TEXTS_OF_OUR_OWN or any(known.fullmatch(message) for known in catalogue), message


@pytest.mark.parametrize(
    "payload",
    [
        changed(("reply_to_list", MISSING), ("reply_to", {"email": "help@example.org"})),
        changed(("personalizations.0.cc", MISSING), ("personalizations.0.bcc", MISSING)),
        changed(("subject", MISSING)),
        changed(("attachments.0.disposition", MISSING), ("attachments.0.content_id", MISSING)),
        changed(("attachments.0.disposition", "attachment"), ("attachments.0.type", MISSING)),
        changed(("content", [{"type": "text/html", "value": "<p>"}])),
        changed(("content", [{"type": "text/plain", "value": "Hi"}, {"type": "text/calendar", "value": "x"}])),
        changed(("personalizations.0.from", {"email": "other@example.org"})),
        changed(("categories", [f"c{n}" for n in range(10)])),
        changed(("categories", ["x" * 255])),
        changed(("personalizations.0.to", [{"email": f"p{n}@example.com"} for n in range(998)])),
        changed(("send_at", int(time.time()) + 71 * 3600)),
        changed(("custom_args", {"x": "y" * 9000})),
        changed(("batch_id", "b")),
        changed(("headers", {"List-Unsubscribe": "<https://example.org/u>", "Message-ID": "<1@example.org>"})),
        changed(("mail_settings", MISSING), ("tracking_settings", MISSING), ("headers", MISSING)),
    ],
)
def test_what_both_documents_allow_is_accepted(
    box: Process, session: requests.Session, accepts: OAS30Validator, payload: dict[str, Any]
) -> None:
    accepts.validate(payload)
    response = post(session, box, payload)
    assert response.status_code == 202, response.text


ADDRESS = " must at least have an email parameter with a valid email address"
MANY = [{"email": f"p{n}@example.com"} for n in range(999)]


@pytest.mark.parametrize(
    ("path", "value", "message", "field"),
    [
        ("personalizations", MISSING, "You must have at least one personalization.", "personalizations"),
        ("personalizations", [], "You must have at least one personalization.", "personalizations"),
        ("personalizations.0.to", MISSING, "The to parameter is required for all", "personalizations.0.to"),
        ("personalizations.0.to", [], "The to array" + ADDRESS, "personalizations.0.to"),
        ("personalizations.0.to.0.name", "", "The to array" + ADDRESS, "personalizations.0.to.0"),
        ("personalizations.0.to.0.email", "ada", "The to array" + ADDRESS, "personalizations.0.to.0.email"),
        ("personalizations.0.to", MANY, "There is a limit of 1000 total recipients", "personalizations"),
        (
            "personalizations.0.bcc.0.email",
            "ADA@example.com",
            "Each unique email address in the personalizations array should only be included once. You have included"
            " [ADA@example.com] more than once.",
            "personalizations.0",
        ),
        (
            "personalizations.0.to.0.email",
            "a" * 320 + "@b.example",
            "The To email exceeds",
            "personalizations.0.to.0.email",
        ),
        ("from", MISSING, "The from object must be provided for every email send.", "from"),
        ("from.email", "shop@", "The from object" + ADDRESS, "from.email"),
        ("reply_to", {"email": "a@example.org"}, "reply_to_list is mutually exclusive", "reply_to_list"),
        ("subject", "", "The subject of your email must be a string at least one character", "subject"),
        ("content", MISSING, "The content param is required unless", "content"),
        ("content", [], "There must be at least one defined content block.", "content"),
        ("content.0.value", "", "The content value must be a string at least one character", "content.0.value"),
        ("content.0.type", "text/html; charset=utf-8", "Cannot contain ';', or CRLF characters.", "content.0.type"),
        ("content", PAYLOAD["content"][::-1], "Following RFC 1341, section 7.2", "content"),
        ("attachments", [], "The attachment content must be a string", "attachments"),
        ("attachments.0.content", "aGVs\r\nbG8=", "The attachment content must be base64", "attachments.0.content"),
        ("attachments.0.filename", MISSING, "filename is required.", "attachments.0.filename"),
        ("attachments.0.filename", "a;b.txt", "The filename of your attachment cannot", "attachments.0.filename"),
        ("attachments.0.content_id", "<a>", "The content ID of your attachment cannot", "attachments.0.content_id"),
        ("attachments.0.disposition", "x", "The disposition of your attachment", "attachments.0.disposition"),
        ("headers", {"Reply-To": "a@example.org"}, "Header can not be one of the reserved keys.", "headers"),
        ("headers", {"X-Ü": "1"}, "Header keys cannot contain non-ASCII", "headers"),
        ("headers", {}, "The header values must be strings.", "headers"),
        ("mail_settings", {}, "Bad Request", "mail_settings"),
        ("tracking_settings.open_tracking", {}, "The open tracking enable", "tracking_settings.open_tracking.enable"),
        ("headers", {"X-One": 1}, "The header values must be strings.", "headers"),
        ("headers", {"X-A": "1", "x-a": "2"}, "The headers cannot contain duplicate keys.", "headers"),
        ("custom_args", {}, "custom_args cannot be empty.", "custom_args"),
        ("custom_args", {"a": True}, "All values of custom arguments object must be strings", "custom_args"),
        ("custom_args", {"a": "x" * 10_000}, "The combined size of both", "personalizations.0.custom_args"),
        ("categories", [f"c{n}" for n in range(11)], "There is a limit of 10 categories", "categories"),
        ("categories", ["a", "a"], "The categories must be a unique list", "categories"),
        ("categories", ["x" * 256], "Each category must not be longer than 255", "categories"),
        ("categories", ["ü"], "Categories can not contain non-ASCII characters.", "categories"),
        ("send_at", 2**40, "Scheduling more than 72 hours in advance is forbidden.", "send_at"),
        ("send_at", "soon", "The send_at parameter is expecting a Unix timestamp", "send_at"),
        (
            "tracking_settings.click_tracking.enable",
            "false",
            "The click tracking enable param",
            "tracking_settings.click_tracking.enable",
        ),
        (
            "mail_settings",
            {"sandbox_mode": {"enable": 1}},
            "The sandbox mode enable param",
            "mail_settings.sandbox_mode.enable",
        ),
    ],
)
def test_each_rule_speaks_the_catalogues_words(
    *,
    box: Process,
    session: requests.Session,
    catalogue: list[re.Pattern[str]],
    path: str,
    value: Any,
    message: str,
    field: str,
) -> None:
    response = post(session, box, changed((path, value)))
    assert response.status_code == 400
    errors = response.json()["errors"]
    assert [(e["message"].startswith(message), e["field"]) for e in errors] == [(True, field)]
    assert errors[0]["help"].startswith("http://sendgrid.com/docs/API_Reference/Web_API_v3/Mail/errors.html#message.")
    known = any(entry.fullmatch(errors[0]["message"]) for entry in catalogue)
    assert known or errors[0]["message"] in TEXTS_OF_OUR_OWN


def test_all_errors_of_one_request_are_listed(box: Process, session: requests.Session) -> None:
    payload = changed(("subject", ""), ("from", {"email": "x"}), ("content.0.value", ""))
    assert len(messages(post(session, box, payload))) == 3


@pytest.mark.parametrize("key", ["", "Bearer", "Bearer SG.other", "Basic SG.sandbox", "SG.sandbox"])
def test_a_wrong_key_is_a_401(box: Process, error_shape: OAS30Validator, key: str) -> None:
    response = requests.post(f"{box.sendgrid}/v3/mail/send", json=PAYLOAD, headers={"Authorization": key}, timeout=5)
    assert response.status_code == 401
    error_shape.validate(response.json())
    message = "The provided authorization grant is invalid, expired, or revoked"
    assert response.json() == {"errors": [{"message": message, "field": None, "help": None}]}


def test_other_paths_and_methods(box: Process, session: requests.Session, error_shape: OAS30Validator) -> None:
    for method, path, status in [("GET", "/v3/mail/send", 405), ("POST", "/v3/mail", 404), ("GET", "/", 404)]:
        response = session.request(method, box.sendgrid + path, timeout=5)
        assert response.status_code == status
        error_shape.validate(response.json())
    assert session.get(f"{box.sendgrid}/v3/scopes", timeout=5).json() == {"scopes": ["mail.send"]}


def test_bodies_that_are_no_json_in_utf8(box: Process, session: requests.Session) -> None:
    assert post(session, box, b'{"subject": "\xff"}').status_code == 415
    assert messages(post(session, box, b'{"subject": "\xff"}')) == ["Invalid UTF8 in request"]
    assert post(session, box, changed(("subject", "\ud800"))).status_code == 415
    assert post(session, box, b"{").status_code == 400
    assert post(session, box, b"[]").status_code == 400
    assert post(session, box, PAYLOAD, **{"Content-Type": "text/plain"}).status_code == 415


def test_gzip_is_understood(box: Process, session: requests.Session) -> None:
    packed = gzip.compress(json.dumps(PAYLOAD).encode())
    assert post(session, box, packed, **{"Content-Encoding": "gzip"}).status_code == 202
    assert post(session, box, packed[:50], **{"Content-Encoding": "gzip"}).status_code == 400


def test_more_than_30_megabytes_are_refused_by_nginx(box: Process, session: requests.Session) -> None:
    megabyte = 1024 * 1024
    content = "A" * (30 * megabyte - len(json.dumps(PAYLOAD)) - 100)
    assert post(session, box, changed(("attachments.0.content", content[: len(content) // 4 * 4]))).status_code == 202
    response = post(session, box, changed(("attachments.0.content", "A" * 31 * megabyte)))
    assert response.status_code == 413
    assert "<center><h1>413 Request Entity Too Large</h1></center>" in response.text
    assert response.headers["Content-Type"] == "text/html"
