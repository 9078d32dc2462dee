"""Logs: one JSON object a line, UTC, to stdout, and to a rotated file if asked for.

Every line carries the request id of the request or task it belongs to. No secret, body or full address gets through:
whatever a field or a library's message holds is masked on the way out.
"""

from __future__ import annotations

import logging
import sys
from collections.abc import MutableMapping
from pathlib import Path
from typing import Any

import structlog
from concurrent_log_handler import ConcurrentRotatingFileHandler

from mailer import masking, request_id
from mailer.settings import Settings

# Libraries that say at INFO what our own lines say better.
_QUIET = ("celery.worker.strategy", "celery.app.trace", "alembic", "urllib3", "amqp", "kombu", "werkzeug")

Event = MutableMapping[str, Any]


def get(name: str) -> structlog.stdlib.BoundLogger:
    """Return the logger of a module. Its text is constant, its values are fields."""
    logger: structlog.stdlib.BoundLogger = structlog.stdlib.get_logger(name)
    return logger


def aside() -> None:
    """Send the lines of this process to stderr, for people: what a command prints is its answer alone."""
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.dev.ConsoleRenderer(colors=False),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.INFO),
        logger_factory=lambda *_: structlog.PrintLogger(sys.stderr),
        cache_logger_on_first_use=False,
    )


def configure(settings: Settings, *, process: str) -> None:
    """Send all logging of this process, libraries' too, through the one pipeline.

    Args:
        process: what this process is (`web`, `worker`, ...); a field of every line.
    """
    before: list[structlog.typing.Processor] = [
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.processors.TimeStamper(fmt="iso", utc=True, key="time"),
        _add_request_id,
        _constant(process=process),
    ]
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            *before,
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=True,
    )
    formatter = structlog.stdlib.ProcessorFormatter(
        foreign_pre_chain=[*before, structlog.stdlib.PositionalArgumentsFormatter()],
        processors=[
            structlog.stdlib.ProcessorFormatter.remove_processors_meta,
            structlog.processors.format_exc_info,
            _first_paragraph,
            structlog.processors.EventRenamer("message"),
            _mask,
            structlog.processors.JSONRenderer(ensure_ascii=False, default=str),
        ],
    )
    root = logging.getLogger()
    root.handlers = [_with(formatter, handler) for handler in _handlers(settings)]
    root.setLevel(settings.log_level.upper())
    for name in _QUIET:
        logging.getLogger(name).setLevel(logging.WARNING)
    logging.captureWarnings(True)


def _handlers(settings: Settings) -> list[logging.Handler]:
    handlers: list[logging.Handler] = [logging.StreamHandler(sys.stdout)]
    if settings.log_file:
        Path(settings.log_file).parent.mkdir(parents=True, exist_ok=True)
        # Rotates under a lock file, so that all processes may write to one file.
        handlers.append(
            ConcurrentRotatingFileHandler(
                settings.log_file,
                maxBytes=settings.log_file_bytes,
                backupCount=settings.log_file_backups,
                encoding="utf-8",
            )
        )
    return handlers


def _with(formatter: logging.Formatter, handler: logging.Handler) -> logging.Handler:
    handler.setFormatter(formatter)
    return handler


def _constant(**fields: str) -> structlog.typing.Processor:
    def add(_: object, __: str, event: Event) -> Event:
        return {**event, **fields}

    return add


def _add_request_id(_: object, __: str, event: Event) -> Event:
    if (current := request_id.current()) is not None:
        event.setdefault("request_id", current)
    return event


def _first_paragraph(_: object, __: str, event: Event) -> Event:
    """Of a task it does not understand Celery logs the whole message, with everything in it."""
    if event.get("logger") == "celery.worker.consumer.consumer":
        event["event"] = str(event["event"]).partition("\n")[0]
    return event


def _mask(_: object, __: str, event: Event) -> Event:
    return {key: _masked(value) for key, value in event.items()}


def _masked(value: Any) -> Any:
    if isinstance(value, str):
        return masking.text(value)
    if isinstance(value, dict):
        return {key: _masked(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_masked(item) for item in value]
    return value if value is None or isinstance(value, bool | int | float) else masking.text(str(value))
