"""What a stranger may send, and what may come back."""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from tests.factories import fields
from tests.integration.web import HONEST, KEY

CLOSED = None
LINE = "POST /v1/messages HTTP/1.1"
MILLION = 1_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """One hostile input.

    Attributes:
        data: makes what is sent, once it is needed: some are large.
        answers: statuses that may come back; CLOSED where the connection may be closed without one.
    """

    id: str
    data: Callable[[], bytes]
    answers: tuple[int | None, ...]


def head(*headers: str, line: str = LINE, given: dict[str, str | None] | None = None) -> bytes:
    """Return the head of a request that is in order but for what is `given` otherwise (None: left out) or added."""
    ours = {"Host": "x", "Authorization": f"Bearer {KEY}", "Content-Type": "application/json"} | (given or {})
    lines = (line, *(f"{name}: {value}" for name, value in ours.items() if value is not None), *headers)
    return "\r\n".join((*lines, "", "")).encode("latin-1")


def post(body: bytes, *headers: str, **changed: Any) -> bytes:
    """Return a request with a body."""
    return head(f"Content-Length: {len(body)}", *headers, **changed) + body


def message(**changed: Any) -> bytes:
    """Return a request with the fields of a message, some of them changed."""
    return post(json.dumps(fields(**changed)).encode())


def raw(old: bytes, new: bytes) -> bytes:
    """Return a request whose JSON has been changed as bytes."""
    assert old in HONEST
    return post(HONEST.replace(old, new))


# What an attacker hides behind a request: valid, so that it would be stored if it were ever taken for a request.
HIDDEN = post(HONEST)
CHUNKED = f"{len(HONEST):x}\r\n".encode() + HONEST + b"\r\n0\r\n\r\n"
INJECTION = "x\r\nBcc: eve@example.com"


def _hidden(*headers: str, body: bytes = CHUNKED, **changed: Any) -> Callable[[], bytes]:
    return lambda: head(*headers, **changed) + body + HIDDEN


def _file(name: str) -> Callable[[], bytes]:
    return lambda: message(attachments=[{"filename": name, "content": "YQ=="}])


def _many(prefix: bytes = b"{", suffix: bytes = b"}") -> Callable[[], bytes]:
    return lambda: post(prefix + b",".join(b'"f%d":1' % i for i in range(MILLION)) + suffix)


def _get(path: str) -> Callable[[], bytes]:
    return lambda: head(line=f"GET {path} HTTP/1.1")


def _with(**given: str | None) -> Callable[[], bytes]:
    return lambda: post(HONEST, given={name.replace("_", "-"): value for name, value in given.items()})


def _chunks(body: bytes) -> Callable[[], bytes]:
    return _hidden("Transfer-Encoding: chunked", body=body)


_SUBJECT = b'"Your invoice"'

JSON: dict[str, tuple[Callable[[], bytes], int | None]] = {
    "empty": (lambda: post(b""), 400),
    "cut-off": (lambda: post(HONEST[:-5]), 400),
    "two-documents": (lambda: post(HONEST + HONEST), 400),
    "list": (lambda: post(b"[" + HONEST + b"]"), 400),
    "nan": (lambda: raw(_SUBJECT, b"NaN"), 400),
    "minus-infinity": (lambda: raw(_SUBJECT, b"-Infinity"), 400),
    "1e400": (lambda: raw(_SUBJECT, b"1e400"), 422),
    "5000-digits": (lambda: raw(_SUBJECT, b"9" * 5000), 400),
    "100000-lists-deep": (lambda: raw(_SUBJECT, b"[" * 100_000 + b"]" * 100_000), 400),
    "100000-objects-deep": (lambda: raw(_SUBJECT, b'{"a":' * 100_000 + b"1" + b"}" * 100_000), 400),
    "field-twice": (lambda: raw(_SUBJECT, b'"a","subject":"b"'), 400),
    "field-twice-one-escaped": (lambda: raw(_SUBJECT, b'"a","s\\u0075bject":"b"'), 400),
    "field-twice-below": (lambda: raw(_SUBJECT, b'"a","metadata":{"k":"1","k":"2"}'), 400),
    "million-fields": (_many(), 400),
    "million-fields-below": (_many(HONEST[:-1] + b',"metadata":{', b"}}"), 400),
    "nul": (lambda: raw(_SUBJECT, b'"a\x00b"'), 400),
    "nul-escaped-in-subject": (lambda: raw(_SUBJECT, b'"a\\u0000b"'), 422),
    "nul-escaped-in-text": (lambda: message(text="a\x00b"), 422),
    "nul-escaped-in-metadata": (lambda: message(metadata={"k": "a\x00b"}), 422),
    "lone-surrogate-escaped": (lambda: raw(_SUBJECT, b'"\\ud800"'), 400),
    "lone-surrogate": (lambda: raw(_SUBJECT, b'"\xed\xa0\x80"'), 400),
    "overlong-utf8": (lambda: raw(_SUBJECT, b'"\xc0\xaf"'), 400),
    "invalid-utf8": (lambda: raw(_SUBJECT, b'"\xff"'), 400),
    "bom": (lambda: post(b"\xef\xbb\xbf" + HONEST), 400),
    "utf16": (lambda: post(HONEST.decode().encode("utf-16")), 400),
}

