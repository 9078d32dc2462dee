"""Every payload we emit is one that the provider's own contract accepts, and every answer it lists means something."""

from __future__ import annotations

import copy
from typing import Any

import pytest
from hypothesis import given, settings
from openapi_schema_validator import OAS30Validator

from mailer.errors import AccountRefused, ProviderError, Rejected, SenderRefused, TemporarilyRefused, Unanswered
from mailer.limits import RESERVED_HEADERS
from mailer.ports import Envelope
from mailer.providers import mailgun, sendgrid
from tests.contract import shared, strategies
from tests.factories import NOW, answer

pytestmark = shared.needed


def resolved(node: Any, root: Any) -> Any:
    """Return a schema with its local references in place."""
    if isinstance(node, dict):
        if "$ref" in node:
            target = root
            for step in node["$ref"].removeprefix("#/").split("/"):
                target = target[step]
            return resolved(target, root)
        return {key: resolved(value, root) for key, value in node.items()}
    return [resolved(item, root) for item in node] if isinstance(node, list) else node


@pytest.fixture(scope="module")
def sendgrid_schema() -> Any:
    """Give the schema of SendGrid's mail/send body, with its one known error mended."""
    spec = shared.contract("tsg_mail_v3.json")
    body = spec["components"]["requestBodies"]["PostMailSend"]["content"]["application/json"]["schema"]
    schema = copy.deepcopy(resolved(body, spec))
    # Wrong in the file: top-level custom_args is an object of strings (providers.md).
    schema["properties"]["custom_args"] = {"type": "object", "additionalProperties": {"type": "string"}}
    return schema


@pytest.fixture(scope="module")
def mailgun_schema() -> Any:
    """Give the schema of Mailgun's form."""
    spec = shared.contract("mailgun-send.json")
    return resolved(spec["components"]["schemas"]["POST-v3-domain_name-messages-multipart-form-data-RequestBody"], spec)


@settings(max_examples=200, deadline=None)
@given(envelope=strategies.envelopes)
def test_every_sendgrid_payload_fits_its_schema_and_its_rules(sendgrid_schema: Any, envelope: Envelope) -> None:
    body = sendgrid.payload(envelope)
    OAS30Validator(sendgrid_schema).validate(body)
    assert no_empty_parts(body)
    people = [p["email"].lower() for role in ("to", "cc", "bcc") for p in body["personalizations"][0].get(role, [])]
    assert len(people) == len(set(people))
    names = [p.get("name", "") for role in ("to", "cc", "bcc") for p in body["personalizations"][0].get(role, [])]
    assert not any(c in name for name in names for c in ";,")
    assert all(isinstance(v, str) and k.isascii() for k, v in body["headers"].items())
    assert {k.lower() for k in body["headers"]} & (RESERVED_HEADERS - {"message-id"}) == set()
    assert sum(len(k) + len(v) for k, v in body["custom_args"].items()) <= 10_000
    for file in body.get("attachments", []):
        assert "\n" not in file["content"]
        assert file["filename"].isascii()


def no_empty_parts(node: Any) -> bool:
    if isinstance(node, dict | list):
        return len(node) > 0 and all(map(no_empty_parts, node.values() if isinstance(node, dict) else node))
    return node is not None and node != ""


@settings(max_examples=200, deadline=None)
@given(envelope=strategies.envelopes)
def test_every_mailgun_form_fits_its_schema_and_its_rules(mailgun_schema: Any, envelope: Envelope) -> None:
    fields = mailgun.form(envelope)
    body: dict[str, Any] = {}
    for name, value in fields:
        shown = value if isinstance(value, str) else value[1].decode("latin-1")
        if mailgun_schema["properties"].get(name, {}).get("type") == "array":
            body.setdefault(name, []).append(shown)
        else:
            assert name not in body, f"{name} may stand only once"
            body[name] = shown
    OAS30Validator(mailgun_schema).validate(body)
    options = [(n, v) for n, v in fields if n[:2] in ("o:", "h:", "v:", "t:")]
    assert sum(len(n.encode()) + len(str(v).encode()) for n, v in options) <= 16_384
    assert all(n.isascii() for n, _ in options)
    assert all(value[0] for _, value in fields if not isinstance(value, str))


SENDGRID_KINDS = {400: Rejected, 415: AccountRefused}


def test_every_error_of_sendgrids_catalogue_is_understood() -> None:
    for entry in shared.contract("sendgrid-mail-send-errors.json")["errors"]:
        body = b'{"errors":[{"message":"x","field":"y","help":null}]}'
        assert type(sendgrid.error(answer(entry["status"], body), now=NOW)) is SENDGRID_KINDS[entry["status"]]


def mailgun_kind(status: int, message: str) -> type[ProviderError]:
    """Say, by the words of the design, what an entry of Mailgun's table must mean."""
    if status == 429:
        return TemporarilyRefused
    if "is not allowed to send" in message or status in (403, 404):
        return SenderRefused
    return {400: Rejected, 401: AccountRefused, 413: Rejected, 500: Unanswered}[status]


def test_every_error_of_mailguns_table_is_understood() -> None:
    import json

    for entry in shared.contract("mailgun-send-errors.json")["errors"]:
        status, message = entry["status"], entry["message"]
        body = message.encode() if status == 401 else json.dumps({"message": message}).encode()
        error = mailgun.error(answer(status, body), now=NOW)
        assert type(error) is mailgun_kind(status, message), message
        assert error.detail, message
        if status == 429:
            assert error.retry_after is not None, message
