"""One example of each model; tests/unit/api/test_openapi.py holds each against its model."""

from __future__ import annotations

from typing import Any

import pydantic

from api.spreadsheet import Csv
from mailer import feed, request, resource
from mailer.address import Address
from mailer.attachment import Attachment
from mailer.message import Message

_ID = "01a20d7c-2b6c-75cf-b28a-45e8b4c61489"
_REQUEST = "shop-4711"
_AT = "2026-11-24T12:17:52.001Z"
_DONE = "2026-11-24T12:17:52.120Z"
_EXPIRY = "2026-11-25T12:17:52.001Z"
# Far from now: an example is a request that can be sent.
_LATER = "2030-01-01T09:00:00+01:00"

_BOB = {"email": "bob@example.com", "name": "Bob"}
_FILE = {"filename": "invoice.txt", "content_type": "text/plain", "content": "VGhhbmsgeW91Lg=="}
_MESSAGE = {
    "from": {"email": "shop@example.com", "name": "Shop"},
    "to": [_BOB],
    "subject": "Your invoice",
    "text": "Thank you.",
    "html": "<p>Thank you.</p>",
    "attachments": [_FILE],
    "tags": ["invoice"],
    "metadata": {"order": "4711"},
}
_RECIPIENT = {"email": "bob@example.com", "role": "to", "status": "accepted", "reason": None}
_ATTEMPT = {
    "provider": "sendgrid",
    "started_at": _AT,
    "duration_ms": 84,
    "status_code": 202,
    "outcome": "accepted",
    "provider_message_id": "14c5d75ce93.dfd.64b469",
    "error": None,
    "possible_duplicate": False,
}
_BOTH = {
    "id": _ID,
    "status": "accepted",
    "reason": None,
    "lane": "transactional",
    "test": False,
    "request_id": _REQUEST,
    "created_at": _AT,
    "updated_at": _DONE,
    "send_at": None,
    "recipients": [_RECIPIENT],
}
_STATE = _BOTH | {
    "stream": "transactional",
    "ignore_suppressions": False,
    "on_unknown": "failover",
    "expires_at": _EXPIRY,
    "next_attempt_at": None,
    "possible_duplicate": False,
    "possible_duplicates": 0,
    "tags": ["invoice"],
    "metadata": {"order": "4711"},
    "attempts": [_ATTEMPT],
}
_SUMMARY = _BOTH | {"provider": "sendgrid", "recipient_count": 1}
_ACCEPTED = {"id": _ID, "status": "queued"}
_EVENT = {"at": _AT, "type": "accepted", "detail": "by sendgrid"}
_WRONG = {"pointer": "/to/1", "code": "address", "detail": "is not a valid email address"}
_PROBLEM = {
    "type": "https://mail.example.com/problems/invalid-message",
    "title": "The message is not valid",
    "status": 422,
    "request_id": _REQUEST,
    "errors": [_WRONG],
}
_KEY = {
    "id": "01a20d7c-9d3f-7a51-8c1e-2f6a1c9e4b11",
    "name": "shop",
    "project": "default",
    "prefix": "mk_live_4f9a",
    "test": False,
    "scopes": ["send", "read"],
    "from_domains": ["example.com"],
    "networks": ["10.0.0.0/8"],
    "rate": "600/minute",
    "created_at": _AT,
    "expires_at": None,
    "revoked_at": None,
    "last_used_at": _DONE,
}
_SUPPRESSION = {
    "id": "01a20d7c-7c11-7d02-a3f0-5b7a2f6a1c9e",
    "email": "eve@example.com",
    "reason": "unsubscribed",
    "stream": "news",
    "source": "sendgrid",
    "detail": "",
    "created_at": _AT,
}

