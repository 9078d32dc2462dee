"""Is it ready: the API, Flower and the workers, asked until all of them say yes."""

from __future__ import annotations

import base64
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from deploy.answer import Answer, ask
from deploy.local import process
from deploy.local.error import DidNotStartError
from deploy.place import Place

INTERVAL = 0.1


@dataclass(frozen=True, kw_only=True)
class Part:
    """One part of the system.

    Attributes:
        log: the program whose log tells more.
        missing: what is missing now, empty when it is ready.
    """

    name: str
    log: str
    missing: Callable[[], str]


def parts(place: Place, *, sandbox: bool, workers: tuple[str, ...], environ: Mapping[str, str]) -> list[Part]:
    """The sandbox if there is one, API, Flower, and each worker as Flower knows it."""
    login = _login(environ)
    prefix = environ.get("FLOWER_URL_PREFIX", "").strip("/")
    flower = f"/{prefix}" if prefix else ""

    def worker(name: str) -> Part:
        return Part(
            name=f"worker {name}",
            log="bulk" if name == "bulk" else "worker",
            missing=lambda: _worker_missing(
                name, ask(place.flower_port, f"{flower}/api/workers?status=true", headers=login)
            ),
        )

    stand_in = Part(name="sandbox", log="sandbox", missing=lambda: _missing(ask(place.sandbox_port, "/")))
    return [
        *([stand_in] if sandbox else []),
        Part(name="API", log="web", missing=lambda: _missing(ask(place.port, "/readyz"))),
        Part(name="Flower", log="flower", missing=lambda: _missing(ask(place.flower_port, f"{flower}/healthcheck"))),
        *map(worker, workers),
    ]


def wait(wanted: list[Part], place: Place, *, timeout: float, meanwhile: Callable[[], None]) -> None:
    """Returns when every part is ready. Raises DidNotStartError: who is not, and the tail of the log."""
    deadline = time.monotonic() + timeout
    for part in wanted:
        while missing := part.missing():
            meanwhile()
            if time.monotonic() > deadline:
                log = place.logs / f"{part.log}.log"
                raise DidNotStartError(
                    f"{part.name} is not ready after {timeout:g} s: {missing}\nthe end of {log}:\n{process.tail(log)}"
                )
            time.sleep(INTERVAL)


def _missing(answer: Answer) -> str:
    return "" if answer.ok else str(answer)


def _worker_missing(name: str, answer: Answer) -> str:
    if answer.status in (401, 403):
        return ""  # Flower has a login of its own that we do not know; then the first email speaks for the worker
    known = answer.json() if answer.ok else {}
    alive = any(up and worker.startswith(f"{name}@") for worker, up in known.items())
    return "" if alive else f"Flower does not see it ({answer})"


def _login(environ: Mapping[str, str]) -> dict[str, str]:
    """The first of FLOWER_BASIC_AUTH's logins."""
    first = environ.get("FLOWER_BASIC_AUTH", "").split(",")[0]
    return {"Authorization": f"Basic {base64.b64encode(first.encode()).decode()}"} if first else {}
