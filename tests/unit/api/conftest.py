"""The API as a process of its own would make it: real database, a broker that is a folder."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import flask
import pytest
from flask.testing import FlaskClient
from werkzeug.serving import make_server
from werkzeug.test import TestResponse

from api import create_app
from mailer import bootstrap
from mailer.request import KeyRequest
from mailer.resource import Scope
from mailer.settings import Settings
from tests.factories import fields

KEY = {"Authorization": "Bearer the-key"}

_PARTS = (
    *(bootstrap.settings, bootstrap.store, bootstrap.service),
    *(bootstrap.intake, bootstrap.keyring, bootstrap.hearing, bootstrap.blocklist),
    *(bootstrap.endpoints, bootstrap.caller),
)


@pytest.fixture
def api_database(sqlite_url: str) -> str:
    """Give the database; a module whose queries are worth it asks for both kinds."""
    return sqlite_url


@pytest.fixture
def app(tmp_path: Path, api_database: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[flask.Flask]:
    """Give the API."""
    for folder in ("messages", "control"):
        (tmp_path / folder).mkdir()
    for name, value in {
        "DATABASE_URL": api_database, "CELERY_BROKER_URL": "filesystem://", "MAILER_BROKER_DIR": str(tmp_path),
        "MAILER_API_KEY": "the-key", "SENDGRID_API_KEY": "SG.k", "MAILER_MAX_BODY_BYTES": "1000000",
        "MAILER_STREAM_SECONDS": "1", "MAILER_CALLBACK_LOCALHOST": "1",
    }.items():  # fmt: skip
        monkeypatch.setenv(name, value)
    for part in _PARTS:
        part.cache_clear()
    yield create_app(Settings.load())
    bootstrap.store().database.close()
    for part in _PARTS:
        part.cache_clear()


@pytest.fixture
def client(app: flask.Flask) -> FlaskClient:
    """Give a client of it."""
    return app.test_client()


@pytest.fixture
def make_key(app: flask.Flask) -> Callable[..., dict[str, str]]:
    """Give a way to make keys: it returns the header that carries one."""

    def make(*scopes: Scope, project: str = "default", **asked: Any) -> dict[str, str]:
        keyring = bootstrap.keyring()
        keyring.add_project(project, from_domains=())
        wanted = KeyRequest.model_validate({"name": "k", "scopes": scopes or (Scope.ADMIN,), **asked})
        key, token = keyring.make(wanted, project_id=project)
        keyring.add(key)
        return {"Authorization": f"Bearer {token}"}

    return make


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


def post(client: FlaskClient, body: Any = None, *, path: str = "/v1/messages", **options: Any) -> TestResponse:
    """POST a message, or whatever else."""
    options.setdefault("headers", KEY)
    data = body if isinstance(body, str | bytes) else json.dumps(fields() if body is None else body)
    return client.post(path, data=data, content_type=options.pop("content_type", "application/json"), **options)


def said(answer: TestResponse) -> Any:
    """Return the JSON of an answer."""
    assert answer.json is not None, answer.text
    return answer.json
