"""The document describes the whole API, and says of each model what the code keeps to."""

from __future__ import annotations

import json
import re
import tomllib
from pathlib import Path
from typing import Any

import flask
import jsonschema
import pydantic
import pytest
from flask.testing import FlaskClient
from openapi_spec_validator import validate
from pydantic.json_schema import JsonSchemaMode

import mailer
from api.openapi.example import EXAMPLES
from api.openapi.route import described
from mailer import feed, request, resource
from mailer.address import Address
from mailer.attachment import Attachment
from mailer.errors import InvalidMessage
from mailer.message import Message
from mailer.problem_type import PROBLEM_TYPES
from tests.factories import fields
from tests.unit.api.conftest import KEY


@pytest.fixture
def document(client: FlaskClient) -> dict[str, Any]:
    answer = client.get("/openapi.json")
    assert (answer.status_code, answer.content_type) == (200, "application/json")
    return dict(answer.json or {})


def test_the_document_is_valid_openapi(document: dict[str, Any]) -> None:
    validate(document)
    assert document["openapi"].startswith("3.1.")


def test_every_route_is_described_and_every_description_has_its_route(
    app: flask.Flask, document: dict[str, Any]
) -> None:
    served = {
        (re.sub(r"<(?:\w+:)?(\w+)>", r"{\1}", rule.rule), method)
        for rule in app.url_map.iter_rules()
        if described(rule)
        for method in (rule.methods or set()) - {"HEAD", "OPTIONS"}
    }
    assert served == {(path, method.upper()) for path, methods in document["paths"].items() for method in methods}


def test_the_version_is_the_packages(document: dict[str, Any]) -> None:
    project = tomllib.loads(Path("pyproject.toml").read_text(encoding="utf-8"))
    assert project["tool"]["setuptools"]["dynamic"]["version"] == {"attr": "mailer.__version__"}
    assert document["info"]["version"] == mailer.__version__


def test_a_document_that_has_not_changed_is_not_sent_again(client: FlaskClient) -> None:
    first = client.get("/openapi.json")
    again = client.get("/openapi.json", headers={"If-None-Match": first.headers["ETag"]})
    assert (again.status_code, again.data) == (304, b"")


def test_who_needs_a_key_says_which_scope_and_answers_401(document: dict[str, Any]) -> None:
    create, health = document["paths"]["/v1/messages"]["post"], document["paths"]["/healthz"]["get"]
    assert create["security"] == [{"key": []}]
    assert "scope `send`" in create["description"]
    assert "WWW-Authenticate" in create["responses"]["401"]["headers"]
    assert health["security"] == []
    assert "401" not in health["responses"]


def test_every_error_is_a_problem_with_an_example_of_each_kind(document: dict[str, Any]) -> None:
    shape = {**document["components"]["schemas"]["Problem"], "components": document["components"]}
    for slug in (kind for kind in document["components"]["examples"] if kind in PROBLEM_TYPES):
        value = document["components"]["examples"][slug]["value"]
        jsonschema.validate(value, shape)
        assert value["status"] == PROBLEM_TYPES[slug].status
    unprocessable = document["paths"]["/v1/messages"]["post"]["responses"]["422"]["content"]["application/problem+json"]
    assert {"invalid-message", "idempotency-key-reused"} <= unprocessable["examples"].keys()


def test_what_was_made_leads_to_where_it_is_shown(document: dict[str, Any]) -> None:
    accepted = document["paths"]["/v1/messages"]["post"]["responses"]["202"]
    assert accepted["links"]["messages_show"]["parameters"] == {"id": "$response.body#/id"}
    assert "Location" in accepted["headers"]


def test_attributes_of_a_docstring_are_descriptions_of_properties(document: dict[str, Any]) -> None:
    schema = document["components"]["schemas"]["MessageState"]
    assert "Attributes" not in schema["description"]
    assert schema["properties"]["reason"]["description"].startswith("why it rests or waits, null where")


# What comes in and goes out.
MODES: dict[type[pydantic.BaseModel], tuple[JsonSchemaMode, ...]] = dict.fromkeys(
    (Message, Address, Attachment), ("validation", "serialization")
)


@pytest.mark.parametrize("model", EXAMPLES, ids=lambda model: model.__name__)
def test_an_example_is_one(model: type[pydantic.BaseModel]) -> None:
    example = json.loads(json.dumps(EXAMPLES[model]))
    if not isinstance(example, str):
        model.model_validate(example)
    for mode in MODES.get(model, ("validation" if issubclass(model, request.Request) else "serialization",)):
        schema = model.model_json_schema(mode=mode)
        jsonschema.validate(example, schema, format_checker=jsonschema.FormatChecker())


