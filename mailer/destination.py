"""Where a callback may go: to the public internet, and nowhere inside.

Two questions, asked at two moments: may this URL be registered (`destination`), and may this address, which its name
has just resolved to, be connected to (`may_connect`). The second one is what protects; the first tells people early.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network

import idna

from mailer.errors import ForbiddenDestination

LONGEST = 2000
PORTS = frozenset({443, 8443})

_DEFAULT_PORT = {"https": 443, "http": 80}

_URL = re.compile(r"([a-z][a-z0-9+.-]*)://([^/?]*)(.*)", re.IGNORECASE)
_AUTHORITY = re.compile(r"(\[[^\[\]]*\]|[^\[\]:]*)(?::([0-9]{1,5}))?")
_LABEL = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?")
# What inet_aton takes for a number; a name whose last label is one would be read as an address (WHATWG URL).
_NUMBER = re.compile(r"[0-9]+|0x[0-9a-f]*")
# Names that mean something only inside: RFC 6761, RFC 6762, RFC 8375, RFC 9476 and what people and clouds use besides.
_INSIDE = re.compile(
    r"(?:.*\.)?(?:localhost|localdomain|local|internal|intranet|private|corp|home|lan|svc|home\.arpa|alt|onion)"
)

# Allowed is what is global unicast: these ranges (IANA's address space registries) without the special ones below.
_UNICAST = [ip_network(net) for net in ("0.0.0.0/1", "128.0.0.0/2", "192.0.0.0/3", "2000::/3")]
_LOOPBACK = [ip_network(net) for net in ("127.0.0.0/8", "::1/128")]
# IANA's special-purpose registries. Python's `is_global` knows most of them, more with each version.
_SPECIAL = [
    ip_network(net)
    for net in (
        "0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16", "172.16.0.0/12", "192.0.0.0/24",
        "192.0.2.0/24", "192.31.196.0/24", "192.52.193.0/24", "192.88.99.0/24", "192.168.0.0/16", "192.175.48.0/24",
        "198.18.0.0/15", "198.51.100.0/24", "203.0.113.0/24",
        # Azure's metadata and agent endpoint: a public address that every machine there reaches.
        "168.63.129.16/32",
        # Teredo, ORCHID, benchmarking and the rest of IETF's; documentation; 6to4; AS112.
        "2001::/23", "2001:db8::/32", "3fff::/20", "2002::/16", "2620:4f:8000::/48",
    )
]  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Destination:
    """A URL as it was read, once: whoever connects goes by this, so no second reading can differ from the first.

    Attributes:
        scheme: `https`, or `http` to this machine.
        host: in ASCII and lower case; an IPv6 address without brackets.
        port: always a number.
        target: path and query, for the request line.
    """

    scheme: str
    host: str
    port: int
    target: str

    @property
    def is_address(self) -> bool:
        """Whether the host is an IP address rather than a name."""
        return _address(self.host) is not None

    @property
    def authority(self) -> str:
        """The Host header."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == _DEFAULT_PORT[self.scheme] else f"{host}:{self.port}"


def destination(url: str, *, ports: Collection[int] = PORTS, localhost: bool = False) -> Destination:
    """Return what a URL says, if callbacks may go there.

    Args:
        url: as the application gave it.
        ports: that it may name.
        localhost: the development switch: this machine is allowed too, over http and at any port.

    Raises:
        ForbiddenDestination: they may not; the text says why.
    """
    scheme, authority, target = _parts(url)
    if "@" in authority:
        raise ForbiddenDestination("may not contain a user name or password")
    split = _AUTHORITY.fullmatch(authority)
    if split is None:
        raise ForbiddenDestination("has a malformed host or port")
    host = _host(split[1])
    if scheme not in _DEFAULT_PORT:
        raise ForbiddenDestination("must begin with https://")
    port = int(split[2]) if split[2] else _DEFAULT_PORT[scheme]
    if not (localhost and _is_here(host)):
        _refuse_inside(host)
        if scheme != "https":
            raise ForbiddenDestination("must begin with https://")
        if port not in ports:
            raise ForbiddenDestination(f"must use one of the ports {', '.join(map(str, sorted(ports)))}")
    elif not 0 < port < 65536:
        raise ForbiddenDestination("has a malformed host or port")
    return Destination(scheme=scheme, host=host, port=port, target=target if target.startswith("/") else f"/{target}")


