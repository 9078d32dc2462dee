"""The composition root: settings to listeners."""

from __future__ import annotations

import random
from datetime import UTC, datetime

from sandbox import mailgun, sendgrid
from sandbox.control import Control
from sandbox.database import Database
from sandbox.fault import Fault
from sandbox.inbox import Inbox
from sandbox.page import Page
from sandbox.provider import Front
from sandbox.server import Listener
from sandbox.setting import MAILGUN_HOST, PAGE_HOST, SENDGRID_HOST, Settings
from sandbox.suppression import Suppressions
from sandbox.switchboard import Switchboard
from sandbox.webhook import Webhooks
from sandbox.wire import Request, Response


class Sandbox:
    """Three listeners over one inbox and one switchboard."""

    def __init__(self, settings: Settings) -> None:
        database = Database(settings.directory / "sandbox.db")
        inbox = Inbox(database, _now)
        self._switches = Switchboard(database, random.random)
        lists = Suppressions(database, _now)
        webhooks = Webhooks(settings)
        tells = (lists.add, webhooks.tell)
        self._control = Control(inbox, self._switches, webhooks)
        self._page = Page(inbox)
        self._sendgrid = Front(sendgrid.SendGrid(settings.sendgrid_key, _now, lists), self._switches, inbox, tells)
        self._mailgun = Front(
            mailgun.Mailgun(settings.mailgun_key, settings.mailgun_domain, _now, inbox, lists),
            self._switches,
            inbox,
            tells,
        )
        self._listener = Listener(PAGE_HOST, settings.port, self._everything)
        self._listeners = {
            "sendgrid": Listener(SENDGRID_HOST, settings.port, self._sendgrid),
            "mailgun": Listener(MAILGUN_HOST, settings.port, self._mailgun),
        }

    def start(self) -> None:
        """Open every listener that no switch keeps closed. Raises OSError when an address is taken."""
        self._listener.open()
        for name in self._listeners:
            self._follow(name, self._switches.fault(name))
        self._switches.watch(self._follow)

    def _follow(self, provider: str, fault: Fault | None) -> None:
        listener = self._listeners[provider]
        if fault is not None and fault.mode == "refuse":
            listener.close()
        else:
            listener.open()

    def _everything(self, request: Request) -> Response:
        if sendgrid.owns(request.path):
            return self._sendgrid(request)
        if request.path.startswith("/v3/"):
            return self._mailgun(request)
        return self._control(request) or self._page(request)


def _now() -> datetime:
    return datetime.now(UTC)
