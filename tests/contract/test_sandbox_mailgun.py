"""The sandbox's Mailgun held against Mailgun's OpenAPI and its table of errors."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path
from typing import Any

import pytest
import requests
from openapi_schema_validator import OAS30Validator

from sandbox.process import Process

CONTRACTS = Path(__file__).parents[3] / "shared" / "contracts"
OPENAPI = CONTRACTS / "mailgun-send.json"
CATALOGUE = CONTRACTS / "mailgun-send-errors.json"
REASON = f"the provider's contract is not at {CONTRACTS}"

pytestmark = pytest.mark.skipif(not (OPENAPI.exists() and CATALOGUE.exists()), reason=REASON)

MULTIPART = "multipart/form-data"
FORM = {"from": "Shop <shop@example.org>", "to": "ada@example.com", "subject": "Hello", "text": "Hi"}
Fields = list[tuple[str, str]]


def openapi() -> dict[str, Any]:
    document: dict[str, Any] = json.loads(OPENAPI.read_text())
    return document


def operation() -> dict[str, Any]:
    found: dict[str, Any] = openapi()["paths"]["/v3/{domain_name}/messages"]["post"]
    return found


def answer_shape(status: int) -> OAS30Validator:
    schema = operation()["responses"][str(status)]["content"]["application/json"]["schema"]
    return OAS30Validator({**schema, "components": openapi()["components"]})


def choices() -> list[tuple[str, list[str]]]:
    """Return the options with a fixed list of values."""
    if not OPENAPI.exists():
        return []
    name = operation()["requestBody"]["content"][MULTIPART]["schema"]["$ref"].rpartition("/")[2]
    properties = openapi()["components"]["schemas"][name]["properties"]
    return [(option, schema["enum"]) for option, schema in properties.items() if "enum" in schema]


@pytest.fixture(scope="module")
def catalogue() -> list[tuple[int, re.Pattern[str]]]:
    return [(e["status"], pattern(e["message"])) for e in json.loads(CATALOGUE.read_text())["errors"]]


def pattern(message: str) -> re.Pattern[str]:
    """Turn what stands for a value in the table (`<time>`, the domain, a date, the other content type) into any."""
    places = r"<[^>]*>|example\.com|example(?= is)|\w{3}, \d\d \w{3} \d{4} [\d:]+ UTC|application/x-www-form-urlencoded"
    return re.compile(".*".join(re.escape(part) for part in re.split(places, message)))


@pytest.fixture(scope="module")
def box(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Process]:
    with Process(tmp_path_factory.mktemp("sandbox")) as process:
        yield process


@pytest.fixture(scope="module")
def session() -> Iterator[requests.Session]:
    with requests.Session() as session:
        session.auth = ("api", "key-sandbox")
        yield session


def post(
    session: requests.Session, box: Process, fields: Fields, files: Any = None, domain: str = "sandbox.example"
) -> requests.Response:
    return session.post(f"{box.mailgun}/v3/{domain}/messages", data=fields, files=files, timeout=30)


def form(**fields: str | None) -> Fields:
    """Return the form with fields changed, None takes one out."""
    return [(name, value) for name, value in {**FORM, **fields}.items() if value is not None]


@pytest.mark.parametrize("files", [None, [("attachment", ("a.txt", b"a"))]], ids=["urlencoded", "multipart"])
def test_a_mail_is_queued_under_an_id_of_its_domain(box: Process, session: requests.Session, files: Any) -> None:
    response = post(session, box, form(), files)
    answer_shape(200).validate(response.json())
    assert response.json()["message"] == "Queued. Thank you."
    assert re.fullmatch(r"<[^@<>]+@sandbox\.example>", response.json()["id"])


def test_an_id_of_ones_own_is_kept(box: Process, session: requests.Session) -> None:
    response = post(session, box, form(**{"h:Message-Id": "<1@shop.example>"}))
    assert response.json()["id"] == "<1@shop.example>"
    assert box.mails()[0]["provider_message_id"] == "<1@shop.example>"


LATER = format_datetime(datetime.now(UTC) + timedelta(hours=73))


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        (form(**{"from": None}), "from parameter is missing"),
        (form(**{"from": "shop"}), "from parameter is not a valid address. please check documentation"),
        (form(to=None), "to parameter is missing"),
        (form(to="ada@example.com, bob"), "to parameter is not a valid address. please check documentation"),
        (form(to="Love, Ada <ada@example.com>"), "to parameter is not a valid address. please check documentation"),
        (form(to="ada@example.com,"), "to parameter is not a valid address. please check documentation"),
        (form(cc="bob@example"), "cc parameter is not a valid address. please check documentation"),
        (form(bcc="<bob@example.com"), "bcc parameter is not a valid address. please check documentation"),
        (form(text=None), "Need at least one of 'text' or 'html' parameters specified"),
        (form(text="", html=""), "Need at least one of 'text' or 'html' parameters specified"),
        (form(html="x", template="t"), "Only one parameters 'html' or 'template' is allowed"),
        (
            form(**{"v:x": "x" * 16 * 1024}),
            "Send options (parameters starting with o:, h:, or v:) are limited to 16 kB total",
        ),
        (form(**{"h:X-Ü": "1"}), "Header name must be pure ASCII: X-Ü"),
        (form(**{"o:deliverytime": "tomorrow"}), "tomorrow is not an RFC-2822 compliant date"),
        (form(**{"o:deliverytime": LATER}), "invalid delivery time format"),
        (form(**{"recipient-variables": "{"}), "'recipient-variables' parameter is not a valid JSON"),
        ([*form(), *(("cc", f"p{n}@example.com") for n in range(1000))], "Too many recipients, max is 1000"),
    ],
)
def test_each_rule_speaks_the_tables_words(
    box: Process,
    session: requests.Session,
    catalogue: list[tuple[int, re.Pattern[str]]],
    fields: Fields,
    message: str,
) -> None:
    for files in (None, [("attachment", ("a.txt", b"a"))]):
        response = post(session, box, fields, files)
        assert (response.status_code, response.json()) == (400, {"message": message})
        answer_shape(400).validate(response.json())
        assert any(status == 400 and known.fullmatch(message) for status, known in catalogue)


@pytest.mark.parametrize(
    "fields",
    [
        form(to='"Love, Ada" <ada@example.com>, Bob <bob@example.com>'),
        form(to="Ädä <ada@example.com>"),
        form(to="=?utf-8?b?w4RkYQ==?= <ada@example.com>"),
        form(text=None, html="<p>Hi</p>"),
        form(**{"o:deliverytime": format_datetime(datetime.now(UTC) + timedelta(hours=71))}),
        form(**{"recipient-variables": "{}"}),
        form(**{"v:x": "x" * 16_000}),
        form(subject=None),  # the OpenAPI asks for it, the table knows no error for its absence
        [*form(), *(("cc", f"p{n}@example.com") for n in range(999))],
        [*form(), *(("o:tag", tag) for tag in "abc")],
    ],
)
def test_what_the_documents_allow_is_accepted(box: Process, session: requests.Session, fields: Fields) -> None:
    response = post(session, box, fields)
    assert response.status_code == 200, response.text
    assert response.json()["message"] == "Queued. Thank you."


@pytest.mark.parametrize(("option", "values"), choices())
def test_options_take_the_openapis_values_and_no_others(
    box: Process, session: requests.Session, option: str, values: list[str]
) -> None:
    for value in values:
        assert post(session, box, form(**{option: value})).status_code == 200
    assert post(session, box, form(**{option: "maybe"})).status_code == 400


@pytest.mark.parametrize("auth", [None, ("api", "wrong"), ("user", "key-sandbox")])
def test_a_wrong_key_is_a_plain_forbidden(box: Process, auth: tuple[str, str] | None) -> None:
    response = requests.post(f"{box.mailgun}/v3/sandbox.example/messages", data=FORM, auth=auth, timeout=5)
    assert (response.status_code, response.text) == (401, "Forbidden")
    assert response.headers["Content-Type"].startswith("text/plain")


def test_another_domain_is_not_found(
    box: Process, session: requests.Session, catalogue: list[tuple[int, re.Pattern[str]]]
) -> None:
    response = post(session, box, form(), domain="other.example")
    assert (response.status_code, response.json()) == (404, {"message": "Domain not found: other.example"})
    assert any(status == 404 and known.fullmatch(response.json()["message"]) for status, known in catalogue)


@pytest.mark.parametrize("path", ["/", "/v3/sandbox.example/message", "/v4/sandbox.example/messages"])
def test_a_wrong_path_answers_200_and_says_nothing_of_a_mail(
    box: Process, session: requests.Session, path: str
) -> None:
    response = session.post(box.mailgun + path, data=FORM, timeout=5)
    assert (response.status_code, response.text) == (200, "Mailgun Magnificent API")


def test_the_domain_can_be_asked_for(box: Process, session: requests.Session) -> None:
    response = session.get(f"{box.mailgun}/v3/domains/sandbox.example", timeout=5)
    assert response.json()["domain"]["name"] == "sandbox.example"


def test_an_inline_file_is_addressed_by_its_name_and_one_without_a_name_is_dropped(
    box: Process, session: requests.Session
) -> None:
    files = [
        ("inline", ("logo.png", b"\x89PNG", "image/png")),
        ("attachment", ("Grüße.txt", b"a")),
        ("attachment", (None, b"nameless")),
    ]
    assert post(session, box, form(), files).status_code == 200
    found = [(a["filename"], a["content_type"], a["content_id"]) for a in box.mails()[0]["attachments"]]
    assert found == [("logo.png", "image/png", "logo.png"), ("Grüße.txt", "application/octet-stream", None)]


def raw(box: Process, session: requests.Session, body: bytes, content_type: str) -> requests.Response:
    url = f"{box.mailgun}/v3/sandbox.example/messages"
    return session.post(url, data=body, headers={"Content-Type": content_type}, timeout=5)


def part(name: str, value: str, more: str = "") -> bytes:
    return f'--b\r\nContent-Disposition: form-data; name="{name}"{more}\r\n\r\n{value}\r\n'.encode()


def test_a_filename_in_rfc_5987_is_no_filename(box: Process, session: requests.Session) -> None:
    parts = [part(name, value) for name, value in FORM.items()]
    body = b"".join([*parts, part("attachment", "x", "; filename*=utf-8''a.txt"), b"--b--\r\n"])
    assert raw(box, session, body, f"{MULTIPART}; boundary=b").status_code == 200
    assert box.mails()[0]["attachments"] == []


@pytest.mark.parametrize(
    ("body", "content_type", "message"),
    [
        (part("from", "a"), f"{MULTIPART}; boundary=b", "unable to parse request: unexpected EOF"),
        (b"--b\r\nX: 1\r\n\r\nx\r\n--b--\r\n", f"{MULTIPART}; boundary=b", "malformed multipart/form-data request"),
        (b"--b--\r\n", MULTIPART, "malformed multipart/form-data request"),
        (b"from=%zz", "application/x-www-form-urlencoded", "unable to parse request: invalid URL escape"),
        (
            b"{}",
            "application/json",
            "Invalid request content type. Expecting 'multipart/form-data' but got 'application/json'",
        ),
    ],
)
def test_a_body_that_is_no_form(
    *,
    box: Process,
    session: requests.Session,
    catalogue: list[tuple[int, re.Pattern[str]]],
    body: bytes,
    content_type: str,
    message: str,
) -> None:
    response = raw(box, session, body, content_type)
    assert (response.status_code, response.json()) == (400, {"message": message})
    assert any(status == 400 and known.fullmatch(message) for status, known in catalogue)


def test_a_form_may_have_thousands_of_parts_and_large_fields(box: Process, session: requests.Session) -> None:
    recipients = [("bcc", f"p{n}@example.com") for n in range(999)]
    tags = [("o:tag", "t")] * 1500
    html = "x" * 2_000_000
    assert post(session, box, [*form(html=html), *recipients, *tags], [("attachment", ("a", b"a"))]).status_code == 200
    assert len(box.mails()[0]["html"]) == len(html)


@pytest.mark.parametrize("megabytes", [26, 53, 70])
def test_a_message_that_is_too_large_is_a_413(
    box: Process, session: requests.Session, catalogue: list[tuple[int, re.Pattern[str]]], megabytes: int
) -> None:
    response = post(session, box, form(), [("attachment", ("a", bytes(megabytes * 1024 * 1024)))])
    assert response.status_code == 413
    assert any(status == 413 and known.fullmatch(response.json()["message"]) for status, known in catalogue)


@pytest.mark.parametrize("status", [400, 401, 404, 413, 429, 500])
def test_faults_speak_the_tables_words(
    box: Process, session: requests.Session, catalogue: list[tuple[int, re.Pattern[str]]], status: int
) -> None:
    box.fail("mailgun", status=status, times=1)
    response = post(session, box, form())
    text = response.text if status == 401 else response.json()["message"]
    assert any(known_status == status and known.fullmatch(text) for known_status, known in catalogue)
