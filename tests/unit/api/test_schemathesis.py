"""Schemathesis holds the API against its description: what it says is sent, and what it rules out.

All operations, all phases, all checks. Over a socket: in-process its check of keys cannot send its own requests (4.32
hands `max_redirects` to werkzeug).
"""

from __future__ import annotations

import os
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from typing import Any

import flask
import pytest
import schemathesis
from hypothesis import strategies as st
from schemathesis.core.parameters import ParameterLocation
from schemathesis.engine import Status, events, from_schema
from schemathesis.generation.case import Case
from schemathesis.hooks import GLOBAL_HOOK_DISPATCHER, HookContext
from schemathesis.specs.openapi.formats import unregister_string_format

from api import openapi
from api.openapi.route import routes
from tests.openapi import repair
from tests.unit.api.conftest import KEY

# SCHEMATHESIS_EXAMPLES=500 looks longer.
EXAMPLES = int(os.environ.get("SCHEMATHESIS_EXAMPLES", "25"))
PHASES = {"EXAMPLES", "COVERAGE", "FUZZING", "STATEFUL_TESTING"}

_WORD = st.from_regex(r"[a-z0-9]([a-z0-9-]{0,8}[a-z0-9])?", fullmatch=True).filter(lambda word: word[2:4] != "--")
# `format: email` is wider than what can be mailed: it knows quotes, address literals and hosts without a dot.
EMAIL = st.builds(
    "{}@{}.example.com".format, st.from_regex(r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]{1,20}", fullmatch=True), _WORD
)
NAME = st.from_regex(r"[A-Za-z0-9.'()@\u00e4\u4e2d-]{1,20}", fullmatch=True)
FORMATS = {
    "email": EMAIL,
    "mailbox": EMAIL | st.builds("{} <{}>".format, NAME, EMAIL),
    # Known to pydantic, to nobody else.
    "ipv4network": st.builds("{}/32".format, st.ip_addresses(v=4)),
    "ipv6network": st.builds("{}/128".format, st.ip_addresses(v=6)),
}

# By schema: what has rules beyond JSON Schema. The rest is sent as it was made.
REPAIRS: dict[str, Callable[[Any], Any]] = {
    "Message": repair.message,
    "BulkRequest": repair.bulk,
    "ScheduleChange": repair.moments,
    "KeyRequest": repair.moments,
    "EndpointRequest": repair.endpoint,
    "EndpointChange": repair.endpoint,
    "SuppressionRequest": repair.suppression,
    "Csv": repair.lines,
}


@pytest.fixture(autouse=True)
def _sender(monkeypatch: pytest.MonkeyPatch) -> None:
    """`from` may be left out where there is a default."""
    monkeypatch.setenv("MAILER_FROM", "shop@example.com")
    # Being refused for that would hide everything else.
    monkeypatch.setenv("MAILER_RATE_KEY", "1000000/second")


@pytest.fixture
def _repaired() -> Iterator[None]:
    """Make what is meant to be valid keep the rules that JSON Schema cannot express; see tests/openapi/repair.py."""
    for name, strategy in FORMATS.items():
        schemathesis.openapi.format(name, strategy)

    def before_call(context: HookContext, case: Case[Any], kwargs: dict[str, Any]) -> None:
        if is_meant_to_be_valid(case) and (rule := REPAIRS.get(taken(case))):
            case.body = rule(case.body)
        if case.headers and is_positive(case, ParameterLocation.HEADER):
            repair.headers(case.headers)
        if case.query and is_positive(case, ParameterLocation.QUERY):
            case.query = repair.query(case.query)

    schemathesis.hook(before_call)
    yield
    GLOBAL_HOOK_DISPATCHER.unregister(before_call)
    for name in FORMATS:
        unregister_string_format(name)


def is_meant_to_be_valid(case: Case[Any]) -> bool:
    return isinstance(case.body, dict | str) and is_positive(case, ParameterLocation.BODY)


def is_positive(case: Case[Any], location: ParameterLocation) -> bool:
    part = case.meta.components.get(location) if case.meta else None
    return part is None or part.mode.is_positive


def taken(case: Case[Any]) -> str:
    """Return the name of the model that an operation takes."""
    body = case.operation.definition.raw.get("requestBody", {})
    [content] = body.get("content", {}).values() or [{}]
    reference = content.get("schema", {}).get("$ref", "")
    return str(reference.rpartition("/")[2].removesuffix("-Input"))


@pytest.mark.usefixtures("_repaired")
def test_the_api_is_what_it_says_it_is(
    app: flask.Flask, url: str, record_property: Callable[[str, object], None]
) -> None:
    # Not from its address: what it is loaded from is left out of the tests.
    schema = schemathesis.openapi.from_dict(openapi.build(app), config=schemathesis.Config(seed=1))
    schema.config.base_url = url
    schema.config.headers = dict(KEY)
    schema.config.generation.deterministic = True
    schema.config.generation.max_examples = EXAMPLES
    run = Run()
    for event in from_schema(schema).execute():
        if isinstance(event, events.NonFatalError | events.FatalError):
            pytest.fail(str(event))
        if isinstance(event, events.ScenarioFinished):
            run.take(event)
    record_property("counted", f"schemathesis: {run}")
    assert not run.wrong, "\n\n".join(f"{key}: {text}" for key, text in run.wrong.items())
    assert run.answered.keys() == {f"{route.method} {route.path}" for route in routes(app)}
    assert run.requests.keys() >= PHASES
    assert not [label for label, statuses in run.answered.items() if min(statuses) >= 300]


class Run:
    """What was sent, what came back, what was found wrong (the first of each kind)."""

    def __init__(self) -> None:
        self.requests: Counter[str] = Counter()
        self.answered: defaultdict[str, set[int]] = defaultdict(set)
        self.checks: Counter[str] = Counter()
        self.wrong: dict[tuple[str, str, str], str] = {}

    def take(self, event: events.ScenarioFinished) -> None:
        for id, node in event.recorder.cases.items():
            case, label = node.value, node.value.operation.label
            interaction = event.recorder.interactions.get(id)
            if interaction and interaction.response:
                self.requests[event.phase.name] += 1
                self.answered[label].add(interaction.response.status_code)
            for check in event.recorder.checks.get(id, ()):
                self.checks[check.name] += 1
                if check.status == Status.FAILURE:
                    self.wrong.setdefault((event.phase.name, label, check.name), shown(case, check))

    def __str__(self) -> str:
        return (
            f"{len(self.answered)} operations, {self.requests.total()} requests {dict(self.requests)}, "
            f"{self.checks.total()} checks of {len(self.checks)} kinds, {len(self.wrong)} failures"
        )


def shown(case: Case[Any], check: Any) -> str:
    failure = check.failure_info.failure if check.failure_info else check
    return f"{failure}\n{case.as_curl_command()}"[:3000]
