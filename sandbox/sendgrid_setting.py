"""SendGrid's rules for settings of mail, tracking and account."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from sandbox.sendgrid_problem import Problem, is_integer, is_text

_Parameters = dict[str, tuple[type, str]]

_BYPASS: _Parameters = {"enable": (bool, "The bypass list management enable param should be a boolean value.")}
_GANALYTICS = "The Google Analytics {} must be a string value."

# Section, setting, parameter: its type and what is said when it has another.
_SETTINGS: dict[str, dict[str, _Parameters]] = {
    "mail_settings": {
        "bypass_list_management": _BYPASS,
        # These three are younger than the catalogue of errors and have no text of their own.
        "bypass_spam_management": _BYPASS,
        "bypass_bounce_management": _BYPASS,
        "bypass_unsubscribe_management": _BYPASS,
        "footer": {
            "enable": (bool, "The footer enable param should be a boolean value."),
            "text": (str, "The text/plain version of your footer should be a string."),
            "html": (str, "The text/html version of your footer should be a string."),
        },
        "sandbox_mode": {"enable": (bool, "The sandbox mode enable param should be a boolean value.")},
    },
    "tracking_settings": {
        "click_tracking": {
            "enable": (bool, "The click tracking enable param should be a boolean value."),
            "enable_text": (bool, "The click tracking enable text must be a boolean value."),
        },
        "open_tracking": {
            "enable": (bool, "The open tracking enable param should be a boolean value."),
            "substitution_tag": (str, "The open tracking substitution tag must be a string."),
        },
        "subscription_tracking": {
            "enable": (bool, "The subscription tracking enable param should be a boolean value."),
            "text": (
                str,
                "The subscription tracking unsubscribe content for text/plain messages must be a string.",
            ),
            "html": (str, "The subscription tracking unsubscribe content for text/html messages must be a string."),
            "substitution_tag": (str, "The subscription tracking substitution tag must be a string value."),
        },
        "ganalytics": {
            "enable": (bool, "The Google Analytics enable param must be a boolean value."),
            **{
                name: (str, _GANALYTICS.format(name))
                for name in ("utm_source", "utm_medium", "utm_term", "utm_content", "utm_campaign")
            },
        },
    },
}


def check_settings(payload: dict[str, Any]) -> Iterator[Problem]:
    """Report what is wrong with settings, and with ids of things that the sandbox's account does not have."""
    for section, settings in _SETTINGS.items():
        if section in payload:
            yield from _check_section(payload[section], settings, section)
    yield from _check_asm(payload)
    yield from _check_account(payload)


def _check_section(value: object, settings: dict[str, _Parameters], field: str) -> Iterator[Problem]:
    if not isinstance(value, dict) or not value:
        yield Problem("Bad Request", field)
        return
    for name, parameters in settings.items():
        if name in value:
            yield from _check_setting(value[name], parameters, f"{field}.{name}")


def _check_setting(value: object, parameters: _Parameters, field: str) -> Iterator[Problem]:
    if not isinstance(value, dict) or not value:
        yield Problem(parameters["enable"][1], f"{field}.enable")
        return
    for name, (kind, message) in parameters.items():
        if name in value and not isinstance(value[name], kind):
            yield Problem(message, f"{field}.{name}")


def _check_asm(payload: dict[str, Any]) -> Iterator[Problem]:
    if "asm" not in payload:
        return
    asm = payload["asm"] if isinstance(payload["asm"], dict) else {}
    group = asm.get("group_id")
    if not is_integer(group):
        yield Problem("The ASM group ID must be an integer.", "asm.group_id")
    else:
        yield Problem(
            f"The ASM group ID must be a valid Group ID on your account. You provided [{group}].", "asm.group_id"
        )
    shown = asm.get("groups_to_display", [])
    if not isinstance(shown, list) or not all(is_integer(g) for g in shown):
        yield Problem("The ASM Group IDs to display must be an array of integers.", "asm.groups_to_display")
    elif len(shown) > 25:
        yield Problem(
            "There is a limit of 25 unsubscribe groups that can be displayed to a user at a time.",
            "asm.groups_to_display",
        )


def _check_account(payload: dict[str, Any]) -> Iterator[Problem]:
    template, pool = payload.get("template_id"), payload.get("ip_pool_name")
    if "template_id" in payload and not isinstance(template, str):
        yield Problem(f"The template ID must be a string, you provided [{template}].", "template_id")
    elif "template_id" in payload:
        yield Problem(
            f"The Template ID must be a valid template id for your account. You provided [{template}].", "template_id"
        )
    if "ip_pool_name" in payload and not isinstance(pool, str):
        yield Problem("The name of your IP pool must be a string.", "ip_pool_name")
    elif "ip_pool_name" in payload:
        yield Problem(
            f"The IP Pool name must be a valid pool name for your account. You provided [{pool}].", "ip_pool_name"
        )
    if "batch_id" in payload and not is_text(payload["batch_id"]):
        yield Problem("The batch_id must be a string.", "batch_id")
