"""Log records by email: what is sent, what is left out, and that nothing gets back into the application."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from typing import Any

import pytest

from mailer.errors import TemporarilyRefused
from mailer.handler import MOST_TEXT, EmailHandler
from mailer.ports import HttpRequest, HttpResponse
from tests.unit.client.scripted import ACCEPTED, Script, problem


class Talkative(Script):
    """A transport that logs while it sends, as urllib3 does, and as a transport of somebody's own may."""

    def send(self, request: HttpRequest) -> HttpResponse:
        for name in ("urllib3.connectionpool", "requests", "httpx", "mailer.http", "somebody"):
            logging.getLogger(name).error("sending")
        return super().send(request)


@pytest.fixture
def log() -> Iterator[logging.Logger]:
    """Give the root logger, as it was afterwards."""
    root = logging.getLogger()
    before = list(root.handlers)
    yield root
    for handler in set(root.handlers) - set(before):
        root.removeHandler(handler)


def attached(log: logging.Logger, script: Script, **options: Any) -> EmailHandler:
    handler = EmailHandler(
        url="http://mailer.test", api_key="k", to=["ops@example.com"], transport=script, clock=script.clock, **options
    )
    log.addHandler(handler)
    return handler


def mails(script: Script) -> list[dict[str, Any]]:
    return [json.loads(request.body) for request in script.requests]


def test_a_record_becomes_a_mail(log: logging.Logger) -> None:
    script = Script([ACCEPTED])
    handler = attached(log, script, from_="app@example.com", subject="[shop] %(levelname)s: %(message)s")
    handler.setFormatter(logging.Formatter("%(name)s|%(message)s"))
    logging.getLogger("shop").error("order %s\nfailed", 7)
    logging.getLogger("shop").warning("not this")
    assert mails(script) == [
        {
            "from": "app@example.com", "to": ["ops@example.com"], "subject": "[shop] ERROR: order 7",
            "text": "shop|order 7\nfailed",
        }
    ]  # fmt: skip


def test_what_its_own_sending_logs_is_not_sent(log: logging.Logger) -> None:
    script = Talkative([ACCEPTED] * 9)
    attached(log, script, most=9)
    logging.getLogger("shop").error("one")
    logging.getLogger("mailer.client").error("ours")
    assert len(script.requests) == 1
    logging.getLogger("shop").error("two")
    assert len(script.requests) == 2


def test_so_many_in_a_period_and_the_next_one_says_how_many_were_left_out(log: logging.Logger) -> None:
    script = Script([ACCEPTED] * 9)
    attached(log, script, most=2, period=60.0)
    for number in range(5):
        logging.error("n %s", number)
    assert [mail["text"] for mail in mails(script)] == ["n 0", "n 1"]
    script.now = 60.0
    logging.error("n 5")
    assert mails(script)[-1]["text"] == "n 5\n\n3 more records were left out since the last mail."
    logging.error("n 6")
    assert mails(script)[-1]["text"] == "n 6"


@pytest.mark.parametrize("trouble", [TemporarilyRefused("x"), problem("unauthorized", 401), problem("backlog", 503)])
def test_a_service_that_is_away_is_left_alone_for_a_while(
    log: logging.Logger, trouble: HttpResponse | Exception, capsys: pytest.CaptureFixture[str]
) -> None:
    script = Script([trouble, ACCEPTED])
    attached(log, script, pause=30.0, most=1)
    for number in range(4):
        logging.error("n %s", number)
    assert (len(script.requests), script.pauses) == (1, [])
    assert capsys.readouterr().err.count("--- Logging error ---") == 1
    script.now = 30.0
    logging.error("n 4")
    assert mails(script)[-1]["text"].endswith("4 more records were left out since the last mail.")


def test_nothing_that_goes_wrong_reaches_the_application(
    log: logging.Logger, capsys: pytest.CaptureFixture[str]
) -> None:
    script = Script([RuntimeError("boom")])
    attached(log, script, subject="%(no_such_thing)s")
    logging.error("a")
    attached(log, Script([RuntimeError("boom")]))
    logging.error("b")
    assert capsys.readouterr().err.count("--- Logging error ---") == 2


def test_a_record_of_any_characters_and_any_length_can_be_sent(log: logging.Logger) -> None:
    script = Script([ACCEPTED, ACCEPTED])
    handler = attached(log, script, subject="%(message)s")
    # Past pytest's own handler: it would keep the record, and half a character cannot be sent to its main process.
    for text in ("a\x00\ud800\tb " + "x" * 2 * MOST_TEXT, ""):
        handler.handle(logging.makeLogRecord({"name": "app", "msg": text, "levelname": "ERROR", "levelno": 40}))
    [long, empty] = mails(script)
    assert long["subject"].startswith("a\N{REPLACEMENT CHARACTER}? b x")
    assert len(long["subject"]) < 900
    assert len(long["text"]) < MOST_TEXT + 100
    assert long["text"].endswith("characters more]")
    assert (empty["subject"], empty["text"]) == ("ERROR", "ERROR")


def test_one_mail_takes_a_few_seconds_at_the_most(log: logging.Logger) -> None:
    script = Script([ACCEPTED])
    attached(log, script, timeout=2.5)
    logging.error("a")
    assert script.requests[0].deadline is not None
    assert script.requests[0].deadline <= 2.5
