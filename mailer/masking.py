"""What a log line, an alarm or Flower may show of people: nothing but the first letter and the domain."""

from __future__ import annotations

import re

# Deliberately wider than a valid address: a log must not leak the near misses either.
_CHAR = r"[^\s@<>\"'(),;:\\\[\]{}=/]"
_ADDRESS = re.compile(rf"({_CHAR}){_CHAR}*@({_CHAR}+\.{_CHAR}+)")
# A user:password@ in a URL (DATABASE_URL, CELERY_BROKER_URL) and anything that looks like a key of ours or theirs.
_URL_PASSWORD = re.compile(r"(\w+://[^\s:/@]*):[^\s/@]*@")
_KEY = re.compile(
    r"\b(SG\.|key-|mlr_(?:live|test)_[0-9A-Za-z]{12}|Bearer\s+|Basic\s+)[A-Za-z0-9._~+/=-]{6,}", re.IGNORECASE
)


def address(value: str) -> str:
    """Return one address masked: `anna@example.com` becomes `a***@example.com`."""
    local, at, domain = value.rpartition("@")
    return f"{local[:1]}***@{domain}" if at else "***"


def text(value: str) -> str:
    """Return free text with every address, URL password and key in it masked."""
    if "@" in value:
        value = _URL_PASSWORD.sub(r"\1:***_AT_", value)
        value = _ADDRESS.sub(r"\1***@\2", value).replace("***_AT_", "***@")
    return _KEY.sub(r"\1***", value)