_TOLD = {
    "id": "01a20d7c-3c1e-7f00-9a55-0c9d2b7f8e10",
    "sequence": 4711,
    "type": "bounced",
    "occurred_at": _DONE,
    "message_id": _ID,
    "recipient": "bob@example.com",
    "provider": "sendgrid",
    "permanent": True,
    "bounce_class": "unknown_user",
    "machine": False,
    "detail": "550 5.1.1 no such user",
    "url": None,
    "request_id": _REQUEST,
    "tags": ["invoice"],
    "metadata": {"order": "4711"},
}
_ENDPOINT = {
    "id": "01a20d7c-7b21-7d8c-a6f4-51d0c2e9b733",
    "url": "https://app.example.com/mail-events",
    "description": "orders",
    "types": ["bounced", "delivered"],
    "per_message": False,
    "test": False,
    "enabled": True,
    "disabled_at": None,
    "disabled_reason": None,
    "failures": 0,
    "failing_since": None,
    "rest_until": None,
    "succeeded_at": _DONE,
    "created_at": _AT,
}
_SECRET = {"secret": "whsec_bm90IGEgc2VjcmV0LCBidXQgYW4gZXhhbXBsZSE=", "created_at": _AT, "expires_at": None}
_TRIED = {"at": _DONE, "duration_ms": 48, "status_code": 200, "error": None, "excerpt": "ok"}
_CALLBACK = {
    "id": "01a20d7c-8e02-7b19-bb1f-9f0c7d6a2e55",
    "event_id": _TOLD["id"],
    "sequence": 4711,
    "type": "bounced",
    "status": "delivered",
    "attempts": 1,
    "created_at": _DONE,
    "next_at": None,
    "done_at": _DONE,
    "last": _TRIED,
}

EXAMPLES: dict[type[pydantic.BaseModel], Any] = {
    Address: _BOB,
    Attachment: _FILE,
    Message: _MESSAGE,
    resource.Accepted: _ACCEPTED,
    resource.RecipientState: _RECIPIENT,
    resource.AttemptState: _ATTEMPT,
    resource.MessageSummary: _SUMMARY,
    resource.MessageState: _STATE,
    resource.MessagePage: {"messages": [_SUMMARY], "next_cursor": None},
    resource.AttemptList: {"attempts": [_ATTEMPT]},
    resource.Event: _EVENT,
    resource.EventList: {"events": [_EVENT]},
    resource.ProblemError: _WRONG,
    resource.Problem: _PROBLEM,
    resource.BulkResult: {"status": 202, "id": _ID, "problem": None},
    resource.BulkAnswer: {
        "results": [
            {"status": 202, "id": _ID, "problem": None},
            {"status": 422, "id": None, "problem": _PROBLEM | {"detail": None}},
        ]
    },
    request.BulkRequest: {"messages": [_MESSAGE, _MESSAGE | {"to": "eve@example.com", "lane": "bulk"}]},
    request.ScheduleChange: {"send_at": _LATER},
    request.KeyRequest: {
        "name": "shop",
        "scopes": ["send", "read"],
        "from_domains": ["example.com"],
        "networks": ["10.0.0.0/8"],
        "rate": "600/minute",
    },
    feed.FeedEvent: _TOLD,
    feed.FeedPage: {"events": [_TOLD], "after": 4711, "more": False},
    feed.EventStream: 'id: 4711\nevent: bounced\ndata: {"type": "bounced", "sequence": 4711}\n\n',
    feed.EndpointState: _ENDPOINT,
    feed.EndpointList: {"endpoints": [_ENDPOINT]},
    feed.EndpointSecret: _SECRET,
    feed.EndpointSecrets: {"secrets": [_SECRET]},
    feed.CallbackAttempt: _TRIED,
    feed.CallbackState: _CALLBACK,
    feed.CallbackPage: {"callbacks": [_CALLBACK], "next_cursor": None},
    feed.CallbackLog: {"attempts": [_TRIED]},
    feed.Replayed: {"replayed": 1},
    request.EndpointRequest: {"url": "https://app.example.com/mail-events", "types": ["bounced", "delivered"]},
    request.EndpointChange: {"enabled": True},
    request.ReplayRequest: {"since": "2026-11-24T00:00:00Z", "until": "2026-11-25T00:00:00Z"},
    resource.KeyState: _KEY,
    resource.KeyCreated: _KEY | {"key": "mk_live_4f9a_kept_by_you_alone"},
    resource.KeyList: {"keys": [_KEY]},
    request.SuppressionRequest: {"email": "eve@example.com", "reason": "unsubscribed", "stream": "news"},
    resource.SuppressionState: _SUPPRESSION,
    resource.SuppressionPage: {"suppressions": [_SUPPRESSION], "next_cursor": None},
    resource.SuppressionsAdded: {"lines": 2, "added": 1},
    Csv: "email,stream,reason\r\neve@example.com,news,unsubscribed\r\ndan@example.com,,manual\r\n",
    resource.Health: {"status": "ok"},
    resource.Readiness: {"status": "ok", "database": "ok", "broker": "ok"},
}
