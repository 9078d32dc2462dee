"""`/problems`: what each kind of problem means and what to do about it. The `type` of every problem leads here."""

from __future__ import annotations

import re

import flask
from markupsafe import Markup, escape

from api import page
from api.operation import operation
from mailer.problem_type import PROBLEM_TYPES

blueprint = flask.Blueprint("problems", __name__, url_prefix="/problems")


def uri(slug: str) -> str:
    """Return the absolute address of a kind of problem, at the host that was asked.

    Raises:
        KeyError: there is no such kind.
    """
    return flask.url_for("problems.show", slug=PROBLEM_TYPES[slug].slug, _external=True)


@blueprint.get("")
@operation(scope=None, answers={200: page.Html})
def index() -> flask.Response:
    """List every kind of problem, for a person."""
    return page.render("problems.html", kinds=PROBLEM_TYPES.values())


@blueprint.get("/<slug>")
@operation(scope=None, answers={200: page.Html})
def show(slug: str) -> flask.Response:
    """Say what a kind of problem means and what to do about it, for a person."""
    if slug not in PROBLEM_TYPES:
        flask.abort(404)
    return page.render("problem.html", kind=PROBLEM_TYPES[slug])


@blueprint.app_template_filter("code")
def _code(text: str) -> Markup:
    """Return text with what stands in backticks as code."""
    # Escaped first: what is left of the backticks is ours.
    return Markup(re.sub(r"`([^`]+)`", r"<code>\1</code>", str(escape(text))))  # noqa: S704
