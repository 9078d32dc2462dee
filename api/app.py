"""The Flask application and what every request of it goes through."""

from __future__ import annotations

import threading

import flask
from werkzeug.middleware.proxy_fix import ProxyFix

from api import (
    access,
    auth,
    docs,
    endpoints,
    errors,
    feed,
    health,
    keys,
    listing,
    messages,
    openapi,
    operation,
    path,
    problems,
    suppressions,
    webhooks,
)
from api.gate import Gate
from api.limiter import Limiter
from api.state import State
from api.waker import Waker
from mailer import alarm, bootstrap, log
from mailer.client.task import publisher
from mailer.errors import ConfigurationError
from mailer.settings import Settings

_BLUEPRINTS = (
    *(health.blueprint, messages.blueprint, listing.blueprint, suppressions.blueprint, keys.blueprint),
    *(webhooks.blueprint, endpoints.blueprint, feed.blueprint),
    *(openapi.blueprint, docs.blueprint, problems.blueprint),
)


def create_app(settings: Settings | None = None) -> flask.Flask:
    """Return the API of this process.

    Raises:
        ConfigurationError: a setting is missing or wrong.
    """
    settings = settings or bootstrap.settings()
    if not settings.api_key:
        raise ConfigurationError("MAILER_API_KEY is not set: nobody could be let in")
    log.configure(settings, process="web")
    alarm.configure(settings, process="web")
    app = flask.Flask("api", static_folder=None)
    app.config["MAX_CONTENT_LENGTH"] = settings.max_body_bytes
    send_email = publisher(settings)
    state = State(
        settings=settings,
        store=bootstrap.store(),
        intake=bootstrap.intake(),
        hearing=bootstrap.hearing(),
        keyring=bootstrap.keyring(),
        endpoints=bootstrap.endpoints(),
        blocklist=bootstrap.blocklist(),
        send_email=send_email,
        waker=Waker(send_email),
        limiter=Limiter(settings),
        gate=Gate(bootstrap.intake(), settings),
        streams=threading.BoundedSemaphore(max(1, settings.streams)),
    )
    state.put(app)
    path.register(app)
    access.register(app)
    errors.register(app)
    auth.register(app)
    for blueprint in _BLUEPRINTS:
        app.register_blueprint(blueprint)
    operation.require(app)
    if hops := settings.trusted_proxies:
        app.wsgi_app = ProxyFix(app.wsgi_app, x_for=hops, x_proto=hops, x_host=hops)  # type: ignore[method-assign]
    return app