def may_connect(address: str, *, localhost: bool = False) -> bool:
    """Tell whether this address, as a resolver wrote it, is global unicast, and so is every IPv4 address inside it.

    Args:
        address: IPv4 or IPv6; whatever else it is, it may not.
        localhost: the development switch: loopback addresses may too.
    """
    found = _address(address)
    return found is not None and (_is_global(found) or (localhost and _is_loopback(found)))


def _parts(url: str) -> tuple[str, str, str]:
    """Return scheme, authority and the rest. What parsers disagree about is refused before it is parsed."""
    if len(url) > LONGEST:
        raise ForbiddenDestination(f"must be at most {LONGEST:,} characters long")
    if " " in url or not url.isprintable():
        raise ForbiddenDestination("may not contain spaces, line breaks or invisible characters")
    if "\\" in url:
        raise ForbiddenDestination("may not contain a backslash")
    if "#" in url:
        raise ForbiddenDestination("may not have a fragment (#)")
    split = _URL.fullmatch(url)
    if split is None:
        raise ForbiddenDestination("must be a whole URL, such as https://example.com/callbacks")
    if not split[3].isascii():
        raise ForbiddenDestination("must have its path and query in ASCII, percent-encoded where needed")
    return split[1].lower(), split[2], split[3]


def _host(given: str) -> str:
    """Return the host that will really be connected to: in ASCII, after what IDNA makes of it."""
    if "%" in given:
        raise ForbiddenDestination("may not have a percent sign in its host")
    if given.startswith("["):
        address = _address(given[1:-1])
        if not isinstance(address, IPv6Address):
            raise ForbiddenDestination("has a malformed IPv6 address")
        return str(address)
    host = given.lower() if given.isascii() else _ascii(given)
    if host.endswith("."):
        raise ForbiddenDestination("may not have a dot at the end of its host")
    if _NUMBER.fullmatch(host.rpartition(".")[2]):
        # Only as it is usually written, and not in digits that IDNA has made out of something else.
        if given != host or _address(host) is None:
            raise ForbiddenDestination("must write an IP address as four decimal numbers")
        return host
    if len(host) > 253 or not all(_LABEL.fullmatch(label) for label in host.split(".")):
        raise ForbiddenDestination("has a host that is not a valid name")
    return host


def _ascii(name: str) -> str:
    try:
        return idna.encode(name, uts46=True, std3_rules=True).decode("ascii").lower()
    except UnicodeError:
        raise ForbiddenDestination("has a host that is not a valid name") from None


def _refuse_inside(host: str) -> None:
    address = _address(host)
    if address is not None:
        if not _is_global(address):
            raise ForbiddenDestination("must lead to a public address")
    elif "." not in host or _INSIDE.fullmatch(host):
        raise ForbiddenDestination("must have a public host name")


def _is_here(host: str) -> bool:
    address = _address(host)
    return host == "localhost" if address is None else _is_loopback(address)


def _is_loopback(address: IPv4Address | IPv6Address) -> bool:
    return any(address in net for net in _LOOPBACK)


def _address(text: str) -> IPv4Address | IPv6Address | None:
    try:
        # A zone (fe80::1%eth0) belongs to one machine's network card.
        return None if "%" in text else ip_address(text)
    except ValueError:
        return None


def _is_global(address: IPv4Address | IPv6Address) -> bool:
    return (
        any(address in net for net in _UNICAST)
        and address.is_global
        and not any(address in net for net in _SPECIAL)
        and all(map(_is_global, _embedded(address)))
    )


def _embedded(address: IPv4Address | IPv6Address) -> list[IPv4Address]:
    # Mapped, compatible and NAT64 forms lie outside 2000::/3; 6to4 and Teredo are special. That leaves ISATAP, whose
    # last 64 bits hold an IPv4 address behind 0:5efe or 200:5efe (RFC 5214 section 6.1).
    is_isatap = address.version == 6 and int(address) >> 32 & 0xFCFFFFFF == 0x5EFE
    return [IPv4Address(int(address) & 0xFFFFFFFF)] if is_isatap else []
