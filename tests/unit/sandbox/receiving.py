"""A receiver of webhooks, and how to tell with code of nobody's that they are signed."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Self, cast

from cryptography.hazmat.primitives.asymmetric.ec import ECDSA, EllipticCurvePublicKey
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import load_der_public_key

MAILGUN_KEY = "key-webhooks"


@dataclass(frozen=True)
class Told:
    """One POST, and how it was answered."""

    path: str
    headers: dict[str, str]
    body: bytes
    status: int

    @property
    def events(self) -> list[dict[str, Any]]:
        data = json.loads(self.body)
        return data if isinstance(data, list) else [data["event-data"]]


class Receiver:
    """An HTTP server that keeps what it is told; `answers` are given first, 204 ever after."""

    def __init__(self, port: int = 0, answers: Sequence[int] = ()) -> None:
        self._answers = list(answers)
        self._lock = threading.Lock()
        self.told: list[Told] = []
        self._server = _Server(("127.0.0.1", port), _Handler)
        self._server.receiver = self
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()

    def take(self, path: str, headers: dict[str, str], body: bytes) -> int:
        with self._lock:
            status = self._answers.pop(0) if self._answers else 204
            self.told.append(Told(path, headers, body, status))
        return status

    def events(self, provider: str, to: str) -> list[dict[str, Any]]:
        """Return what was told, and taken, of one recipient, in the order in which it came."""
        taken = [told for told in self.told if told.path == f"/webhooks/{provider}" and told.status < 300]
        return [event for told in taken for event in told.events if to in (_to(event), event.get("email"))]

    def words(self, provider: str, to: str) -> list[str]:
        return [event["event"] for event in self.events(provider, to)]

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()


def _to(event: dict[str, Any]) -> str | None:
    found: str | None = event.get("recipient") or event.get("message", {}).get("headers", {}).get("to")
    return found


class _Server(ThreadingHTTPServer):
    receiver: Receiver
    allow_reuse_address = True


class _Handler(BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        headers = {name.lower(): value for name, value in self.headers.items()}
        self.send_response(cast(_Server, self.server).receiver.take(self.path, headers, body))
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""


def eventually(check: Callable[[], bool], seconds: float = 10) -> None:
    deadline = time.monotonic() + seconds
    while not check():
        assert time.monotonic() < deadline, "it did not come to that"
        time.sleep(0.02)


def verify_sendgrid(told: Told, public_key: str) -> None:
    """Raise InvalidSignature unless time and raw body are signed."""
    key = cast(EllipticCurvePublicKey, load_der_public_key(base64.b64decode(public_key)))
    signature = base64.b64decode(told.headers["x-twilio-email-event-webhook-signature"])
    timestamp = told.headers["x-twilio-email-event-webhook-timestamp"]
    key.verify(signature, timestamp.encode() + told.body, ECDSA(SHA256()))
    assert abs(int(timestamp) - time.time()) < 60


def verify_mailgun(told: Told) -> str:
    """Return the token, which is signed with the time."""
    signed = json.loads(told.body)["signature"]
    data = (signed["timestamp"] + signed["token"]).encode()
    assert hmac.new(MAILGUN_KEY.encode(), data, hashlib.sha256).hexdigest() == signed["signature"]
    assert abs(int(signed["timestamp"]) - time.time()) < 60
    return cast(str, signed["token"])


def public_key(directory: Path) -> str:
    """Return SendGrid's verification key, worked out from the key pair in the sandbox's folder."""
    from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_private_key

    pair = load_pem_private_key((directory / "sandbox" / "sendgrid_webhook_key.pem").read_bytes(), None)
    der = pair.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return base64.b64encode(der).decode()
