"""The sandbox's control API, for tests: what arrived, and who is to fail."""

from __future__ import annotations

from typing import Any, ClassVar

import requests


class Sandbox:
    """A running sandbox on `port` of three loopback addresses: its own, SendGrid's and Mailgun's."""

    KEYS: ClassVar[dict[str, str]] = {
        "SENDGRID_API_KEY": "SG.integration-test-key",
        "MAILGUN_API_KEY": "key-integration-test",
        "MAILGUN_DOMAIN": "sandbox.example",
    }

    def __init__(self, port: int) -> None:
        self.url = f"http://127.0.0.1:{port}"
        self.settings = {
            **self.KEYS,
            "MAILER_SENDGRID_URL": f"http://127.0.0.2:{port}",
            "MAILER_MAILGUN_URL": f"http://127.0.0.3:{port}",
        }

    def reset(self) -> None:
        """Switch every fault off and empty the inbox."""
        self._call("DELETE", "/api/faults")
        self._call("DELETE", "/api/mails")

    def fail(self, provider: str, **fault: Any) -> None:
        """Switch a fault on: `status=401`, `mode="hang"`, `times=2`, ..."""
        self._call("PUT", f"/api/faults/{provider}", json=fault)

    def heal(self, provider: str) -> None:
        """Switch it off."""
        self._call("DELETE", f"/api/faults/{provider}")

    def mails(self, **filters: Any) -> list[dict[str, Any]]:
        """Return what arrived, newest first."""
        found: list[dict[str, Any]] = self._call("GET", "/api/mails", params={"limit": 1000, **filters})["mails"]
        return found

    def copies(self, envelope_id: str) -> list[str]:
        """Return who took this envelope in, oldest first."""
        return [mail["provider"] for mail in reversed(self.mails(envelope_id=envelope_id))]

    def _call(self, method: str, path: str, **options: Any) -> Any:
        answer = requests.request(method, self.url + path, timeout=10, **options)
        answer.raise_for_status()
        return answer.json() if answer.content else None
