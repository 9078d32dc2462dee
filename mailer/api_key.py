"""API keys and the projects that own them: what they look like and what they allow. Pure."""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets
import string
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from ipaddress import IPv4Network, IPv6Address, IPv6Network, ip_address

from mailer.resource import Scope

# The project that is there from the beginning.
DEFAULT_PROJECT = "default"

# `mlr_live_` or `mlr_test_`, then letters and digits: some to find it by, the others are the secret (190 bits).
_FORM = re.compile(r"(mlr_(?:live|test)_[0-9A-Za-z]{12})[0-9A-Za-z]{32}")
_LETTERS = string.digits + string.ascii_letters


@dataclass(frozen=True, slots=True, kw_only=True)
class Project:
    """Who owns messages, keys and settings.

    Attributes:
        from_domains: the domains that may be sent from, and their subdomains; none: any.
    """

    id: str
    created_at: datetime
    from_domains: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class ApiKey:
    """An API key, without the secret.

    Attributes:
        prefix: its beginning, which is no secret.
        digest: SHA-256 of the whole. Nothing slower is needed: it is random, and nobody guesses 190 bits.
        from_domains: narrower than the project's, none: those.
        of_project: the project's `from_domains`.
        rate: e.g. `600/minute`; None: the service's default.
    """

    id: str
    project_id: str
    name: str
    prefix: str
    digest: bytes
    test: bool
    scopes: frozenset[Scope]
    from_domains: tuple[str, ...] = ()
    of_project: tuple[str, ...] = ()
    networks: tuple[IPv4Network | IPv6Network, ...] = ()
    rate: str | None = None
    created_at: datetime
    expires_at: datetime | None = None
    revoked_at: datetime | None = None
    last_used_at: datetime | None = None

    def holds(self, *, now: datetime) -> bool:
        """Tell whether it has neither been revoked nor expired."""
        return self.revoked_at is None and (self.expires_at is None or now < self.expires_at)

    def may(self, scope: Scope) -> bool:
        """Tell whether it may do something of this scope."""
        return bool(self.scopes & {scope, Scope.ADMIN})

    def may_send_from(self, domain: str) -> bool:
        """Tell whether it may send from this domain."""
        return covers(self.from_domains, domain) and covers(self.of_project, domain)

    def may_be_used_from(self, address: str | None) -> bool:
        """Tell whether it may be used from this IP address."""
        if not self.networks:
            return True
        try:
            ip = ip_address(address or "")
        except ValueError:
            return False
        if isinstance(ip, IPv6Address) and ip.ipv4_mapped is not None:
            ip = ip.ipv4_mapped
        return any(ip in network for network in self.networks)


def covers(domains: Iterable[str], domain: str) -> bool:
    """Tell whether a domain is one of these, or below one; where there are none, any is."""
    given = tuple(domains)
    return not given or any(domain == d or domain.endswith("." + d) for d in given)


def issue(*, test: bool) -> tuple[str, str]:
    """Return a new key and its prefix."""
    prefix = f"mlr_{'test' if test else 'live'}_" + _random(12)
    return prefix + _random(32), prefix


def prefix_of(token: str) -> str | None:
    """Return what a key is found by; None if this does not look like one of ours."""
    found = _FORM.fullmatch(token)
    return found[1] if found else None


def digest(token: str) -> bytes:
    """Return what is stored of a key."""
    return hashlib.sha256(token.encode("utf-8", "surrogateescape")).digest()


def same(token: str, stored: bytes) -> bool:
    """Tell in constant time whether this is the key that was stored."""
    return hmac.compare_digest(digest(token), stored)


def _random(length: int) -> str:
    return "".join(secrets.choice(_LETTERS) for _ in range(length))
