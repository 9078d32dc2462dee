"""`Idempotency-Key`: the name that an application gives to one request, so that sending it again is safe."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable

import flask

from api import auth, state
from mailer.errors import Invalid, MailerError, Problem, StoreUnavailable
from mailer.ledger import Answer, Once

HEADER = "Idempotency-Key"
LONGEST = 255
_FORM = re.compile(rf"[\x21-\x7e]{{1,{LONGEST}}}")


def asked(body: object = None, *, also: str = "") -> Once | None:
    """Return what names this request; None if nothing does.

    Args:
        body: what it brings; the same body in another order of fields is the same.
        also: what else makes it another request.
    """
    given = flask.request.headers.get(HEADER)
    if given is None:
        return None
    # The draft writes a quoted string, and most applications a bare one: both name the same.
    key = given[1:-1] if len(given) > 2 and given[0] == given[-1] == '"' else given
    if not _FORM.fullmatch(key):
        why = f"must be 1 to {LONGEST} visible ASCII characters"
        raise Invalid((Problem(HEADER, why, "idempotency_key"),))
    what = json.dumps([flask.request.method, flask.request.path, also, body], sort_keys=True, separators=(",", ":"))
    return Once(
        project_id=auth.key().project_id,
        test=auth.key().test,
        key=key,
        fingerprint=hashlib.sha256(what.encode("utf-8", "surrogatepass")).hexdigest(),
        now=state.current().intake.now(),
    )


def held(asked: Once | None, do: Callable[[], Answer]) -> Answer:
    """Return what `do` answers; where it refuses, the answer that was given to the same request before, if one was.

    What was accepted stays accepted, though its time may have passed since, or too much may wait by now.
    """
    try:
        return do()
    except StoreUnavailable:
        raise
    except MailerError:
        kept = state.current().intake.kept(asked)
        if kept is None:
            raise
        return kept


def answered(answer: Answer) -> flask.Response:
    """Return an answer, and whether it is that of an earlier time."""
    response = flask.jsonify(answer.body)
    response.status_code = answer.status
    if answer.replayed:
        response.headers["Idempotency-Replayed"] = "true"
    return response
