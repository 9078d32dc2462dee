"""Bodies as the service answers them."""

from __future__ import annotations

from typing import Any

from tests.unit.client.scripted import ID

TIME = "2026-11-24T12:17:52.001Z"

ATTEMPT: dict[str, Any] = {
    "provider": "sendgrid", "started_at": TIME, "duration_ms": 84, "status_code": 202, "outcome": "accepted",
    "provider_message_id": "x", "error": None, "possible_duplicate": False,
}  # fmt: skip

KEY: dict[str, Any] = {
    "id": ID, "name": "shop", "project": "default", "prefix": "mk_1234", "test": False, "scopes": ["send"],
    "from_domains": [], "networks": ["10.0.0.0/8"], "rate": None, "created_at": TIME, "expires_at": None,
    "revoked_at": None, "last_used_at": None,
}  # fmt: skip


def state(status: str = "accepted", **changed: Any) -> dict[str, Any]:
    """Return the body of GET /v1/messages/{id}, with a field of a service that is newer than the client."""
    return {
        "id": ID, "status": status, "reason": None, "lane": "transactional", "stream": "transactional",
        "ignore_suppressions": False, "on_unknown": "failover", "test": False,
        "request_id": "req-1", "created_at": TIME, "updated_at": TIME, "send_at": None, "expires_at": TIME,
        "next_attempt_at": None, "possible_duplicate": False, "possible_duplicates": 0, "tags": ["a"], "metadata": {},
        "recipients": [{"email": "bob@example.com", "role": "to", "status": "accepted"}], "attempts": [ATTEMPT],
        "newer": 1, **changed,
    }  # fmt: skip


def summary(id: str) -> dict[str, Any]:
    """Return a message of a list."""
    return {
        "id": id, "status": "queued", "reason": None, "lane": "bulk", "test": False, "request_id": "r",
        "created_at": TIME, "updated_at": TIME, "send_at": None, "provider": None, "recipients": [],
        "recipient_count": 0,
    }  # fmt: skip
