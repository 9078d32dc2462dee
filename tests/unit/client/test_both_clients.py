"""What both clients ask, answer and raise: one suite for the two."""

from __future__ import annotations

import inspect
import json
from datetime import UTC, datetime, timedelta, timezone
from ipaddress import ip_network
from typing import Any

import pytest

from mailer import AsyncMailer, Mailer
from mailer.client import error
from mailer.delivery import EnvelopeStatus
from mailer.errors import ConfigurationError, InvalidMessage, TemporarilyRefused, Unanswered
from mailer.ports import HttpResponse
from tests.factories import message
from tests.unit.client.scripted import ACCEPTED, ID, URL, Script, Use, answer, blocking, coroutine, problem
from tests.unit.client.states import ATTEMPT, KEY, TIME, state, summary

MESSAGE = {"from_": "ann@example.com", "to": "bob@example.com", "subject": "Hi", "text": "x"}


@pytest.fixture(params=[blocking, coroutine])
def use(request: pytest.FixtureRequest) -> Use:
    """Give a way to call either client."""
    found: Use = request.param
    return found


def asked(script: Script) -> tuple[str, str, Any]:
    """Return the one request: method, path and what it says."""
    [request] = script.requests
    return request.method, request.url.removeprefix(URL), json.loads(request.body) if request.body else None


def test_a_message_is_sent_with_the_key_and_one_idempotency_key(use: Use) -> None:
    script = Script([ACCEPTED])
    given = {**MESSAGE, "cc": None, "send_at": datetime(2026, 11, 24, 13, tzinfo=timezone(timedelta(hours=1)))}
    files = [{"filename": "a", "content": b"\x00\x01"}]
    assert use(script, "send", **given, attachments=files, request_id="shop-1", idempotency_key="invoice-7") == ID
    assert asked(script) == (
        "POST",
        "/v1/messages",
        {
            "from": "ann@example.com", "to": "bob@example.com", "subject": "Hi", "text": "x",
            "send_at": "2026-11-24T12:00:00.000Z", "attachments": [{"filename": "a", "content": "AAE="}],
        },
    )  # fmt: skip
    assert script.requests[0].headers.items() >= {
        "Authorization": "Bearer key", "Idempotency-Key": "invoice-7", "X-Request-ID": "shop-1",
        "Content-Type": "application/json",
    }.items()  # fmt: skip


def test_many_are_sent_at_once_and_each_has_its_result(use: Use) -> None:
    refused = {"type": f"{URL}/problems/from-not-allowed", "title": "x", "status": 403, "more": 1}
    script = Script([answer(207, {"results": [{"status": 202, "id": ID}, {"status": 403, "problem": refused}]})])
    first, second = use(script, "bulk", [MESSAGE, {"from": "a@b.example", "to": ["c@d.example"], "subject": "s"}])
    assert (first.id, first.problem, second.id, second.problem.status) == (ID, None, None, 403)
    method, path, body = asked(script)
    assert (method, path) == ("POST", "/v1/messages/bulk")
    assert [each["from"] for each in body["messages"]] == ["ann@example.com", "a@b.example"]
    assert script.requests[0].headers["Idempotency-Key"]


def test_a_message_is_looked_at(use: Use) -> None:
    script = Script([answer(200, state("queued"), etag='"7"')])
    found = use(script, "get", ID)
    assert asked(script) == ("GET", f"/v1/messages/{ID}", None)
    assert (found.status, found.etag, found.at_rest) == (EnvelopeStatus.QUEUED, '"7"', False)
    assert found.attempts[0].provider == "sendgrid"
    assert found.created_at == datetime(2026, 11, 24, 12, 17, 52, 1000, tzinfo=UTC)


@pytest.mark.parametrize(
    ("end", "next_attempt_at"), [("accepted", None), ("failed", None), ("canceled", None), ("unknown", None)]
)
def test_waiting_ends_when_the_sending_has_come_to_rest(use: Use, end: str, next_attempt_at: str | None) -> None:
    moves = [state("queued"), state("unknown", next_attempt_at=TIME), state(end, next_attempt_at=next_attempt_at)]
    script = Script([answer(200, each) for each in moves])
    assert use(script, "wait", ID, interval=0.5).status == end
    assert script.pauses == [0.5, 0.5]


