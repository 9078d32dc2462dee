"""A form as Mailgun reads it: fields that repeat, and files that need a filename."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from urllib.parse import parse_qsl

from werkzeug.http import parse_options_header
from werkzeug.sansio.multipart import Data, Epilogue, Field, File, MultipartDecoder

from sandbox.mail import Attachment

MULTIPART = "multipart/form-data"
URLENCODED = "application/x-www-form-urlencoded"
FILE_FIELDS = ("attachment", "inline")


class FormError(ValueError):
    """The body is no form; the text is Mailgun's."""


@dataclass(frozen=True, slots=True)
class Form:
    """The fields in their order, and the files."""

    fields: tuple[tuple[str, str], ...]
    files: tuple[Attachment, ...] = ()

    def values(self, name: str) -> tuple[str, ...]:
        """Return every value of a field."""
        return tuple(v for n, v in self.fields if n == name)

    def first(self, name: str) -> str:
        """Return the first value of a field, empty when there is none."""
        return next(iter(self.values(name)), "")

    def prefixed(self, prefix: str) -> dict[str, str]:
        """Return the fields of one family, e.g. `v:`, without their prefix."""
        return {n.removeprefix(prefix): v for n, v in self.fields if n.startswith(prefix)}

    def header(self, name: str) -> str | None:
        """Return the `h:` field of this name, whatever its case."""
        found = {n.lower(): v for n, v in self.prefixed("h:").items()}
        return found.get(name.lower())


def parse(content_type: str, body: bytes) -> Form:
    """Return the form in `body`, however many parts it has. Raises FormError."""
    kind, options = parse_options_header(content_type)
    if kind == URLENCODED:
        return _urlencoded(body)
    if kind != MULTIPART:
        raise FormError(f"Invalid request content type. Expecting '{MULTIPART}' but got '{kind}'")
    if not options.get("boundary"):
        raise FormError("malformed multipart/form-data request")
    return _multipart(options["boundary"].encode(), body)


def _urlencoded(body: bytes) -> Form:
    text = body.decode("utf-8", "replace")
    if re.search(r"%(?![0-9A-Fa-f]{2})", text):
        raise FormError("unable to parse request: invalid URL escape")
    pairs = parse_qsl(text, keep_blank_values=True)
    return Form(tuple(pair for pair in pairs if pair[0] not in FILE_FIELDS))


def _multipart(boundary: bytes, body: bytes) -> Form:
    try:
        parts = list(_parts(boundary, body))
    except (ValueError, AttributeError) as error:  # AttributeError: the decoder's, for a header that just ends
        cut_off = b"--" + boundary + b"--" not in body
        text = "unable to parse request: unexpected EOF" if cut_off else "malformed multipart/form-data request"
        raise FormError(text) from error
    fields = [(part.name, data) for part, data in parts if part.name not in FILE_FIELDS]
    return Form(
        tuple((name, data.decode("utf-8", "replace")) for name, data in fields),
        tuple(_file(part, data) for part, data in parts if part.name in FILE_FIELDS and _has_filename(part)),
    )


def _parts(boundary: bytes, body: bytes) -> Iterator[tuple[Field | File, bytes]]:
    decoder = MultipartDecoder(boundary)
    decoder.receive_data(body)
    decoder.receive_data(None)
    part: Field | File | None = None
    data = b""
    while not isinstance(event := decoder.next_event(), Epilogue):
        if isinstance(event, Field | File):
            part, data = event, b""
            if not isinstance(event.name, str):
                raise ValueError("a part without a name")
        elif isinstance(event, Data) and part is not None:
            data += event.data
            if not event.more_data:
                yield part, data


def _has_filename(part: Field | File) -> bool:
    """Mailgun drops a file without a filename in silence, and knows no `filename*=` (RFC 5987)."""
    disposition = part.headers.get("content-disposition", "")
    return isinstance(part, File) and part.filename != "" and re.search(r"\bfilename=", disposition) is not None


def _file(part: Field | File, data: bytes) -> Attachment:
    filename = part.filename if isinstance(part, File) else ""
    return Attachment(
        filename=filename,
        content_type=part.headers.get("content-type", "application/octet-stream"),
        # An inline file is addressed by its name.
        content_id=filename if part.name == "inline" else None,
        content=data,
    )
