"""SendGrid's rules for content, attachments and what labels a message."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from datetime import datetime
from typing import Any

from sandbox.sendgrid_header import check_args, check_headers, check_send_at
from sandbox.sendgrid_problem import Problem, has_break, is_text, is_text_map

MAX_CATEGORIES = 10
MAX_CATEGORY = 255

_ORDER = {"text/plain": 0, "text/html": 1}
_NO_FILE = "The attachment content must be a string at least one character in length."


def check_body(payload: dict[str, Any], now: datetime) -> Iterator[Problem]:
    """Report what is wrong with content, attachments, categories, headers, custom_args, sections and send_at."""
    yield from _check_content(payload)
    if "attachments" in payload:
        yield from _check_attachments(payload["attachments"])
    if "categories" in payload:
        yield from _check_categories(payload["categories"])
    if "headers" in payload:
        yield from check_headers(payload["headers"], "headers")
    if "custom_args" in payload:
        yield from check_args(payload["custom_args"], "custom_args")
    if "sections" in payload and not is_text_map(payload["sections"]):
        yield Problem("The section values must be strings.", "sections")
    if "send_at" in payload:
        yield from check_send_at(payload["send_at"], "send_at", now)


def _check_content(payload: dict[str, Any]) -> Iterator[Problem]:
    if "content" not in payload:
        if "template_id" not in payload:
            yield Problem(
                "The content param is required unless you are using a transactional template and have defined a"
                " template_ID.",
                "content",
            )
        return
    blocks = payload["content"]
    if not isinstance(blocks, list) or not blocks:
        yield Problem(
            "There must be at least one defined content block. We typically suggest both text/plain and text/html"
            " blocks are included, but only one block is required.",
            "content",
        )
        return
    for position, block in enumerate(blocks):
        yield from _check_block(block if isinstance(block, dict) else {}, f"content.{position}")
    yield from _check_order([b["type"] for b in blocks if isinstance(b, dict) and is_text(b.get("type"))])


def _check_block(block: dict[str, Any], field: str) -> Iterator[Problem]:
    if "type" not in block:
        yield Problem("A content type is required, this tells email clients how to display the email.", f"{field}.type")
    elif not is_text(block["type"]):
        yield Problem("Your content type must be a string with length of at least one character.", f"{field}.type")
    elif has_break(block["type"]):
        yield Problem("Cannot contain ';', or CRLF characters.", f"{field}.type")
    if "value" not in block:
        yield Problem(
            "A content value is required, this is the content of the email you are sending.", f"{field}.value"
        )
    elif not is_text(block["value"]):
        yield Problem("The content value must be a string at least one character in length.", f"{field}.value")


def _check_order(types: list[str]) -> Iterator[Problem]:
    ranks = [_ORDER.get(kind.partition(";")[0].lower(), 2) for kind in types]
    if ranks != sorted(ranks):
        yield Problem(
            "Following RFC 1341, section 7.2, if either text/html or text/plain are to be sent in your email:"
            " text/plain needs to be first, followed by text/html, followed by any other content.",
            "content",
        )


def _check_attachments(value: object) -> Iterator[Problem]:
    if not isinstance(value, list) or not value:
        yield Problem(_NO_FILE, "attachments")
        return
    for position, file in enumerate(value):
        yield from _check_file(file if isinstance(file, dict) else {}, f"attachments.{position}")


def _check_file(file: dict[str, Any], field: str) -> Iterator[Problem]:
    content = file.get("content")
    if not is_text(content):
        yield Problem(_NO_FILE, f"{field}.content")
    elif not _is_base64(content):
        yield Problem("The attachment content must be base64 encoded.", f"{field}.content")
    yield from _check_filename(file, field)
    if "type" in file and not is_text(file["type"]):
        yield Problem("The attachment type must be a string and at least one character in length.", f"{field}.type")
    elif "type" in file and has_break(file["type"]):
        yield Problem("The type cannot contain ';', or CRLF characters.", f"{field}.type")
    if "disposition" in file and file["disposition"] not in ("inline", "attachment"):
        yield Problem(
            'The disposition of your attachment can be either "inline" or "attachment". You provided'
            f" [{file['disposition']}].",
            f"{field}.disposition",
        )
    if "content_id" in file:
        yield from _check_content_id(file["content_id"], f"{field}.content_id")


def _check_filename(file: dict[str, Any], field: str) -> Iterator[Problem]:
    if "filename" not in file:
        yield Problem("filename is required.", f"{field}.filename")
    elif not is_text(file["filename"]):
        yield Problem("The filename of your attachment must be a string.", f"{field}.filename")
    elif has_break(file["filename"]):
        yield Problem("The filename of your attachment cannot contain CRLF characters.", f"{field}.filename")


def _check_content_id(value: object, field: str) -> Iterator[Problem]:
    if not is_text(value):
        yield Problem(f"The content ID of your attachment must be a string. You provided [{value}].", field)
    elif has_break(value) or "<" in value or ">" in value:
        # SendGrid adds the angle brackets; with its own ones a content id is never found.
        yield Problem("The content ID of your attachment cannot contain CRLF characters.", field)


def _is_base64(value: str) -> bool:
    try:
        base64.b64decode(value, validate=True)
    except ValueError:
        return False
    return True


def _check_categories(value: object) -> Iterator[Problem]:
    if not isinstance(value, list) or not value or not all(isinstance(c, str) for c in value):
        yield Problem("Categories must be an array of strings.", "categories")
        return
    if len(value) > MAX_CATEGORIES:
        yield Problem(
            f"There is a limit of 10 categories for each email that is sent. You provided {len(value)} categories.",
            "categories",
        )
    for position, category in enumerate(value):
        if len(category) > MAX_CATEGORY:
            yield Problem(
                f"Each category must not be longer than 255 characters. [{category}] exceeds this limit", "categories"
            )
        if category in value[:position]:
            yield Problem(
                f"The categories must be a unique list, and you have included [{category}] more than once.",
                "categories",
            )
        if not category.isascii():
            yield Problem("Categories can not contain non-ASCII characters.", "categories")