def test_waiting_has_an_end_also_when_nothing_answers(use: Use) -> None:
    with pytest.raises(TimeoutError, match="still queued after 3 seconds"):
        use(Script([answer(200, state("queued")) for _ in range(99)]), "wait", ID, 3, interval=1)
    script = Script([answer(200, state("queued")), *[TemporarilyRefused("x") for _ in range(99)]])
    with pytest.raises(error.NoAnswer):
        use(script, "wait", ID, 3, interval=1, options={"retries": 50})
    assert script.now <= 3


def test_a_page_is_asked_for_by_its_conditions(use: Use) -> None:
    script = Script([answer(200, {"messages": [summary("a")], "next_cursor": None})])
    page = use(
        script, "page", status=EnvelopeStatus.QUEUED, recipient="a+b@example.com", limit=2, tag=None, cursor="c&d",
        since=datetime(2026, 11, 24, tzinfo=UTC),
    )  # fmt: skip
    assert (page.messages[0].id, page.next_cursor) == ("a", None)
    assert asked(script)[1] == (
        "/v1/messages?status=queued&recipient=a%2Bb%40example.com&limit=2&since=2026-11-24T00%3A00%3A00.000Z&cursor=c%26d"
    )


def test_a_list_goes_over_all_pages_with_the_same_conditions(use: Use) -> None:
    pages = [(["a", "b"], "2"), ([], "3"), (["c"], None)]
    script = Script([answer(200, {"messages": [summary(i) for i in p], "next_cursor": n}) for p, n in pages])
    assert [each.id for each in use(script, "list", tag="x")] == ["a", "b", "c"]
    paths = [request.url.removeprefix(URL) for request in script.requests]
    assert paths == ["/v1/messages?tag=x", "/v1/messages?tag=x&cursor=2", "/v1/messages?tag=x&cursor=3"]


def test_attempts_and_events_are_lists(use: Use) -> None:
    script = Script([answer(200, {"attempts": [ATTEMPT]})])
    assert [each.duration_ms for each in use(script, "attempts", ID)] == [84]
    assert asked(script)[:2] == ("GET", f"/v1/messages/{ID}/attempts")
    script = Script([answer(200, {"events": [{"at": TIME, "type": "canceled", "detail": "by key"}]})])
    assert [each.type for each in use(script, "events", ID)] == ["canceled"]
    assert asked(script)[:2] == ("GET", f"/v1/messages/{ID}/events")


def test_content_is_the_message_as_it_was_accepted(use: Use) -> None:
    sent = message(
        cc="Carl <carl@example.com>", reply_to="help@example.com", tags=["a"], lane="bulk", on_unknown="wait",
        send_at="2027-01-01T00:00:00Z", attachments=[{"filename": "a.pdf", "content": b"%PDF"}],
    )  # fmt: skip
    script = Script([answer(200, sent.wire())])
    assert use(script, "content", ID) == sent
    assert asked(script)[:2] == ("GET", f"/v1/messages/{ID}/content")


def test_a_message_is_canceled(use: Use) -> None:
    script = Script([answer(200, state("canceled"))])
    assert use(script, "cancel", ID, idempotency_key="k").status == "canceled"
    assert asked(script) == ("POST", f"/v1/messages/{ID}/cancel", None)
    assert script.requests[0].headers["Idempotency-Key"] == "k"


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"send_at": None}, {"send_at": None}),
        ({"send_at": "2027-01-01T00:00:00Z"}, {"send_at": "2027-01-01T00:00:00Z"}),
        ({"expires_at": datetime(2027, 1, 1, tzinfo=UTC)}, {"expires_at": "2027-01-01T00:00:00.000Z"}),
    ],
)
def test_a_message_is_rescheduled(use: Use, change: dict[str, Any], said: dict[str, Any]) -> None:
    script = Script([answer(200, state("scheduled"), etag='"8"')])
    assert use(script, "reschedule", ID, **change, if_match='"7"').etag == '"8"'
    assert asked(script) == ("PATCH", f"/v1/messages/{ID}", said)
    assert script.requests[0].headers["If-Match"] == '"7"'


