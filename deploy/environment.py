"""The environment that `make run` gives to its programs: what was given, and what it decides itself."""

from __future__ import annotations

import os
import shlex
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from deploy import secret
from deploy.broker import Broker
from deploy.local.port import LOOPBACK
from deploy.place import MAILGUN, ROOT, SENDGRID, Place
from sandbox import webhook_key

KEYS = ("SENDGRID_API_KEY", "MAILGUN_API_KEY")

# What a client or the command line in another terminal needs to know, of all that is decided here.
FOR_CLIENTS = (
    *("MAILER_VAR", "MAILER_URL", "MAILER_API_KEY", "MAILER_FROM"),
    *("CELERY_BROKER_URL", "MAILER_BROKER_DIR", "DATABASE_URL"),
    *("SENDGRID_API_KEY", "MAILER_SENDGRID_URL", "MAILGUN_API_KEY", "MAILGUN_DOMAIN", "MAILER_MAILGUN_URL"),
)


def wants_sandbox(environ: Mapping[str, str] = os.environ) -> bool:
    """True without a real key: then the sandbox answers for both providers."""
    return not any(environ.get(key) for key in KEYS)


@dataclass(frozen=True, kw_only=True)
class Environment:
    """The programs' whole environment, and the part of it that we decided."""

    decided: Mapping[str, str]
    given: Mapping[str, str]

    @classmethod
    def build(cls, place: Place, broker: Broker, given: Mapping[str, str] = os.environ) -> Environment:
        """What is given wins, except for the ports' and the broker's own words."""
        defaults = {
            "DATABASE_URL": f"sqlite:///{place.var}/mailer.db",
            "MAILER_BIND": place.bind,
            "FLOWER_ADDRESS": LOOPBACK,
            "FLOWER_UNAUTHENTICATED_API": "true",
            "FLOWER_PERSISTENT": "true",
            "FLOWER_DB": f"{place.var}/flower",
            "PYTHONUNBUFFERED": "1",
            # Below the 18 s after which supervisord kills (deploy/program.py).
            "MAILER_SHUTDOWN_SECONDS": "13",
        }
        if wants_sandbox(given):
            defaults |= _sandbox(place)
        decided = {name: given.get(name) or value for name, value in defaults.items()}
        decided |= {
            "PATH": f"{Path(sys.executable).parent}{os.pathsep}{given.get('PATH', os.defpath)}",
            "CELERY_BROKER_URL": broker.url,
            "MAILER_API_KEY": _api_key(place, given),
            "MAILER_URL": place.api,
            "MAILER_VAR": str(place.var),
            "PORT": str(place.port),
            "FLOWER_PORT": str(place.flower_port),
            "MAILER_SANDBOX_PORT": str(place.sandbox_port),
            **broker.environment,
        }
        return cls(decided=decided, given=given)

    @property
    def whole(self) -> dict[str, str]:
        """For the programs."""
        return {**self.given, **self.decided}

    def write(self, path: Path) -> None:
        """What another terminal needs, for `set -a; . FILE; set +a`. Holds keys: mode 0600."""
        known = self.whole
        lines = [f"{name}={shlex.quote(known[name])}\n" for name in FOR_CLIENTS if known.get(name)]
        # So that `python` is the one that has everything installed.
        lines.append(f'PATH={shlex.quote(str(Path(sys.executable).parent))}:"$PATH"\n')
        secret.write(path, f"# Written by make run in {ROOT}; sourced by a shell.\n" + "".join(lines))


def _sandbox(place: Place) -> dict[str, str]:
    return {
        "SENDGRID_API_KEY": secret.keep(place.var / "sandbox" / "sendgrid_api_key"),
        "MAILGUN_API_KEY": secret.keep(place.var / "sandbox" / "mailgun_api_key"),
        "MAILGUN_DOMAIN": "sandbox.example",
        "MAILER_SENDGRID_URL": f"http://{SENDGRID}:{place.sandbox_port}",
        "MAILER_MAILGUN_URL": f"http://{MAILGUN}:{place.sandbox_port}",
        "MAILER_FROM": "Mailer <hello@sandbox.example>",
        # What the sandbox signs its webhooks with, for the API to check; and where it sends them.
        "SENDGRID_WEBHOOK_KEY": webhook_key.sendgrid_public(place.var / "sandbox"),
        "MAILGUN_WEBHOOK_KEY": webhook_key.mailgun(place.var / "sandbox"),
        "MAILER_SANDBOX_WEBHOOKS": place.api,
        # For trying callbacks out: an application that listens on this machine.
        "MAILER_CALLBACK_LOCALHOST": "1",
    }


def _api_key(place: Place, given: Mapping[str, str]) -> str:
    """Also a given one lies in the file: the curl line reads it from there."""
    path = place.var / "api_key"
    if key := given.get("MAILER_API_KEY"):
        secret.write(path, key + "\n")
    return secret.keep(path)
