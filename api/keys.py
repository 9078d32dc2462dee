"""`/v1/keys`: the keys of the project, for whoever may give them out."""

from __future__ import annotations

import flask

from api import auth, body, once, schemas, sealed, state
from api.errors import NotFound
from api.operation import operation
from mailer.api_key import ApiKey
from mailer.errors import Invalid, Problem
from mailer.ledger import Answer, Once
from mailer.problem import parsed
from mailer.request import KeyRequest
from mailer.resource import KeyCreated, KeyList, KeyState, Scope, plain

blueprint = flask.Blueprint("keys", __name__, url_prefix="/v1/keys")


@blueprint.post("")
@operation(scope=Scope.ADMIN, body=KeyRequest, answers={201: KeyCreated}, problems=("invalid-request",))
def create() -> flask.Response:
    """Make a key of this project. Its secret is in the answer, and nowhere else."""
    given = body.fields()
    # Another key's repeat is another request: the answer is sealed with the one that asked.
    asked = once.asked(given, also=auth.key().id)
    answer = once.held(asked, lambda: _made(given, asked))
    response = once.answered(sealed.opened(answer, asked))
    response.headers["Location"] = flask.url_for("keys.show", id=answer.body["id"])
    return response


@blueprint.get("")
@operation(scope=Scope.ADMIN, answers={200: KeyList})
def listed() -> flask.Response:
    """List the keys of this project, the newest first; revoked ones too."""
    found = state.current().keyring.listed(project_id=auth.key().project_id)
    return flask.jsonify(plain(KeyList(keys=[schemas.key(k) for k in found if _may_see(k)])))


@blueprint.get("/<id:id>")
@operation(scope=Scope.ADMIN, answers={200: KeyState}, problems=("not-found",))
def show(id: str) -> flask.Response:
    """Show a key of this project, without its secret."""
    return flask.jsonify(plain(schemas.key(_seen(id))))


@blueprint.post("/<id:id>/revoke")
@operation(scope=Scope.ADMIN, answers={200: KeyState}, problems=("not-found",))
def revoke(id: str) -> flask.Response:
    """Revoke a key. Within seconds no process takes it any more; that cannot be undone."""
    _seen(id)
    answer = state.current().keyring.revoke(id, project_id=auth.key().project_id, once=once.asked(), render=_render)
    if answer is None:
        raise NotFound
    return once.answered(answer)


def _made(given: dict[str, object], asked: Once | None) -> Answer:
    keyring = state.current().keyring
    key, token = keyring.make(_wanted(given), project_id=auth.key().project_id)
    secret = {"key": token} if asked is None else {"sealed": sealed.seal(token, asked.key)}
    return keyring.add(key, once=asked, answer=Answer(status=201, body=plain(schemas.key(key)) | secret))


def _seen(id: str) -> ApiKey:
    found = state.current().keyring.get(id, project_id=auth.key().project_id)
    if found is None or not _may_see(found):
        raise NotFound
    return found


def _may_see(key: ApiKey) -> bool:
    """A test key has to do with test keys only."""
    return key.test or not auth.key().test


def _wanted(given: dict[str, object]) -> KeyRequest:
    wanted = parsed(KeyRequest, given, context={"now": state.current().intake.now()})
    if auth.key().test and not wanted.test:
        raise Invalid((Problem("/test", "must be true: a test key makes test keys only", "test"),))
    return wanted


def _render(key: ApiKey) -> Answer:
    return Answer(status=200, body=plain(schemas.key(key)))
