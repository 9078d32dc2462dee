"""What a person should look at: an error line in the log and, where SENTRY_DSN is set, an event in Sentry."""

from __future__ import annotations

from collections.abc import Callable, MutableMapping
from typing import Any

import sentry_sdk
from sentry_sdk.integrations import Integration
from sentry_sdk.integrations.celery import CeleryIntegration
from sentry_sdk.integrations.logging import LoggingIntegration
from sentry_sdk.types import Event, Hint

from mailer import log, masking, request_id
from mailer.settings import Settings

Alarm = Callable[..., None]

_log = log.get(__name__)

_TAGS = ("request_id", "envelope_id", "provider", "domain")

# Parts of an event that may hold what was asked of us, in whatever form.
_PRIVATE = ("request", "user", "extra", "breadcrumbs", "server_name")


def configure(settings: Settings, *, process: str) -> None:
    """Turn Sentry on if SENTRY_DSN is set: unexpected exceptions, and alarms."""
    if not settings.sentry_dsn:
        return
    sentry_sdk.init(
        dsn=settings.sentry_dsn,
        # Logging is not an integration of ours: what deserves an event raises an alarm, and lines may hold anything.
        integrations=[
            *_web(process),
            CeleryIntegration(monitor_beat_tasks=False, propagate_traces=False),
            LoggingIntegration(level=None, event_level=None),
        ],
        default_integrations=True,
        send_default_pii=False,
        max_request_body_size="never",
        include_local_variables=False,
        include_source_context=False,
        max_breadcrumbs=0,
        before_send=_scrub,
        auto_session_tracking=False,
    )
    sentry_sdk.set_tag("process", process)


def _web(process: str) -> list[Integration]:
    if process != "web":
        return []
    # Late: it wants flask, which the command line is installed without.
    from sentry_sdk.integrations.flask import FlaskIntegration

    return [FlaskIntegration()]


def raise_alarm(name: str, **about: Any) -> None:
    """Report `name` (constant, e.g. `provider.account_refused`) with ids and other fields."""
    _log.error(name, **about)
    if not sentry_sdk.is_initialized():
        return
    with sentry_sdk.new_scope() as scope:
        for key in _TAGS:
            if about.get(key) is not None:
                scope.set_tag(key, str(about[key]))
        # One issue a kind and provider, not one for each mail.
        scope.fingerprint = [name, str(about.get("provider")), str(about.get("reason"))]
        scope.set_context("mailer", {k: v for k, v in about.items() if v is not None})
        sentry_sdk.capture_message(name, level="error")


def tag(**ids: str) -> None:
    """Let what goes wrong in this task or request be found by these ids."""
    for name, value in ids.items():
        sentry_sdk.get_isolation_scope().set_tag(name, value)


def _scrub(event: Event, _: Hint) -> Event | None:
    """Leave in the event what finds the fault, and nothing of what was in the mail."""
    scrubbed: MutableMapping[str, Any] = dict(event)
    for part in _PRIVATE:
        scrubbed.pop(part, None)
    # The Celery integration puts the task's arguments here: of `.delay()` that is the whole mail.
    contexts = {k: v for k, v in scrubbed.get("contexts", {}).items() if k in ("mailer", "runtime", "os", "trace")}
    tags = dict(scrubbed.get("tags") or {})
    if (current := request_id.current()) is not None:
        tags.setdefault("request_id", current)
    return _masked({**scrubbed, "contexts": contexts, "tags": tags})  # type: ignore[no-any-return]


def _masked(value: Any) -> Any:
    if isinstance(value, str):
        return masking.text(value)
    if isinstance(value, dict):
        return {key: _masked(item) for key, item in value.items()}
    return [_masked(item) for item in value] if isinstance(value, list | tuple) else value
