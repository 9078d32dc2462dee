"""An attachment in any form that Django takes, to one of ours."""

from __future__ import annotations

import mimetypes
from email.message import Message
from typing import Any

from mailer.client.fields import AttachmentDict
from mailer.django.feature import UnsupportedFeature

_BINARY = "application/octet-stream"
_MAIL = "message/rfc822"
# Parameters of a content type that change nothing once the text is UTF-8. Ours has none: to drop another one, such as
# the method of an invitation, would be to send something else.
_HARMLESS = frozenset({"name", "charset", "format", "delsp"})


def file(attachment: Any) -> AttachmentDict:
    """Return an attachment of ours: of a MIME part, or of a tuple of filename, content and type.

    Raises:
        UnsupportedFeature: it is a MIME part that the service cannot send.
    """
    if isinstance(attachment, Message):
        return _of_part(attachment)
    filename, content, mimetype = (*attachment, None, None)[:3]
    kind = str(mimetype or mimetypes.guess_type(str(filename))[0] or _BINARY)
    return _file(filename, kind, _bytes(content, kind))


def _of_part(part: Any) -> AttachmentDict:
    kind = part.get_content_type()
    odd = [name for name, _ in part.get_params([])[1:] if name.lower() not in _HARMLESS]
    if odd or (part.is_multipart() and kind != _MAIL):
        raise UnsupportedFeature(f"an attachment {kind}" + (f" with {', '.join(odd)}" if odd else ""))
    content = part.get_payload(0).as_bytes() if kind == _MAIL else _utf8(part)
    content_id = (part.get("Content-ID") or "").strip(" <>")
    return _file(part.get_filename(), kind, content, content_id=content_id or None)


def _utf8(part: Any) -> bytes:
    content: bytes = part.get_payload(decode=True) or b""
    charset = part.get_content_charset() if part.get_content_maintype() == "text" else None
    try:
        return content.decode(charset).encode() if charset else content
    except (LookupError, UnicodeDecodeError):
        return content


def _bytes(content: Any, kind: str) -> bytes:
    if isinstance(content, str):
        return content.encode()
    if kind == _MAIL and not isinstance(content, bytes):
        # A Django message, or one of the standard library's.
        mail = content if isinstance(content, Message) else content.message()
        return bytes(mail.as_bytes())
    return bytes(content)


def _file(filename: object, kind: str, content: bytes, *, content_id: str | None = None) -> AttachmentDict:
    name = str(filename or "attachment" + (".eml" if kind == _MAIL else mimetypes.guess_extension(kind) or ""))
    found: AttachmentDict = {"filename": name, "content": content, "content_type": kind}
    if content_id:
        found["content_id"] = content_id
    return found
