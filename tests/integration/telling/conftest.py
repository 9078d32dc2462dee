"""A sandbox that tells, by its own signed webhooks, what became of mails."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from sandbox import webhook_key
from sandbox.process import Process as Sandbox
from tests.integration.conftest import PROVIDER_KEYS

MAILGUN_KEY = "key-webhooks-of-this-test"


@pytest.fixture
def sandbox(tmp_path: Path, api_port: int) -> Iterator[Sandbox]:
    """Give a sandbox that sends its webhooks to the API of this test."""
    telling = {"MAILER_SANDBOX_WEBHOOKS": f"http://127.0.0.1:{api_port}", "MAILGUN_WEBHOOK_KEY": MAILGUN_KEY}
    with Sandbox(tmp_path / "provider", environment={**PROVIDER_KEYS, **telling}) as running:
        yield running


@pytest.fixture
def environment(environment: dict[str, str], tmp_path: Path) -> dict[str, str]:
    """Give the system's environment with the keys of both providers' webhooks."""
    public = webhook_key.sendgrid_public(tmp_path / "provider" / "sandbox")
    return {
        **environment,
        "SENDGRID_WEBHOOK_KEY": public,
        "MAILGUN_WEBHOOK_KEY": MAILGUN_KEY,
        "MAILER_CALLBACK_TIMEOUT": "2",
        "MAILER_RECONCILE_INTERVAL": "2",
    }


@pytest.fixture
def database_url(postgres_url: str) -> str:
    """Give PostgreSQL only: what is told on SQLite is seen by `make run` (tests/e2e)."""
    return postgres_url
