"""A program's log records by email: real API, worker and inbox."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from pytest_celery import CeleryTestSetup

from deploy.local import port
from mailer import Mailer
from mailer.handler import EmailHandler
from sandbox.process import Process as Sandbox
from tests.integration.conftest import API_KEY


@pytest.fixture
def database_url(sqlite_url: str) -> str:
    """Give SQLite only: nothing here depends on the database."""
    return sqlite_url


@contextmanager
def logger(handler: EmailHandler) -> Iterator[logging.Logger]:
    """Give an application's root logger at its most talkative, with the handler."""
    root, level = logging.getLogger(), logging.getLogger().level
    root.addHandler(handler)
    root.setLevel(logging.DEBUG)
    try:
        yield logging.getLogger("shop.orders")
    finally:
        root.removeHandler(handler)
        root.setLevel(level)
        handler.close()


def test_an_error_is_in_the_inbox_and_the_records_of_its_own_sending_are_not(
    api: Mailer, api_url: str, celery_setup: CeleryTestSetup, sandbox: Sandbox
) -> None:
    handler = EmailHandler(
        url=api_url, api_key=API_KEY, from_="app@sender.example.com", to="ops@example.com", level=logging.DEBUG, most=5
    )
    with logger(handler) as log:
        try:
            raise RuntimeError("out of paper")
        except RuntimeError:
            log.exception("order %s failed\nbadly", 7)
    deadline = time.monotonic() + 20
    while not sandbox.mails(to="ops@example.com") and time.monotonic() < deadline:
        time.sleep(0.1)
    [mail] = sandbox.mails(to="ops@example.com")
    assert mail["subject"] == "ERROR in shop.orders: order 7 failed"
    assert "RuntimeError: out of paper" in mail["text"]


def test_a_service_that_is_away_costs_the_application_one_short_wait(capsys: pytest.CaptureFixture[str]) -> None:
    handler = EmailHandler(
        url=f"http://127.0.0.1:{port.free_port()}", api_key=API_KEY, to="ops@example.com", timeout=1.0
    )
    begun = time.monotonic()
    with logger(handler) as log:
        for number in range(1000):
            log.error("order %s failed", number)
    assert time.monotonic() - begun < 3
    assert capsys.readouterr().err.count("--- Logging error ---") == 1