INJECTIONS: dict[str, tuple[Callable[[], bytes], int | None]] = {
    "in-name": (lambda: message(from_={"email": "ann@sender.example.com", "name": INJECTION}), 422),
    "in-address": (lambda: message(to=[f"bob@example.com{INJECTION}"]), 422),
    "in-subject": (lambda: message(subject=INJECTION), 422),
    "in-header-value": (lambda: message(headers={"X-Order": INJECTION}), 422),
    "in-header-name": (lambda: message(headers={"X-Order: 1\r\nBcc": "eve@example.com"}), 422),
    "in-tag": (lambda: message(tags=[INJECTION]), 422),
    "in-metadata-key": (lambda: message(metadata={INJECTION: "1"}), 422),
    "in-content-type": (
        lambda: message(attachments=[{"filename": "a", "content": "YQ==", "content_type": f"a/b{INJECTION}"}]), 422,
    ),
    "in-content-id": (
        lambda: message(attachments=[{"filename": "a", "content": "YQ==", "content_id": INJECTION}]), 422,
    ),
    "file-above": (_file("../../etc/passwd"), 422),
    "file-absolute": (_file("/etc/passwd"), 422),
    "file-backslash": (_file("..\\boot.ini"), 422),
    "file-dots": (_file(".."), 422),
    "file-nul": (_file("a.pdf\x00.exe"), 422),
    "file-turned-around": (_file("invoice\u202efdp.exe"), 422),
    "file-header": (_file('a"; filename="b'), 422),
}  # fmt: skip

PATHS: dict[str, tuple[Callable[[], bytes], int | None]] = {
    "above": (_get("/v1/messages/../..%2f..%2fetc/passwd"), 404),
    "nul": (_get("/v1/messages/%00"), 404),
    "line-break": (_get("/v1/messages/%0d%0aX-Evil:1"), 404),
    "emoji": (_get("/v1/messages/%F0%9F%92%A9"), 404),
    "raw-bytes": (_get("/v1/messages/\xff\xfe"), 400),
    "bad-percent": (_get("/v1/messages/%zz%"), 404),
    "sql": (_get("/v1/messages/1'%20or%20'1'='1"), 404),
    "digits-of-another-script": (_get("/v1/messages/%D9%A1" * 36), 404),
    "20000-bytes": (_get("/v1/messages/" + "a" * 20_000), 404),
    "broken-ipv6": (_get("http://[/v1/messages"), 400),
    "with-spaces": (_get("/v1/messages/a b"), 400),
}

SMUGGLING: dict[str, tuple[Callable[[], bytes], int | None]] = {
    "length-and-coding": (_hidden("Content-Length: 4", "Transfer-Encoding: chunked"), 400),
    "two-lengths": (_hidden("Content-Length: 0", f"Content-Length: {len(HONEST)}", body=HONEST), 400),
    "two-equal-lengths": (_hidden("Content-Length: 5, 5", body=b"12345"), 400),
    "unknown-coding": (_hidden("Transfer-Encoding: xchunked"), 400),
    "coding-twice": (_hidden("Transfer-Encoding: chunked", "Transfer-Encoding: chunked"), 400),
    "coding-identity-then-chunked": (_hidden("Transfer-Encoding: identity, chunked"), 400),
    "coding-empty": (_hidden("Transfer-Encoding:", "Content-Length: 0", body=b""), 400),
    "coding-in-http-1.0": (
        lambda: post(HONEST, "Transfer-Encoding: chunked", line="POST /v1/messages HTTP/1.0"), 400,
    ),
    "coding-vertical-tab": (_hidden("Transfer-Encoding: \x0bchunked"), 400),
    "coding-space-before-colon": (_hidden("Transfer-Encoding : chunked"), 400),
    "folded": (lambda: post(HONEST, "X-A: 1\r\n Transfer-Encoding: chunked"), 400),
    "bare-lf": (lambda: (head("Content-Length: 0") + HIDDEN).replace(b"\r\n", b"\n"), CLOSED),
    "bare-lf-in-header": (_hidden("X-A: 1\nTransfer-Encoding: chunked"), 400),
    "bare-cr-in-header": (_hidden("X-A: 1\rTransfer-Encoding: chunked"), 400),
    "nul-in-header": (_hidden("X-A: 1\x00"), 400),
    "length-underscore": (lambda: head(f"Content_Length: {len(HONEST)}") + HONEST, 400),
    "length-negative": (_hidden("Content-Length: -1", body=b""), 400),
    "length-plus": (_hidden("Content-Length: +10", body=b""), 400),
    "length-hexadecimal": (_hidden("Content-Length: 0x10", body=b""), 400),
    "length-5000-digits": (_hidden("Content-Length: " + "9" * 5000, body=b""), 400),
    "length-100-gb": (_hidden("Content-Length: 100000000000", body=b""), 413),
    "length-too-long": (lambda: head("Content-Length: 1000") + HONEST, CLOSED),
    "chunk-no-number": (_chunks(b"xyz\r\n" + HONEST), 400),
    "chunk-negative": (_chunks(b"-1\r\n" + HONEST), 400),
    "chunk-hexadecimal-prefix": (_chunks(b"0x5\r\n" + HONEST), 400),
    "chunk-too-short": (_chunks(b"5\r\n" + HONEST + b"\r\n0\r\n\r\n"), 400),
    "chunk-line-without-end": (lambda: head("Transfer-Encoding: chunked") + b"0" * 5_000, 400),
    "chunk-trailer-without-end": (lambda: head("Transfer-Encoding: chunked") + b"0\r\nX-A: " + b"a" * 5_000, 400),
    "chunks-of-40-mb": (
        lambda: head("Transfer-Encoding: chunked") + (b"10000\r\n" + b" " * 65_536 + b"\r\n") * 640 + b"0\r\n\r\n", 413,
    ),
    "chunk-extension-bad": (_chunks(b"5;\x00=\x00\r\n12345\r\n0\r\n\r\n"), 400),
}  # fmt: skip

