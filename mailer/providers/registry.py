"""The providers there are, in their default order. A new one is its file and its line here (docs/new-provider.md)."""

from __future__ import annotations

import os
from collections.abc import Mapping

from mailer import settings
from mailer.ports import Provider
from mailer.providers.mailgun import Mailgun
from mailer.providers.sendgrid import SendGrid

ALL = (SendGrid, Mailgun)

NAMES: tuple[str, ...] = tuple(provider.name for provider in ALL)


def load(environ: Mapping[str, str] = os.environ) -> dict[str, Provider]:
    """Return, by name and in the default order, the providers whose settings are all there."""
    found: dict[str, Provider] = {}
    for provider in ALL:
        values = settings.load_provider(provider.settings, environ)
        if values is not None:
            found[provider.name] = provider(values)
    return found
