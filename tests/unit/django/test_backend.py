"""The backend keeps Django's promises: counts, silence, connections, settings."""

from __future__ import annotations

from typing import Any

import pytest
from django.core.exceptions import ImproperlyConfigured
from django.core.mail import EmailMessage, get_connection, send_mail
from django.test.utils import override_settings

from mailer.errors import InvalidMessage, TemporarilyRefused
from tests.settings_of_django import configure
from tests.unit.client.scripted import ACCEPTED, ID, Script, problem

configure()

from mailer.django import EmailBackend, UnsupportedFeature  # noqa: E402 - Django reads its settings first

REFUSED = problem("invalid-message", 422, errors=[{"pointer": "/to/0", "code": "x", "detail": "no"}])


def backend(script: Script, **options: Any) -> Any:
    return EmailBackend(url="http://mailer.test", api_key="k", transport=script, **options)


def message(to: str | None = "bob@example.com", **changed: Any) -> Any:
    return EmailMessage("Hi", "Hello", "ann@example.com", [to] if to else [], **changed)


def test_each_message_that_was_taken_counts_and_has_its_id() -> None:
    script = Script([ACCEPTED, ACCEPTED])
    messages = [message(), message(to=None), message("eve@example.com")]
    assert backend(script).send_messages(messages) == 2
    assert [getattr(each, "mailer_id", None) for each in messages] == [ID, None, ID]


def test_an_error_raises_and_what_came_before_was_sent() -> None:
    script = Script([ACCEPTED, REFUSED, ACCEPTED])
    messages = [message(), message(), message()]
    with pytest.raises(InvalidMessage):
        backend(script).send_messages(messages)
    assert [hasattr(each, "mailer_id") for each in messages] == [True, False, False]


def test_in_silence_the_others_are_sent() -> None:
    script = Script([ACCEPTED, REFUSED, problem("unauthorized", 401), ACCEPTED])
    assert backend(script, fail_silently=True).send_messages([message() for _ in range(4)]) == 2


def test_a_mistake_of_the_program_is_never_silent() -> None:
    with pytest.raises(UnsupportedFeature):
        backend(Script([]), fail_silently=True).send_messages([message(headers={"To": "x@example.com"})])


def test_nothing_to_send_is_nothing_sent() -> None:
    assert backend(Script([])).send_messages([]) == 0


def test_a_connection_that_was_opened_is_kept_until_it_is_closed(monkeypatch: pytest.MonkeyPatch) -> None:
    connection = backend(Script([ACCEPTED] * 3))
    closed: list[int] = []
    monkeypatch.setattr(connection._mailer, "close", lambda: closed.append(1))
    connection.send_messages([message()])
    assert len(closed) == 1
    with connection:
        connection.send_messages([message()])
        connection.send_messages([message()])
        assert len(closed) == 1
    assert len(closed) == 2
    assert connection.open() is True
    assert connection.open() is False


@pytest.mark.parametrize("missing", ["MAILER_URL", "MAILER_API_KEY"])
def test_a_setting_that_is_missing_is_named(missing: str) -> None:
    given = {"MAILER_URL": "http://mailer.test", "MAILER_API_KEY": "k"} | {missing: None}
    with override_settings(**given), pytest.raises(ImproperlyConfigured, match=missing):
        get_connection("mailer.django.EmailBackend")
    with override_settings(**{**given, missing: "not an address \n"}), pytest.raises(ImproperlyConfigured):
        get_connection("mailer.django.EmailBackend")


def test_djangos_own_functions_find_the_backend_and_its_time_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[Any] = []

    def send(self: object, request: Any) -> Any:
        asked.append((request, self))
        raise TemporarilyRefused("no_connection")

    monkeypatch.setattr("mailer.http.HttpTransport.send", send)
    found = {"EMAIL_BACKEND": "mailer.django.EmailBackend", "MAILER_URL": "http://m", "MAILER_API_KEY": "k"}
    with override_settings(**found, MAILER_TIMEOUT=0.01):
        assert send_mail("Hi", "x", None, ["bob@example.com"], fail_silently=True, auth_user="u") == 0
    request, transport = asked[0]
    assert (request.deadline, transport._timeouts) == (pytest.approx(0.03, abs=0.01), (0.01, 0.01))
