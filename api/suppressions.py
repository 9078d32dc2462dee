"""`/v1/suppressions`: whom nobody mails, and why. Found, listed, added, lifted; as CSV in and out."""

from __future__ import annotations

import hashlib
from itertools import chain

import flask

from api import auth, body, cursor, once, paging, parameters, schemas, spreadsheet, state
from api.errors import NotFound
from api.operation import operation
from api.spreadsheet import Csv
from mailer.ledger import Answer
from mailer.problem import parsed
from mailer.request import SuppressionQuery, SuppressionRequest
from mailer.resource import Scope, SuppressionPage, SuppressionsAdded, SuppressionState, plain
from mailer.suppression import Suppression
from mailer.view import SuppressionSelection

blueprint = flask.Blueprint("suppressions", __name__, url_prefix="/v1")


@blueprint.get("/suppressions")
@operation(scope=Scope.READ, query=SuppressionQuery, answers={200: SuppressionPage}, problems=("too-broad",))
def listed() -> flask.Response:
    """List suppressions, the newest first; find those of an address, or of a whole domain.

    A walk from page to page sees every one that was there all the time once.
    """
    query = parameters.parsed(SuppressionQuery)
    wanted = SuppressionSelection.matching(
        query.email, **auth.world(), reason=query.reason, stream=query.stream,
        # One more, to see whether there is another page.
        after=cursor.read(query), limit=query.limit + 1,
    )  # fmt: skip
    found = state.current().blocklist.listed(wanted)
    page = found[: query.limit]
    after = cursor.write(page[-1], query) if len(found) > query.limit else None
    shown = SuppressionPage(suppressions=[schemas.suppression(s) for s in page], next_cursor=after)
    return paging.answered(shown, after)


@blueprint.post("/suppressions")
@operation(scope=Scope.SUPPRESSIONS, body=SuppressionRequest, answers={200: SuppressionState, 201: SuppressionState})
def create() -> flask.Response:
    """Suppress an address. Messages that are accepted and not sent yet are not sent to it either.

    201: it is suppressed now. 200: it was already, for the same reason and in the same stream; nothing has changed.
    """
    given = body.fields()
    wanted, blocklist = parsed(SuppressionRequest, given), state.current().blocklist
    [made] = blocklist.made([wanted], **auth.world(), source="api")
    answer = blocklist.add(made, once=once.asked(given), render=_render)
    response = once.answered(answer)
    response.headers["Location"] = flask.url_for("suppressions.show", id=answer.body["id"])
    return response


@blueprint.get("/suppressions/<id:id>")
@operation(scope=Scope.READ, answers={200: SuppressionState}, problems=("not-found",))
def show(id: str) -> flask.Response:
    """Show a suppression."""
    found = state.current().blocklist.get(id, **auth.world())
    if found is None:
        raise NotFound
    return flask.jsonify(plain(schemas.suppression(found)))


@blueprint.delete("/suppressions/<id:id>")
@operation(scope=Scope.SUPPRESSIONS, answers={204: None}, problems=("not-found",))
def lift(id: str) -> flask.Response:
    """Lift a suppression: the address is mailed again.

    The providers keep lists of their own; it is taken from those too, soon.
    """
    if not state.current().blocklist.lift(id, **auth.world()):
        raise NotFound
    return flask.Response(status=204)


@blueprint.get("/suppressions.csv")
@operation(scope=Scope.READ, answers={200: Csv})
def export() -> flask.Response:
    """Answer all suppressions as CSV, the newest first.

    A cell that a spreadsheet would take for a formula has a `'` before it.
    """
    pages = state.current().blocklist.walk(**auth.world())
    # The first one while a refusal can still be said.
    first = next(pages, [])
    return flask.Response(
        spreadsheet.written(chain([first], pages)),
        content_type=f"{spreadsheet.MEDIA_TYPE}; charset=utf-8",
        headers={"Content-Disposition": 'attachment; filename="suppressions.csv"'},
    )


@blueprint.post("/suppressions.csv")
@operation(scope=Scope.SUPPRESSIONS, body=Csv, answers={200: SuppressionsAdded})
def read() -> flask.Response:
    """Suppress the addresses of a CSV file: up to 50,000 lines, 5 MB, in one transaction.

    All or nothing: if a line is wrong, nothing is stored, and every wrong line is named: `/12/email` is the column
    `email` of line 12. What `GET` has written can be read; `source` and `created_at` are passed over.
    """
    given = body.text(spreadsheet.MEDIA_TYPE, most=spreadsheet.MOST_BYTES)
    lines, blocklist = spreadsheet.read(given), state.current().blocklist
    made = blocklist.made(lines, **auth.world(), source="csv")

    def render(added: int) -> Answer:
        return Answer(status=200, body=plain(SuppressionsAdded(lines=len(lines), added=added)))

    asked = once.asked(hashlib.sha256(given.encode()).hexdigest())
    return once.answered(blocklist.add_many(made, once=asked, render=render))


def _render(held: Suppression, new: bool) -> Answer:
    return Answer(status=201 if new else 200, body=plain(schemas.suppression(held)))
