"""The API as a process of its own would make it: a real database, a broker that is a folder."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path

import flask
import pytest
from flask.testing import FlaskClient
from werkzeug.serving import make_server

from api import create_app
from mailer import bootstrap
from mailer.settings import Settings

KEY = {"Authorization": "Bearer the-key"}


@pytest.fixture
def app(tmp_path: Path, sqlite_url: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[flask.Flask]:
    """Give the API as a process of its own would make it."""
    for folder in ("messages", "control"):
        (tmp_path / folder).mkdir()
    for name, value in {
        "DATABASE_URL": sqlite_url, "CELERY_BROKER_URL": "filesystem://", "MAILER_BROKER_DIR": str(tmp_path),
        "MAILER_API_KEY": "the-key", "SENDGRID_API_KEY": "SG.k", "MAILER_MAX_BODY_BYTES": "1000000",
    }.items():  # fmt: skip
        monkeypatch.setenv(name, value)
    parts = (bootstrap.settings, bootstrap.store, bootstrap.service)
    for part in parts:
        part.cache_clear()
    yield create_app(Settings.load())
    bootstrap.store().database.close()
    for part in parts:
        part.cache_clear()


@pytest.fixture
def client(app: flask.Flask) -> FlaskClient:
    """Give a client of it."""
    return app.test_client()


@pytest.fixture
def url(app: flask.Flask) -> Iterator[str]:
    """Give the address of the API, served to whoever needs a socket."""
    server = make_server("127.0.0.1", 0, app, threaded=True)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()
