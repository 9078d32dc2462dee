"""The first email: through the API as anybody else's, until its status says that the provider has it."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from dataclasses import dataclass

from deploy.answer import ask
from deploy.local import process
from deploy.local.error import LocalError
from deploy.place import Place

RECIPIENT = "you@example.com"
SUBJECT = "It works"
TEXT = "This email went all the way: API, database, broker, worker, provider.\n"
HTML = "<h1>It works</h1><p>This email went all the way: API, database, broker, worker, provider.</p>"
INTERVAL = 0.1


@dataclass(frozen=True, kw_only=True)
class FirstEmail:
    """Sends one through the API of `place`."""

    place: Place
    api_key: str

    def send(self) -> str:
        """Its id. Raises LocalError if the API does not take it."""
        fields = {"to": RECIPIENT, "subject": SUBJECT, "text": TEXT, "html": HTML}
        answer = ask(self.place.port, "/v1/messages", body=fields, headers=self._login())
        if answer.status != 202:
            raise LocalError(f"the API did not take the first email: {answer}")
        return str(answer.json()["id"])

    def wait(self, message: str, *, timeout: float, meanwhile: Callable[[], None]) -> None:
        """Returns when it is accepted. Raises LocalError with its status and attempts."""
        deadline = time.monotonic() + timeout
        while True:
            answer = ask(self.place.port, f"/v1/messages/{message}", headers=self._login())
            state = answer.json()
            if state.get("status") == "accepted":
                return
            meanwhile()
            if time.monotonic() > deadline or state.get("status") in ("failed", "expired", "canceled"):
                raise LocalError(self._complaint(message, str(state.get("status") or answer), state.get("attempts")))
            time.sleep(INTERVAL)

    def _complaint(self, message: str, status: str, attempts: object) -> str:
        log = self.place.logs / "worker.log"
        tried = json.dumps(attempts or [])
        return f"the first email {message} is {status}, attempts: {tried}\nthe end of {log}:\n{process.tail(log)}"

    def _login(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.api_key}"}
