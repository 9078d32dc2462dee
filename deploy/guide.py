"""What `make run` prints when all is up: where to look, and lines to paste into another terminal."""

from __future__ import annotations

import json
import shlex
import sys
from pathlib import Path

from deploy.place import ROOT, Place

FIELDS = {"to": "you@example.com", "subject": "Hello", "text": "Sent by curl."}
DELAY = 'from mailer import send_email; print(send_email.delay(to="you@example.com", subject="Hello", text="Hi").id)'


def where(place: Place, *, sandbox: bool) -> str:
    """Addresses and files."""
    inbox = [("inbox", f"http://127.0.0.1:{place.sandbox_port}/")] if sandbox else []
    rows = [
        *inbox,
        ("Flower", f"http://127.0.0.1:{place.flower_port}/"),
        ("API", place.api),
        ("logs", f"{place.logs}/"),
    ]
    return "\n".join(f"{name:<9} {value}" for name, value in rows)


def curl(place: Place) -> str:
    """A line that sends an email when pasted; reads the key from its file, so that it is never shown."""
    key = shlex.quote(str(place.var / "api_key"))
    return (
        f'curl -sS {place.api}/v1/messages -H "Authorization: Bearer $(cat {key})"'
        f" -H 'Content-Type: application/json' -d {shlex.quote(json.dumps(FIELDS))}"
    )


def show(place: Place, message: str) -> str:
    """A line that shows what is known about a message when pasted."""
    key = shlex.quote(str(place.var / "api_key"))
    return f'curl -sS {place.api}/v1/messages/{message} -H "Authorization: Bearer $(cat {key})"'


def python(place: Place) -> str:
    """A line that sends an email from Python when pasted."""
    return f"{_environment(place)} && {_interpreter()} -c {shlex.quote(DELAY)}"


def command(place: Place) -> str:
    """The line that sends a real email: it is never sent for you."""
    return f"{_environment(place)} && {_interpreter()} -m mailer send --to you@your-domain.example"


def _environment(place: Place) -> str:
    return f"cd {shlex.quote(str(ROOT))} && set -a && . {shlex.quote(str(place.var / 'env'))} && set +a"


def _interpreter() -> str:
    own = Path(sys.executable)
    return shlex.quote(str(own.relative_to(ROOT) if own.is_relative_to(ROOT) else own))
