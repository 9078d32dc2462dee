"""Django for the tests of its backend: settings, and nothing else of it."""

from __future__ import annotations

from django.conf import settings


def configure() -> None:
    """Configure Django once in this process; tests override what they need."""
    if not settings.configured:
        settings.configure(DEFAULT_FROM_EMAIL="shop@sender.example.com", USE_TZ=True)
