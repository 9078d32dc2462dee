"""The two ways of sending one small mail through a sandbox."""

from __future__ import annotations

import requests

from sandbox.process import Process


def send(session: requests.Session, box: Process, provider: str = "sendgrid", **fields: object) -> requests.Response:
    """Send one small mail; `fields` change SendGrid's payload or Mailgun's form."""
    if provider == "mailgun":
        return session.post(
            f"{box.mailgun}/v3/sandbox.example/messages",
            auth=("api", "key-sandbox"),
            data={"from": "shop@example.org", "to": "ada@example.com", "subject": "Hello", "text": "Hi", **fields},
            timeout=10,
        )
    return session.post(
        f"{box.sendgrid}/v3/mail/send",
        headers={"Authorization": "Bearer SG.sandbox", "X-Request-ID": "r-1"},
        json={
            "personalizations": [{"to": [{"email": "ada@example.com"}]}],
            "from": {"email": "shop@example.org"},
            "subject": "Hello",
            "content": [{"type": "text/plain", "value": "Hi"}],
            **fields,
        },
        timeout=10,
    )