PROTOCOL: dict[str, tuple[Callable[[], bytes], int | None]] = {
    "http-0.9": (lambda: b"POST /v1/messages\r\n\r\n" + HIDDEN, 400),
    "http-3.0": (lambda: post(HONEST, line="POST /v1/messages HTTP/3.0"), 400),
    "http-lower-case": (lambda: post(HONEST, line="POST /v1/messages http/1.1"), 400),
    "http-2-preface": (lambda: b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 400),
    "tls-hello": (lambda: b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(64) + b"\r\n\r\n", 400),
    "method-unknown": (lambda: post(HONEST, line="BREW /v1/messages HTTP/1.1"), 405),
    "method-lower-case": (lambda: post(HONEST, line="post /v1/messages HTTP/1.1"), 400),
    "method-trace": (lambda: head(line="TRACE /v1/messages HTTP/1.1"), 405),
    "connect": (lambda: head(line="CONNECT evil.example:443 HTTP/1.1"), 404),
    "header-of-100-kb": (lambda: post(HONEST, "X-Big: " + "a" * 100_000), 431),
    "10000-headers": (lambda: post(HONEST, *(f"X-{i}: {i}" for i in range(10_000))), 431),
    "host-missing": (_with(Host=None), 400),
    "host-empty": (_with(Host=""), 400),
    "host-twice": (lambda: post(HONEST, "Host: y"), 400),
    "host-with-path": (_with(Host="x/../y"), 400),
    "host-with-user": (_with(Host="a@b"), 400),
    "expect-and-no-body": (lambda: head("Expect: 100-continue"), 400),
    "expect-and-never-a-body": (lambda: head("Expect: 100-continue", "Content-Length: 10"), CLOSED),
    "gzip-bomb": (lambda: post(gzip.compress(b" " * 100_000_000, 1), "Content-Encoding: gzip"), 415),
    "gzip-and-identity": (lambda: post(HONEST, "Content-Encoding: identity, gzip"), 415),
    "brotli": (lambda: post(HONEST, "Content-Encoding: br"), 415),
    "40-mb": (lambda: post(HONEST + b" " * 40_000_000), 413),
    "no-content-type": (_with(Content_Type=None), 415),
    "text": (_with(Content_Type="text/plain"), 415),
    "form": (_with(Content_Type="application/x-www-form-urlencoded"), 415),
    "two-content-types": (_with(Content_Type="application/json, text/html"), 415),
    "charset-utf-16": (_with(Content_Type="application/json; charset=utf-16"), 415),
    "charset-utf-7": (_with(Content_Type="application/json; charset=utf-7"), 415),
    "no-key": (_with(Authorization=None), 401),
    "empty-key": (_with(Authorization="Bearer "), 401),
    "basic": (_with(Authorization=f"Basic {KEY}"), 401),
    "two-keys": (lambda: post(HONEST, "Authorization: Bearer other"), 401),
    "key-longer": (_with(Authorization=f"Bearer {KEY}x"), 401),
    "key-not-ascii": (_with(Authorization="Bearer \xfc\xff"), 401),
    "key-of-20000-bytes": (_with(Authorization="Bearer " + "a" * 20_000), 401),
    "key-and-comma": (_with(Authorization=f"Bearer {KEY},{KEY}"), 401),
}  # fmt: skip

# A server that stops reading in the middle may take its answer with it.
_CUT = (413, 431)

CASES = [
    Case(id=f"{kind}-{name}", data=data, answers=(status, CLOSED) if status in _CUT else (status,))
    for kind, group in (
        ("json", JSON), ("injection", INJECTIONS), ("path", PATHS), ("smuggling", SMUGGLING), ("http", PROTOCOL),
    )
    for name, (data, status) in group.items()
]  # fmt: skip
