"""What SendGrid refuses, in its own words.

Sources: https://www.twilio.com/docs/sendgrid/api-reference/mail-send/errors and .../mail-send/limitations. Every rule
reports; none stops another. Where the documents name a limit but no text, the nearest text is used.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Any

from sandbox.sendgrid_body import check_body
from sandbox.sendgrid_person import check_person, check_personalizations
from sandbox.sendgrid_problem import Problem, is_text
from sandbox.sendgrid_setting import check_settings


def check(payload: object, now: datetime) -> list[Problem]:
    """Return all that is wrong with the parsed body of `POST /v3/mail/send`; nothing for a valid one."""
    if not isinstance(payload, dict):
        return [Problem("Bad Request", None)]
    problems = [
        *check_personalizations(payload, now),
        *_check_from(payload),
        *_check_reply_to(payload),
        *_check_subject(payload),
        *check_body(payload, now),
        *check_settings(payload),
    ]
    return list(dict.fromkeys(problems))


def _check_from(payload: dict[str, Any]) -> Iterator[Problem]:
    if "from" not in payload:
        yield Problem(
            "The from object must be provided for every email send. It is an object that requires the email"
            ' parameter, but may also contain a name parameter. e.g. {"email": "example@example.com"} or'
            ' {"email": "example@example.com", "name": "Example Recipient"}',
            "from",
        )
    else:
        yield from check_person(payload["from"], "from", "from")


def _check_reply_to(payload: dict[str, Any]) -> Iterator[Problem]:
    if "reply_to" in payload:
        yield from check_person(payload["reply_to"], "reply_to", "reply_to")
    if "reply_to_list" not in payload:
        return
    if "reply_to" in payload:
        # The documents' rule; they give no text for it.
        yield Problem("reply_to_list is mutually exclusive with the reply_to property.", "reply_to_list")
    people = payload["reply_to_list"]
    if not isinstance(people, list) or not 1 <= len(people) <= 1000:
        yield from check_person(None, "reply_to", "reply_to_list")
        return
    for position, person in enumerate(people):
        yield from check_person(person, "reply_to", f"reply_to_list.{position}")
        if person in people[:position]:
            yield from check_person(None, "reply_to", f"reply_to_list.{position}")


def _check_subject(payload: dict[str, Any]) -> Iterator[Problem]:
    if "subject" in payload:
        if not is_text(payload["subject"]):
            yield Problem("The subject of your email must be a string at least one character in length.", "subject")
        return
    personalizations = payload.get("personalizations")
    blocks = personalizations if isinstance(personalizations, list) else []
    everywhere = bool(blocks) and all(isinstance(b, dict) and "subject" in b for b in blocks)
    if not everywhere and "template_id" not in payload:
        yield Problem(
            "The subject is required. You can get around this requirement if you use a template with a subject"
            " defined or if every personalization has a subject defined.",
            "subject",
        )
