"""Every kind of problem that the HTTP API answers with (RFC 9457): one table for the API, its pages and the clients."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class ProblemType:
    """One kind of problem.

    Attributes:
        slug: the last part of its URI, `/problems/{slug}`; never changes.
        status: HTTP status.
        title: the same each time it occurs.
        cure: what the caller does about it.
    """

    slug: str
    status: int
    title: str
    cure: str


_ALL = (
    ProblemType(
        slug="not-json", status=400, title="The body is not a JSON object",
        cure="Send one JSON object in UTF-8: no key twice, no lone surrogates, not nested out of reason.",
    ),
    ProblemType(
        slug="bad-request", status=400, title="The request cannot be understood",
        cure="The detail says what is wrong with it.",
    ),
    ProblemType(
        slug="unauthorized", status=401, title="A valid API key is required",
        cure="Send `Authorization: Bearer KEY` with a key that is neither revoked nor expired.",
    ),
    ProblemType(
        slug="invalid-signature", status=401, title="The webhook is not signed by its provider, or not lately",
        cure="Set the provider's key for webhooks (docs/settings.md), and let only the provider call this address.",
    ),
    ProblemType(
        slug="missing-scope", status=403, title="The key may not do this",
        cure="Use a key that has the scope named in `scope`, or have one made with it.",
    ),
    ProblemType(
        slug="network-not-allowed", status=403, title="The key may not be used from this address",
        cure="Call from one of the key's networks. Behind a proxy of yours, set MAILER_TRUSTED_PROXIES at the service.",
    ),
    ProblemType(
        slug="from-not-allowed", status=403, title="The key may not send from this domain",
        cure="Send from one of the domains that the key, or its project, is allowed.",
    ),
    ProblemType(
        slug="not-found", status=404, title="There is nothing here",
        cure="The path is wrong, or the id belongs to nothing in the project of this key.",
    ),
    ProblemType(
        slug="method-not-allowed", status=405, title="This method is not allowed here",
        cure="Use one of the methods in the `Allow` header.",
    ),
    ProblemType(
        slug="too-late", status=409, title="It is too late for that",
        cure="The message is being sent, or has been, or nobody knows; `state` says which. Nothing was changed.",
    ),
    ProblemType(
        slug="idempotency-key-in-use", status=409, title="A request with this Idempotency-Key is still running",
        cure="Send the same again after `Retry-After` seconds; the answer will be the first one's.",
    ),
    ProblemType(
        slug="precondition-failed", status=412, title="It has changed since you looked",
        cure="GET it again, decide again, and send the new `ETag` in `If-Match`.",
    ),
    ProblemType(
        slug="too-large", status=413, title="The body is too large",
        cure="Send less at once. A message may have 25 MB, counted as JSON with base64.",
    ),
    ProblemType(
        slug="unsupported-media-type", status=415, title="The body is of a type that is not taken here",
        cure="Send `Content-Type: application/json` (`text/csv` for CSV), in UTF-8, and no `Content-Encoding`.",
    ),
    ProblemType(
        slug="invalid-message", status=422, title="The message is not valid",
        cure="`errors` names every wrong field with a JSON pointer into what was sent. Nothing was stored.",
    ),
    ProblemType(
        slug="invalid-request", status=422, title="The request is not valid",
        cure="`errors` names every wrong field or parameter.",
    ),
    ProblemType(
        slug="too-broad", status=422, title="The conditions leave too much to look through",
        cure="Narrow the list with `since` and `until`, or with a condition that fewer messages meet.",
    ),
    ProblemType(
        slug="idempotency-key-reused", status=422, title="This Idempotency-Key was used for another request",
        cure="A key names one request for 24 hours. Use a new one for a new request.",
    ),
    ProblemType(
        slug="rate-limited", status=429, title="Too many requests",
        cure="Wait `Retry-After` seconds. `RateLimit-Policy` and `RateLimit` say what is allowed and what is left.",
    ),
    ProblemType(
        slug="internal-error", status=500, title="Something went wrong here; it has been reported",
        cure="Send the same again with the same Idempotency-Key; if it lasts, tell the operator the request id.",
    ),
    ProblemType(
        slug="unavailable", status=503, title="The database is not available; nothing was stored",
        cure="Send the same again after `Retry-After` seconds.",
    ),
    ProblemType(
        slug="uncertain", status=503, title="The database did not confirm; the message may have been stored",
        cure="Send the same again with the same Idempotency-Key, or ask `Location`: 404 means that it was not stored.",
    ),
    ProblemType(
        slug="busy", status=503, title="Too many lists are asked for at once",
        cure="Send the same again after `Retry-After` seconds.",
    ),
    ProblemType(
        slug="backlog", status=503, title="Too much is waiting to be sent already",
        cure="Send the same again after `Retry-After` seconds. Bulk traffic is refused first, transactional mail last.",
    ),
)  # fmt: skip

PROBLEM_TYPES: dict[str, ProblemType] = {kind.slug: kind for kind in _ALL}
