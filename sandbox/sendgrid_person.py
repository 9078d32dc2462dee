"""SendGrid's rules for who a mail is from and to."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import datetime
from typing import Any

from sandbox.address import MAX_LENGTH, is_email
from sandbox.sendgrid_header import check_args, check_headers, check_send_at
from sandbox.sendgrid_problem import Problem, is_text, is_text_map

MAX_RECIPIENTS = 1000
MAX_ARGS_BYTES = 10_000
MAX_SUBSTITUTIONS_BYTES = 10_000

_EXAMPLE = (
    " must at least have an email parameter with a valid email address and it may also contain a name parameter. e.g."
    ' {"email": "example@example.com"} or {"email": "example@example.com", "name": "Example Recipient"}'
)
_INVALID = {
    "to": "The to array" + _EXAMPLE,
    "cc": "The cc array, when used," + _EXAMPLE,
    "bcc": "The bcc array, when used," + _EXAMPLE,
    "from": "The from object" + _EXAMPLE.replace("and it may", "and may"),
    "reply_to": "The reply_to object, when used," + _EXAMPLE,
}
_LABEL = {"to": "To", "cc": "CC", "bcc": "BCC", "from": "From", "reply_to": "Reply-To"}


def check_person(value: object, role: str, field: str) -> Iterator[Problem]:
    """Report what is wrong with one `{"email", "name"}`; a name is left out rather than null or empty."""
    if not isinstance(value, dict) or ("name" in value and not is_text(value["name"])):
        yield Problem(_INVALID[role], field)
    elif isinstance(value.get("email"), str) and len(value["email"]) > MAX_LENGTH:
        yield Problem(f"The {_LABEL[role]} email exceeds the maximum total length of 320 characters", f"{field}.email")
    elif not isinstance(value.get("email"), str) or not is_email(value["email"]):
        yield Problem(_INVALID[role], f"{field}.email")


def check_personalizations(payload: dict[str, Any], now: datetime) -> Iterator[Problem]:
    """Report what is wrong with the recipients and all that is said for each block of them."""
    blocks = payload.get("personalizations")
    if not isinstance(blocks, list) or not blocks:
        yield Problem("You must have at least one personalization.", "personalizations")
        return
    if len(blocks) > MAX_RECIPIENTS:
        yield Problem(
            "The personalization block is limited to 1000 personalizations per API request. You have provided"
            f" {len(blocks)} personalizations. Please consider splitting this into multiple requests and resending"
            " your request.",
            "personalizations",
        )
    if sum(len(_addresses(block)) for block in blocks) > MAX_RECIPIENTS:
        yield Problem("There is a limit of 1000 total recipients (to + cc + bcc) per request.", "personalizations")
    for position, block in enumerate(blocks):
        yield from _check_block(block, payload, f"personalizations.{position}", now)


def _check_block(block: object, payload: dict[str, Any], field: str, now: datetime) -> Iterator[Problem]:
    if not isinstance(block, dict) or "to" not in block:
        yield Problem("The to parameter is required for all personalization objects.", f"{field}.to")
        return
    for role in ("to", "cc", "bcc"):
        if role in block:
            yield from _check_people(block[role], role, f"{field}.{role}")
    yield from _check_duplicates(block, field)
    if "from" in block:
        yield from check_person(block["from"], "from", f"{field}.from")
    if "subject" in block and not is_text(block["subject"]):
        yield Problem(
            "The subject of your email must be a string at least one character in length.", f"{field}.subject"
        )
    if "headers" in block:
        yield from check_headers(block["headers"], f"{field}.headers")
    if "send_at" in block:
        yield from check_send_at(block["send_at"], f"{field}.send_at", now)
    yield from _check_args(block, payload, field)
    yield from _check_substitutions(block, field)


def _check_people(people: object, role: str, field: str) -> Iterator[Problem]:
    if not isinstance(people, list) or not people:
        yield Problem(_INVALID[role], field)
        return
    for position, person in enumerate(people):
        yield from check_person(person, role, f"{field}.{position}")


def _check_duplicates(block: dict[str, Any], field: str) -> Iterator[Problem]:
    seen: set[str] = set()
    for address in _addresses(block):
        if address.lower() in seen:
            yield Problem(
                "Each unique email address in the personalizations array should only be included once. You have"
                f" included [{address}] more than once.",
                field,
            )
        seen.add(address.lower())


def _addresses(block: object) -> list[str]:
    if not isinstance(block, dict):
        return []
    lists = [block[role] for role in ("to", "cc", "bcc") if isinstance(block.get(role), list)]
    people = [person for people in lists for person in people if isinstance(person, dict)]
    return [person["email"] for person in people if isinstance(person.get("email"), str)]


def _check_args(block: dict[str, Any], payload: dict[str, Any], field: str) -> Iterator[Problem]:
    if "custom_args" in block:
        yield from check_args(block["custom_args"], f"{field}.custom_args")
    parts = [owner["custom_args"] for owner in (payload, block) if is_text_map(owner.get("custom_args"))]
    merged = {name: value for part in parts for name, value in part.items()}
    if len(json.dumps(merged, ensure_ascii=False).encode("utf-8", "replace")) > MAX_ARGS_BYTES:
        yield Problem(
            "The combined size of both global and personalization custom arguments may not exceed 10,000 bytes per"
            " personalization.",
            f"{field}.custom_args",
        )


def _check_substitutions(block: dict[str, Any], field: str) -> Iterator[Problem]:
    if "substitutions" in block:
        values = block["substitutions"]
        if not is_text_map(values):
            yield Problem(
                "The substitution values must be an object of key/value pairs, where the values are all strings.",
                f"{field}.substitutions",
            )
        elif len(json.dumps(values, ensure_ascii=False).encode("utf-8", "replace")) > MAX_SUBSTITUTIONS_BYTES:
            yield Problem("You are limited to 10,000 substitutions.", f"{field}.substitutions")
    if "dynamic_template_data" in block and not isinstance(block["dynamic_template_data"], dict):
        yield Problem("Bad Request", f"{field}.dynamic_template_data")