def test_keys_are_made_listed_looked_at_and_revoked(use: Use) -> None:
    script = Script([answer(201, {**KEY, "key": "mk_secret"})])
    made = use(
        script, "create_key", "shop", ["send", "read"], networks=[ip_network("10.0.0.0/8"), "::1/128"], test=True
    )
    assert made.key == "mk_secret"
    assert asked(script) == (
        "POST",
        "/v1/keys",
        {
            "name": "shop", "scopes": ["send", "read"], "from_domains": [], "networks": ["10.0.0.0/8", "::1/128"],
            "test": True,
        },
    )  # fmt: skip
    script = Script([answer(200, {"keys": [KEY]})])
    assert [each.prefix for each in use(script, "keys")] == ["mk_1234"]
    script = Script([answer(200, KEY)])
    assert use(script, "key", "k/1").name == "shop"
    assert asked(script)[:2] == ("GET", "/v1/keys/k%2F1")
    script = Script([answer(200, KEY)])
    assert use(script, "revoke_key", ID).id == ID
    assert asked(script)[:2] == ("POST", f"/v1/keys/{ID}/revoke")


@pytest.mark.parametrize(
    "trouble",
    [
        TemporarilyRefused("no_connection"),
        Unanswered("read_timeout"),
        problem("unavailable", 503),
        problem("uncertain", 503, id=ID),
        problem("backlog", 503),
        problem("rate-limited", 429),
        problem("idempotency-key-in-use", 409),
        HttpResponse(503, {}, b"<html>"),
        HttpResponse(502, {}, b"<html>"),
    ],
    ids=str,
)
def test_a_message_is_sent_again_under_one_key_until_there_is_an_answer(
    use: Use, trouble: HttpResponse | Exception
) -> None:
    script = Script([trouble, trouble, ACCEPTED])
    assert use(script, "send", **MESSAGE) == ID
    assert len(script.requests) == 3
    assert len({request.headers["Idempotency-Key"] for request in script.requests}) == 1
    assert len({request.body for request in script.requests}) == 1


def test_each_call_has_a_key_of_its_own(use: Use) -> None:
    scripts = [Script([ACCEPTED]), Script([ACCEPTED])]
    for script in scripts:
        use(script, "send", **MESSAGE)
    assert len({script.requests[0].headers["Idempotency-Key"] for script in scripts}) == 2


@pytest.mark.parametrize(
    ("trouble", "kind"),
    [
        (TemporarilyRefused("x"), error.NoAnswer),
        (problem("unavailable", 503), error.Unavailable),
        (problem("uncertain", 503, id=ID), error.Uncertain),
    ],
)
def test_what_does_not_get_better_is_raised_after_the_retries(
    use: Use, trouble: HttpResponse | Exception, kind: type[Exception]
) -> None:
    script = Script([trouble] * 9)
    with pytest.raises(kind):
        use(script, "send", **MESSAGE)
    assert len(script.requests) == 4
    script = Script([trouble] * 9)
    with pytest.raises(kind):
        use(script, "send", **MESSAGE, options={"retries": 0})
    assert len(script.requests) == 1


@pytest.mark.parametrize(
    "slug", ["unauthorized", "from-not-allowed", "not-found", "too-late", "idempotency-key-reused", "internal-error"]
)
def test_what_will_not_get_better_is_asked_once(use: Use, slug: str) -> None:
    from mailer.problem_type import PROBLEM_TYPES

    script = Script([problem(slug, PROBLEM_TYPES[slug].status)])
    with pytest.raises(error.ServiceError):
        use(script, "cancel", ID)
    assert script.pauses == []


@pytest.mark.parametrize(
    "trouble", [TemporarilyRefused("x"), problem("unavailable", 503), problem("rate-limited", 429)]
)
def test_a_change_is_asked_again_when_nothing_can_have_happened(use: Use, trouble: HttpResponse | Exception) -> None:
    script = Script([trouble, answer(200, state())])
    assert use(script, "reschedule", ID, send_at=None).id == ID


@pytest.mark.parametrize(
    "trouble", [Unanswered("x"), problem("uncertain", 503), HttpResponse(503, {}, b""), HttpResponse(504, {}, b"")]
)
@pytest.mark.parametrize("if_match", [None, '"7"'])
def test_a_change_that_may_have_happened_is_not_asked_again(
    use: Use, trouble: HttpResponse | Exception, if_match: str | None
) -> None:
    script = Script([trouble])
    with pytest.raises(error.ServiceError) as caught:
        use(script, "reschedule", ID, send_at=None, if_match=if_match)
    assert (len(script.requests), isinstance(caught.value, error.NoAnswer | error.Unavailable)) == (1, True)


