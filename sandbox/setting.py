"""Where the sandbox listens, what it believes, and where it keeps it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

PAGE_HOST = "127.0.0.1"
SENDGRID_HOST = "127.0.0.2"
MAILGUN_HOST = "127.0.0.3"


class SettingError(Exception):
    """A setting is wrong; the text names the environment variable."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Read once at the start, from the variables that `mailer` itself reads.

    Attributes:
        webhooks: the address below which the API listens to webhooks; empty: none are sent.
        mailgun_webhook_key: empty: one of the sandbox's own, kept in its directory.
    """

    port: int
    directory: Path
    sendgrid_key: str
    mailgun_key: str
    mailgun_domain: str
    webhooks: str = ""
    mailgun_webhook_key: str = ""


def read(environment: Mapping[str, str]) -> Settings:
    """Return the settings in `environment`; an empty value counts as absent. Raises SettingError."""

    def value(name: str, default: str) -> str:
        return environment.get(name) or default

    port = value("MAILER_SANDBOX_PORT", "8025")
    if not port.isdecimal() or not 0 < int(port) < 65536:
        raise SettingError(f"MAILER_SANDBOX_PORT must be a port number from 1 to 65535, not {port!r}")
    webhooks = value("MAILER_SANDBOX_WEBHOOKS", "")
    if webhooks and not re.fullmatch(r"https?://[^\s/]+(/\S*)?", webhooks):
        raise SettingError(f"MAILER_SANDBOX_WEBHOOKS must be the API's address, http://..., not {webhooks!r}")
    return Settings(
        port=int(port),
        directory=Path(value("MAILER_VAR", "var")) / "sandbox",
        sendgrid_key=value("SENDGRID_API_KEY", "SG.sandbox"),
        mailgun_key=value("MAILGUN_API_KEY", "key-sandbox"),
        mailgun_domain=value("MAILGUN_DOMAIN", "sandbox.example"),
        webhooks=webhooks.rstrip("/"),
        mailgun_webhook_key=value("MAILGUN_WEBHOOK_KEY", "").partition(",")[0].strip(),
    )
