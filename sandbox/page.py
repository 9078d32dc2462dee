"""The inbox page, its files, and the attachments: all that a browser gets, whatever a mail contains."""

from __future__ import annotations

import re
from pathlib import Path
from urllib.parse import quote

from sandbox.inbox import Inbox
from sandbox.wire import Answer, Request, text_answer

# A mail's HTML is shown in a sandboxed frame of this document and inherits its policy: no script of its own runs,
# nothing is fetched from elsewhere (no tracking pixel), and only its inline styles are let through.
_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; connect-src 'self';"
    " frame-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
_SAFE = (
    ("X-Content-Type-Options", "nosniff"),
    ("Referrer-Policy", "no-referrer"),
    ("Cross-Origin-Opener-Policy", "same-origin"),
    ("X-DNS-Prefetch-Control", "off"),
    ("Cache-Control", "no-store"),
)
_STATIC = Path(__file__).parent / "static"
_TYPES = {".html": "text/html", ".css": "text/css", ".js": "text/javascript"}
_ATTACHMENT = re.compile(r"/mails/(\d{1,18})/attachments/(\d{1,6})")
# What an <img> can show. An SVG in it runs no script, and opened on its own it is downloaded like all the rest.
_IMAGES = frozenset({"image/png", "image/jpeg", "image/gif", "image/webp", "image/svg+xml"})


class Page:
    """`/`, `/static/...` and `/mails/{id}/attachments/{position}`."""

    def __init__(self, inbox: Inbox) -> None:
        self._inbox = inbox
        self._files = {f"/static/{path.name}": path.read_bytes() for path in _STATIC.iterdir()}

    def __call__(self, request: Request) -> Answer:
        """Answer a browser."""
        path = "/static/inbox.html" if request.path == "/" else request.path
        if request.method not in ("GET", "HEAD"):
            return text_answer(405, "Only GET and HEAD here.", ("Allow", "GET, HEAD"))
        if path in self._files:
            kind = _TYPES[Path(path).suffix]
            headers = (("Content-Type", f"{kind}; charset=utf-8"), ("Content-Security-Policy", _POLICY), *_SAFE)
            return Answer(200, headers, self._files[path])
        match = _ATTACHMENT.fullmatch(request.path)
        found = self._inbox.attachment(int(match[1]), int(match[2])) if match else None
        return text_answer(404, "There is nothing here.") if found is None else _download(*found)


def _download(filename: str, content_type: str, content: bytes) -> Answer:
    kind = content_type.split(";", maxsplit=1)[0].strip().lower()
    headers = (
        ("Content-Type", kind if kind in _IMAGES else "application/octet-stream"),
        ("Content-Disposition", f"attachment; filename*=UTF-8''{quote(filename, safe='', errors='replace')}"),
        ("Content-Security-Policy", "default-src 'none'; sandbox"),
        *_SAFE,
    )
    return Answer(200, headers, content)