def test_retry_after_is_honoured_and_no_try_is_longer_than_what_is_left(use: Use) -> None:
    script = Script([problem("rate-limited", 429, retry_after="20"), ACCEPTED])
    use(script, "send", **MESSAGE, options={"deadline": 30.0})
    [pause] = script.pauses
    assert 20 <= pause <= 20.5
    assert [request.deadline for request in script.requests] == [30.0, pytest.approx(30.0 - pause)]


def test_what_would_come_back_too_late_is_raised_at_once_with_what_the_service_said(use: Use) -> None:
    script = Script([problem("backlog", 503, retry_after="31")])
    with pytest.raises(error.Backlog) as caught:
        use(script, "send", **MESSAGE, options={"deadline": 30.0})
    assert (caught.value.retry_after, script.pauses) == (31.0, [])


def test_every_wrong_field_of_a_message_is_named(use: Use) -> None:
    wrong = [{"pointer": "/to/1", "code": "address", "detail": "is no address"}]
    with pytest.raises(InvalidMessage) as caught:
        use(Script([problem("invalid-message", 422, errors=wrong)]), "send", **MESSAGE)
    assert [(p.pointer, p.code) for p in caught.value.problems] == [("/to/1", "address")]


@pytest.mark.parametrize(
    "strange",
    [answer(200, [1]), answer(202, {"id": 7}), HttpResponse(200, {}, b"<html>private</html>"), answer(202, {})],
)
def test_an_answer_that_is_none_of_the_services_is_an_error_without_its_content(
    use: Use, strange: HttpResponse
) -> None:
    with pytest.raises(error.UnreadableAnswer) as caught:
        use(Script([strange]), "send", **MESSAGE)
    assert "private" not in str(caught.value)


@pytest.mark.parametrize(
    ("method", "args", "given"),
    [
        ("send", (), {**MESSAGE, "idempotency_key": ""}),
        ("send", (), {**MESSAGE, "idempotency_key": "two words"}),
        ("send", (), {**MESSAGE, "idempotency_key": "k" * 256}),
        ("send", (), {**MESSAGE, "request_id": "a\nb"}),
        ("send", (), {**MESSAGE, "send_at": datetime(2026, 1, 1)}),  # noqa: DTZ001 - that is the point
        ("page", (), {"since": datetime(2026, 1, 1)}),  # noqa: DTZ001
        ("reschedule", (ID,), {}),
        ("get", ("..",), {}),
        ("get", ("",), {}),
    ],
)
def test_what_cannot_be_asked_is_not(use: Use, method: str, args: tuple[Any, ...], given: dict[str, Any]) -> None:
    script = Script([])
    with pytest.raises(ValueError, match=r"must be|offset|needs|no id"):
        use(script, method, *args, **given)
    assert script.requests == []


@pytest.mark.parametrize(
    ("url", "key", "more"),
    [("mailer:8000", "k", {}), ("http://x", "", {}), ("http://x", "a b", {}), ("http://x", "k", {"retries": -1})],
)
@pytest.mark.parametrize("client", [Mailer, AsyncMailer])
def test_an_address_and_a_key_are_looked_at_once(client: Any, url: str, key: str, more: dict[str, Any]) -> None:
    with pytest.raises(ConfigurationError):
        client(url, key, **more)


def test_the_two_have_the_same_methods_with_the_same_parameters() -> None:
    def methods(client: type) -> dict[str, list[str]]:
        public = {name: m for name, m in vars(client).items() if not name.startswith("_")}
        return {name: list(inspect.signature(method).parameters) for name, method in public.items()}

    assert methods(Mailer) == methods(AsyncMailer)


def test_the_key_is_in_no_text_that_ends_in_a_log() -> None:
    from mailer.client.trial import Target

    assert "secret" not in repr(Target(url=URL, key="secret"))
    with pytest.raises(error.NoAnswer) as caught:
        blocking(Script([TemporarilyRefused("x")]), "get", ID, options={"retries": 0})
    assert "Bearer" not in str(caught.value)
