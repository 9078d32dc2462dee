"""The tree of errors: every kind of problem has its place in it."""

from __future__ import annotations

import inspect
import re
from typing import Any

import pytest

import mailer
from mailer.client import answer, error
from mailer.client.error import ServiceError
from mailer.errors import InvalidMessage, MailerError
from mailer.ports import HttpResponse
from mailer.problem_type import PROBLEM_TYPES
from tests.unit.client.scripted import ID, problem
from tests.unit.client.scripted import answer as answered

CLASSES = {c.__name__: c for c in vars(error).values() if isinstance(c, type) and issubclass(c, ServiceError)}


def failure(response: HttpResponse) -> Any:
    with pytest.raises(MailerError) as caught:
        answer.content(response)
    return caught.value


@pytest.mark.parametrize("slug", PROBLEM_TYPES)
def test_every_kind_of_problem_has_a_class(slug: str) -> None:
    found = failure(problem(slug, PROBLEM_TYPES[slug].status))
    assert type(found) is (InvalidMessage if slug == answer.INVALID_MESSAGE else answer.BY_SLUG[slug])


def test_no_class_stands_for_a_problem_that_is_gone() -> None:
    assert answer.BY_SLUG.keys() | {answer.INVALID_MESSAGE} == PROBLEM_TYPES.keys()


def test_what_is_temporary_has_a_status_that_says_so() -> None:
    temporary = {slug for slug, kind in answer.BY_SLUG.items() if kind.temporary}
    assert {PROBLEM_TYPES[slug].status for slug in temporary} == {409, 429, 503}
    assert {slug for slug, kind in PROBLEM_TYPES.items() if kind.status in (429, 503)} <= temporary


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (400, error.InvalidRequest), (401, error.Unauthorized), (403, error.Forbidden), (404, error.NotFound),
        (412, error.PreconditionFailed), (413, error.TooLarge), (422, error.InvalidRequest), (429, error.RateLimited),
        (500, error.InternalError), (502, error.NoAnswer), (503, error.Unavailable), (504, error.NoAnswer),
        (301, ServiceError), (409, ServiceError), (418, ServiceError),
    ],
)  # fmt: skip
@pytest.mark.parametrize("body", [b"", b"<html>", b'{"type": "about:blank"}', b'{"type": "https://x/problems/newer"}'])
def test_what_is_unknown_goes_by_its_status(status: int, kind: type[ServiceError], body: bytes) -> None:
    found = failure(HttpResponse(status, {}, body))
    assert (type(found), found.status) == (kind, status)


def test_errors_say_what_the_service_says() -> None:
    found = failure(problem("uncertain", 503, id=ID, detail="It may be there", retry_after="5"))
    assert (found.id, found.retry_after, found.request_id, str(found)) == (ID, 5.0, "req-1", "503: It may be there")
    assert failure(problem("missing-scope", 403, scope="read")).scope == "read"
    assert failure(problem("too-late", 409, state="sending")).state == "sending"
    assert failure(problem("too-late", 409, state=7)).state is None
    assert failure(problem("rate-limited", 429)).retry_after is None
    wrong = [{"pointer": "/limit", "code": "too_large", "detail": "at most 200"}, "nonsense"]
    [one] = failure(problem("invalid-request", 422, errors=wrong)).problems
    assert (one.pointer, one.code, one.detail) == ("/limit", "too_large", "at most 200")
    assert failure(problem("not-json", 400)).problems == ()
    assert [p.pointer for p in failure(problem("invalid-message", 422)).problems] == [""]


def test_a_retry_after_may_be_a_date() -> None:
    dated = answered(503, {"type": "x/problems/backlog"}, retry_after="Wed, 01 Jan 2020 00:00:00 GMT")
    assert failure(dated).retry_after == 0.0


def test_the_tree_is_the_one_that_is_drawn() -> None:
    rows = re.findall(r"^([│├└─ ]*)([A-Z]\w+) ", error.__doc__ or "", re.MULTILINE)
    drawn, above = {}, ["MailerError"]
    for indent, name in rows:
        depth = len(indent) // 4
        above = [*above[: depth + 1], name]
        if name in CLASSES:
            drawn[name] = above[-2]
    assert drawn == {name: kind.__base__.__name__ for name, kind in CLASSES.items() if kind.__base__}


def test_the_drawing_says_what_is_asked_again() -> None:
    drawn = set(re.findall(r"(\w+) .*\(asked again\)", error.__doc__ or ""))
    assert drawn == {name for name, kind in CLASSES.items() if kind.temporary}


def test_everything_is_found_in_the_package_itself() -> None:
    assert set(mailer.__all__) >= CLASSES.keys()
    assert all(inspect.isclass(getattr(mailer, name)) for name in CLASSES)
    assert all(getattr(mailer, name).__name__ == name for name in mailer.__all__ if name != "send_email")
    with pytest.raises(AttributeError):
        _ = mailer.Nothing