def test_every_model_has_an_example() -> None:
    models = {
        m
        for m in (*vars(resource).values(), *vars(feed).values())
        if isinstance(m, type) and issubclass(m, pydantic.BaseModel)
    }
    assert models - {resource.Resource, request.Request, request.MessageQuery} <= EXAMPLES.keys()


FILE = {"filename": "a.txt", "content": "YQ=="}
BOB = {"email": "bob@example.com"}


VALID: list[dict[str, Any]] = [
    {"to": "bob@example.com"}, {"to": "Bob <bob@example.com>"}, {"to": {**BOB, "name": "B"}},
    {"to": {**BOB, "name": None}}, {"to": ["bob@example.com"]}, {"to": [BOB, "eve@example.com"]},
    {"cc": None, "bcc": [], "reply_to": None}, {"without": ("from",)}, {"from_": None}, {"text": None, "html": "<p>"},
    {"text": "a\n\x01"}, {"headers": {"X-A": "1"}}, {"headers": {}}, {"headers": {"Tot": "1", "X-SMTP": "1"}},
    {"tags": ["a", "b", "c"]}, {"metadata": {"k": "v"}}, {"attachments": [FILE]},
    {"attachments": [{**FILE, "content": "YQ==\r\n"}]}, {"attachments": [{**FILE, "content": "YWI="}]},
    {"attachments": [{**FILE, "content_id": None}]}, {"lane": "bulk"}, {"lane": None}, {"on_unknown": "wait"},
]  # fmt: skip
INVALID: list[dict[str, Any]] = [
    {"to": {**BOB, "name": ""}}, {"to": []}, {"to": None}, {"to": 5}, {"to": ["bob@example.com", "bob@example.com"]},
    {"to": "bob"}, {"to": "b@e\nx.com"}, {"reply_to": [f"r{i}@example.com" for i in range(11)]},
    {"without": ("subject",)}, {"subject": " "}, {"subject": "\u3000"}, {"subject": "a\nb"}, {"subject": "\n"},
    {"subject": "x" * 901}, {"without": ("text",)}, {"text": None}, {"text": ""}, {"text": "a\x00"},
    {"headers": {"X-A": ""}}, {"headers": {"X A": "1"}}, {"headers": {"rePLy-To": "1"}},
    {"headers": {"X-Mailgun-Tag": "1"}}, {"headers": {"x" * 77: "1"}},
    {"headers": {f"X-{n}": "1" for n in range(51)}}, {"headers": {"X-Ü": "1"}}, {"tags": ["a", "a"]}, {"tags": ["ü"]},
    {"tags": [" "]}, {"tags": ["a", "b", "c", "d"]}, {"metadata": {"": "v"}}, {"metadata": {"k": 1}},
    {"metadata": {"a\nb": "v"}}, {"metadata": {"k" * 65: "v"}}, {"attachments": [{**FILE, "content": "a"}]},
    {"attachments": [{**FILE, "content": ""}]}, {"attachments": [{**FILE, "filename": ".."}]},
    {"attachments": [{**FILE, "filename": "a/b"}]}, {"attachments": [{**FILE, "content_type": None}]},
    {"attachments": [{**FILE, "x": 1}]}, {"attachments": [FILE] * 101}, {"lane": "slow"}, {"send_at": 1_900_000_000},
    {"colour": "red"},
]  # fmt: skip


@pytest.mark.parametrize(("changed", "valid"), [(c, True) for c in VALID] + [(c, False) for c in INVALID])
def test_the_schema_and_the_code_say_the_same_of_a_message(changed: dict[str, Any], valid: bool) -> None:
    given = fields(**changed)
    assert jsonschema.Draft202012Validator(Message.model_json_schema()).is_valid(given) is valid
    assert taken({**given, "from": given.get("from") or "shop@example.com"}) is valid


def taken(given: dict[str, Any]) -> bool:
    try:
        Message.build(given)
    except InvalidMessage:
        return False
    return True


def test_what_needs_a_key_is_not_shown_without_one_but_its_description_is(client: FlaskClient) -> None:
    assert client.get("/openapi.json").status_code == client.get("/docs").status_code == 200
    assert client.get("/v1/messages/019367f0-5b7a-7c3e-9f0d-2f6a1c9e4b11").status_code == 401
    assert client.get("/v1/messages/019367f0-5b7a-7c3e-9f0d-2f6a1c9e4b11", headers=KEY).status_code == 404
