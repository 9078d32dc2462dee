"""A body is one JSON object that every reader reads alike."""

from __future__ import annotations

import json

import flask
import pytest

from api import body
from api.errors import NotJson, WrongContentType


def read(data: str, content_type: str = "application/json", encoding: str | None = None) -> dict[str, object]:
    headers = {"Content-Encoding": encoding} if encoding else {}
    with flask.Flask("test").test_request_context(data=data, content_type=content_type, headers=headers):
        return body.fields()


def test_it_is_returned_as_it_is() -> None:
    given = {"a": [{"b": 1}, {"b": 2.5}], "c": {"b": None}, "d": '{"b":1,"b":1}'}
    assert read(json.dumps(given), "application/json; charset=UTF-8", "identity") == given


@pytest.mark.parametrize(
    "data",
    ['{"b":1,"b":1}', '{"b":1,"\\u0062":2}', '{"a":{"b":1,"b":2}}', '{"a":[1,[{"b":{},"b":{}}]]}', '{"b":1,"b":1e999}'],
)
def test_a_field_given_twice_is_named(data: str) -> None:
    with pytest.raises(NotJson, match='"b" is given more than once'):
        read(data)


@pytest.mark.parametrize("wrap", ["{}", '{{"a":{}}}', '{{"a":[{}]}}'])
def test_an_object_has_a_thousand_fields_at_most(wrap: str) -> None:
    fields = {str(i): i for i in range(1000)}
    assert read(wrap.format(json.dumps(fields)))
    with pytest.raises(NotJson, match="1001 fields, at most 1000"):
        read(wrap.format(json.dumps(fields | {"one more": 1})))


@pytest.mark.parametrize(
    ("content_type", "encoding"),
    [("text/plain", None), ("application/json; charset=latin-1", None), ("application/json", "gzip"),
     ("application/json", "identity, br")],
)  # fmt: skip
def test_only_plain_json_in_utf8_is_taken(content_type: str, encoding: str | None) -> None:
    with pytest.raises(WrongContentType):
        read("{}", content_type, encoding)


def test_millions_of_parts_are_refused_before_anything_is_made_of_them(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(body, "PARTS", 1_000)
    with pytest.raises(NotJson, match="more than 1000 parts"):
        read('{"x":[' + "{}," * 1_000 + "{}]}")


def test_what_stands_in_a_text_is_no_part(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(body, "PARTS", 10)
    given = {"text": '{[,\\"' * 1_000}
    assert read(json.dumps(given)) == given
