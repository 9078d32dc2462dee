"""The request id goes with a task, into the tasks it starts, and stays behind when it ends."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from celery import signals

from mailer import bootstrap, ids, request_id
from mailer.settings import SEND_TASK
from mailer.step import Finished
from tasks import app


@pytest.fixture(autouse=True)
def _clean() -> Iterator[None]:
    yield
    request_id.enter(None)


# Celery's own `apply` still touches a property that Celery deprecates.
@pytest.mark.filterwarnings("ignore::celery.exceptions.CPendingDeprecationWarning")
def test_a_task_works_under_the_id_of_its_request_and_leaves_it_behind(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[str | None] = []

    class Service:
        def deliver(self, _: str) -> Finished:
            seen.append(request_id.current())
            return Finished("accepted")

    monkeypatch.setattr(bootstrap, "service", Service)
    app.loader.import_default_modules()
    id = ids.new()
    app.tasks[SEND_TASK].apply(kwargs={"id": id}, task_id=id, headers={"x-request-id": "req-1"})
    assert seen == ["req-1"]
    assert request_id.current() is None, "the next task of this thread is another request"


def test_a_task_that_a_task_starts_inherits_the_id_and_one_that_has_an_id_keeps_it() -> None:
    request_id.enter("req-2")
    bare: dict[str, Any] = {}
    own: dict[str, Any] = {"x-request-id": "own"}
    for headers in (bare, own):
        signals.before_task_publish.send(sender="tasks.any", headers=headers)
    assert (bare["x-request-id"], own["x-request-id"]) == ("req-2", "own")
