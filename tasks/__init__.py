"""Celery: `celery -A tasks worker`, `celery -A tasks beat`, `celery -A tasks flower`."""

from __future__ import annotations

from tasks.app import app

__all__ = ["app"]
