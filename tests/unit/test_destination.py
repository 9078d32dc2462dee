# ruff: noqa: RUF001 -- characters that look like others are what is tested
"""Where callbacks may go: a table of attempts to get inside, and what must not be refused with them."""

from __future__ import annotations

import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailer.destination import LONGEST, Destination, destination, may_connect
from mailer.errors import ForbiddenDestination, MailerError


def words(table: str) -> list[str]:
    """Return the cells of a table."""
    return table.split()


# By what the refusal says.
FORBIDDEN_URLS = {
    "public address": """
        https://127.0.0.1/ https://127.0.0.1:443/ https://127.255.255.254/ https://0.0.0.0/ https://0.1.2.3/
        https://10.0.0.1/ https://172.16.0.1/ https://172.31.255.255/ https://192.168.0.1/ https://169.254.169.254/
        https://169.254.169.254/latest/meta-data/ https://169.254.170.2/v2/credentials https://100.64.0.1/
        https://100.100.100.200/ https://100.127.255.255/ https://192.0.0.1/ https://192.0.0.192/opc/v2/
        https://192.0.2.1/ https://198.51.100.1/ https://203.0.113.1/ https://198.18.0.1/ https://198.19.255.255/
        https://192.88.99.1/ https://224.0.0.1/ https://239.255.255.250/ https://240.0.0.1/ https://255.255.255.255/
        https://168.63.129.16/machine
        https://[::]/ https://[::1]/ https://[0:0:0:0:0:0:0:1]/ https://[::1]:8443/ https://[fd00:ec2::254]/
        https://[fd20:ce::254]/ https://[fc00::1]/ https://[fe80::1]/ https://[fec0::1]/ https://[ff02::1]/
        https://[ff0e::1]/ https://[2001:db8::1]/ https://[3fff::1]/ https://[100::1]/ https://[2001:2::1]/
        https://[2001:10::1]/ https://[2001:20::1]/ https://[4000::1]/ https://[5f00::1]/ https://[e000::1]/
        https://[::ffff:127.0.0.1]/ https://[::ffff:7f00:1]/ https://[::ffff:169.254.169.254]/ https://[::ffff:8.8.8.8]/
        https://[::ffff:0:127.0.0.1]/ https://[::127.0.0.1]/ https://[::7f00:1]/ https://[::8.8.8.8]/
        https://[2002:7f00:1::]/ https://[2002:a9fe:a9fe::1]/ https://[2002:808:808::1]/
        https://[2001:0:4136:e378:8000:63bf:80ff:fffe]/ https://[2001::1]/
        https://[64:ff9b::127.0.0.1]/ https://[64:ff9b::a9fe:a9fe]/ https://[64:ff9b::8.8.8.8]/ https://[64:ff9b:1::1]/
        https://[64:ff9b:1:fffe::10.0.0.1]/ https://[2a00:1450::5efe:10.0.0.1]/ https://[2a00:1450::200:5efe:7f00:1]/
    """,
    "four decimal numbers": """
        https://2130706433/ https://017700000001/ https://0x7f000001/ https://0X7F000001/ https://0177.0.0.1/
        https://0x7f.0.0.1/ https://0x7f.1/ https://127.1/ https://127.0.1/ https://10.1/ https://0/ https://0x/
        https://0x7f.0x0.0x0.0x1/ https://127.0.0.01/ https://127.0.0.1.1/ https://256.256.256.256/ https://0251.0376.0251.0376/
        https://2852039166/ https://169.254.43518/ https://0xa9fea9fe/ https://8.8.8.010/ https://134744072/
        https://example.com.0x7f/ https://foo.1/ https://4294967297/
        https://①②⑦.⓪.⓪.①/ https://１２７.０.０.１/ https://127。0。0。1/ https://127．0．0．1/ https://127｡0｡0｡1/
        https://①⑥⑨.②⑤④.①⑥⑨.②⑤④/ https://８.８.８.８/ https://8.8.8。8/ https://２１３０７０６４３３/ https://⑩.0.0.1/ https://𝟏𝟐𝟕.0.0.1/
    """,
    "public host name": """
        https://localhost/ https://LOCALHOST/ https://LocalHost:8443/ https://ⓛⓞⓒⓐⓛⓗⓞⓢⓣ/ https://ｌｏｃａｌｈｏｓｔ/
        https://localho\u017ft/ https://app.localhost/ https://a.b.localhost/ https://localhost.localdomain/
        https://metadata/ https://metadata.google.internal/ https://METADATA.GOOGLE.INTERNAL/computeMetadata/v1/
        https://metadata.google。internal/ https://instance-data.ec2.internal/ https://printer.local/ https://internal/
        https://kubernetes.default.svc/ https://kubernetes.default.svc.cluster.local/ https://router.lan/
        https://nas.home.arpa/ https://intranet/ https://db/ https://redis:8443/ https://host.docker.internal/
        https://x.onion/
    """,
    "dot at the end": """
        https://localhost./ https://127.0.0.1./ https://metadata.google.internal./ https://example.com./
        https://example.com。/ https://2130706433./ https://app.localhost.:443/ https://8.8.8.8./
    """,
    "user name or password": """
        https://user@127.0.0.1/ https://user:pw@example.com/ https://example.com@127.0.0.1/
        https://example.com:443@169.254.169.254/ https://@127.0.0.1/ https://:@127.0.0.1/ https://a@b@127.0.0.1/
        https://127.0.0.1@example.com/ https://example.com%2f@127.0.0.1/ https://[::1]@example.com/
    """,
    "https://": """
        http://example.com/ http://example.com/x?https:// ftp://example.com/ gopher://example.com:443/_x
        ws://example.com/ HTTP://example.com/
    """,
    "whole URL": """
        example.com /hooks //example.com/hooks https:example.com https:/example.com javascript:alert(1)
        data:text/plain,x mailto:a@example.com ://example.com 1https://example.com
    """,
    "fragment": """
        https://example.com/#x https://example.com#@127.0.0.1/ https://127.0.0.1#.example.com/ https://example.com/#
    """,
    "backslash": r"""
        https://example.com\@127.0.0.1/ https:\\127.0.0.1/ https://127.0.0.1\.example.com/ https://example.com/\..\
    """,
    "percent sign": """
        https://127.0.0.1%2f.example.com/ https://%31%32%37.0.0.1/ https://%6c%6f%63%61%6c%68%6f%73%74/
        https://example.com%00.evil.com/ https://[fe80::1%25eth0]/ https://[fe80::1%eth0]/ https://[::1%25lo]/
        https://127%2e0%2e0%2e1/
    """,
    "one of the ports 443, 8443": """
        https://example.com:22/ https://example.com:80/ https://example.com:25/ https://example.com:0/
        https://example.com:65536/ https://example.com:99999/ https://example.com:6379/
    """,
    "malformed host or port": """
        https://example.com:/ https://example.com:443:443/ https://example.com:-1/ https://example.com:+443/
        https://example.com:443x/ https://example.com:000443/ https://example.com:４４３/ https://::1/ https://http://127.0.0.1/
        https://[::1/ https://::1]/ https://[::1]x/ https://[::1][::2]/ https://[[::1]]/ https://[::1].example.com/
        https://example.com:0x1bb/ https://fe80::1/
    """,
    "malformed IPv6": """
        https://[127.0.0.1]/ https://[]/ https://[v1.fe80::a]/ https://[example.com]/ https://[::1::]/ https://[:]/
        https://[::ffff:127.1]/ https://[::ffff:0177.0.0.1]/ https://[12345::]/
    """,
    "not a valid name": """
        https:/// https://?x https://.example.com/ https://example..com/ https://-a.example.com/ https://a-.example.com/
        https://a_b.example.com/ https://exa*mple.com/ https://example.com,evil.com/ https://example.com;evil.com/
        file:///etc/passwd https://evil.com／.x/ https://127.0.0.1＠example.com/ https://example.com℀evil.com/ https://a$b.example.com/
        https://!127.0.0.a/ https://${jndi}.example.com/ https://evil․com/
    """,
    "path and query in ASCII": """
        https://example.com/ü https://example.com/?q=ü https://example.com/＠127.0.0.1
    """,
}
INVISIBLE = [
    " https://example.com/", "https://example.com/ ", "https://exa mple.com/", "https://example.com/a b",
    "https://example.com\t@127.0.0.1/", "https://127.0.0.1\n.example.com/", "https://example.com/\r\nHost: evil",
    "https://example.com/\x00", "https://127.0.0.1\x00.example.com/", "\x01https://127.0.0.1/", "ht\ntps://127.0.0.1/",
    "https://exam\u00adple.com/", "https://local\u200bhost/", "https://example.com\u202e/", "https://127.0.0.1\u3000/",
    "https://127.0.0.1\u00a0/", "https://example.com/\x7f", "\ufeffhttps://example.com/", "https://exa\u2028mple.com/",
]  # fmt: skip

FORBIDDEN = [
    *((url, says) for says, urls in FORBIDDEN_URLS.items() for url in words(urls)),
    *((url, "invisible") for url in INVISIBLE),
    ("https://example.com/" + "a" * LONGEST, "2,000 characters"),
    (f"https://{'a' * 64}.example.com/", "valid name"),
    (f"https://{'a.' * 126}com/", "valid name"),
    ("https://" + "ü" * 60 + ".example.com/", "valid name"),
    ("", "whole URL"),
]

ALLOWED = {
    "https://example.com": ("example.com", 443, "/", "example.com"),
    "https://example.com/": ("example.com", 443, "/", "example.com"),
    "HTTPS://Example.COM/Hooks?A=B": ("example.com", 443, "/Hooks?A=B", "example.com"),
    "https://example.com:443/x": ("example.com", 443, "/x", "example.com"),
    "https://example.com:8443/x": ("example.com", 8443, "/x", "example.com:8443"),
    "https://example.com?token=a@b:c/d": ("example.com", 443, "/?token=a@b:c/d", "example.com"),
    "https://example.com/@user/x": ("example.com", 443, "/@user/x", "example.com"),
    "https://hooks.shop.example.com/a/b/c": ("hooks.shop.example.com", 443, "/a/b/c", "hooks.shop.example.com"),
    "https://example.com/%20x%2F?q=%C3%BC": ("example.com", 443, "/%20x%2F?q=%C3%BC", "example.com"),
    "https://example.com/?a[]=1&b={x}": ("example.com", 443, "/?a[]=1&b={x}", "example.com"),
    "https://münchen.example/x": ("xn--mnchen-3ya.example", 443, "/x", "xn--mnchen-3ya.example"),
    "https://xn--mnchen-3ya.example/": ("xn--mnchen-3ya.example", 443, "/", "xn--mnchen-3ya.example"),
    "https://例え.jp/": ("xn--r8jz45g.jp", 443, "/", "xn--r8jz45g.jp"),
    "https://r3---sn-4g5e.example.com/": ("r3---sn-4g5e.example.com", 443, "/", "r3---sn-4g5e.example.com"),
    "https://localhost.example.com/": ("localhost.example.com", 443, "/", "localhost.example.com"),
    "https://internal.example.com/": ("internal.example.com", 443, "/", "internal.example.com"),
    "https://127-0-0-1.example.com/": ("127-0-0-1.example.com", 443, "/", "127-0-0-1.example.com"),
    "https://1.example.com/": ("1.example.com", 443, "/", "1.example.com"),
    "https://8.8.8.8/": ("8.8.8.8", 443, "/", "8.8.8.8"),
    "https://172.32.0.1:8443/": ("172.32.0.1", 8443, "/", "172.32.0.1:8443"),
    "https://[2606:4700:4700::1111]/": ("2606:4700:4700::1111", 443, "/", "[2606:4700:4700::1111]"),
    "https://[2A00:1450:0:0::5]:8443/x": ("2a00:1450::5", 8443, "/x", "[2a00:1450::5]:8443"),
}

# What a resolver might answer.
FORBIDDEN_ADDRESSES = words("""
    127.0.0.1 0.0.0.0 10.1.2.3 172.16.0.1 172.31.255.255 192.168.1.1 169.254.169.254 100.64.0.0 100.127.255.255
    100.100.100.200 192.0.0.8 192.0.2.1 198.18.0.1 198.19.255.255 198.51.100.9 203.0.113.9 192.88.99.1 224.0.0.1
    239.255.255.255 240.0.0.1 255.255.255.255 168.63.129.16 192.31.196.1 192.175.48.1 :: ::1 fe80::1 fe80::1%eth0
    2606:4700::1%eth0 fc00::1 fd00:ec2::254 fec0::1 ff02::1 2001:db8::1 3fff::1 100::1 2001::1 2001:20::1
    2002:808:808::1 64:ff9b::8.8.8.8 64:ff9b:1::1 ::ffff:127.0.0.1 ::ffff:8.8.8.8 ::8.8.8.8 ::ffff:0:8.8.8.8
    2a00:1450::5efe:192.168.0.1 2a00:1450::200:5efe:127.0.0.1 5f00::1 2620:4f:8000::1 nonsense 127.1 0x7f.1 2130706433
    localhost
""")
ALLOWED_ADDRESSES = words("""
    1.1.1.1 8.8.8.8 100.63.255.255 100.128.0.0 172.15.255.255 172.32.0.0 192.167.255.255 192.169.0.0 198.17.255.255
    198.20.0.0 223.255.255.254 169.253.255.255 2606:4700:4700::1111 2a00:1450:4001::200e 2400:cb00::1
    2a00:1450::5efe:8.8.8.8
""")


@pytest.mark.parametrize(("url", "says"), FORBIDDEN)
def test_what_leads_inside_or_can_be_misread_is_refused_with_the_reason(url: str, says: str) -> None:
    with pytest.raises(ForbiddenDestination) as refusal:
        destination(url)
    assert says in str(refusal.value)


@pytest.mark.parametrize("url", ALLOWED)
def test_what_is_public_is_allowed_and_read_as_it_will_be_connected_to(url: str) -> None:
    found = destination(url)
    assert (found.scheme, found.host, found.port, found.target, found.authority) == ("https", *ALLOWED[url])


@pytest.mark.parametrize("address", FORBIDDEN_ADDRESSES)
def test_an_address_that_is_not_global_unicast_is_not_connected_to(address: str) -> None:
    assert not may_connect(address)


@pytest.mark.parametrize("address", ALLOWED_ADDRESSES)
def test_a_public_address_is_connected_to(address: str) -> None:
    assert may_connect(address)


def test_the_tables_are_as_long_as_they_should_be() -> None:
    assert len({url for url, _ in FORBIDDEN}) == len(FORBIDDEN) >= 120
    assert len(set(FORBIDDEN_ADDRESSES)) == len(FORBIDDEN_ADDRESSES) >= 40
    assert len(ALLOWED) >= 15


@pytest.mark.parametrize(
    "url",
    [
        "http://localhost:8080/x", "http://localhost/", "https://localhost:3000/", "http://127.0.0.1:5000/",
        "http://127.1.2.3:1/", "http://[::1]:65535/",
    ],
)  # fmt: skip
def test_the_development_switch_opens_this_machine_and_only_the_switch_does(url: str) -> None:
    assert destination(url, localhost=True).port
    with pytest.raises(ForbiddenDestination):
        destination(url)


@pytest.mark.parametrize(
    "url",
    [
        "http://example.com/", "https://10.0.0.1/", "https://169.254.169.254/", "http://0.0.0.0:80/", "ftp://localhost/",
        "http://127.1:80/", "http://localhost.:80/", "http://user@localhost:80/", "http://localhost:0/",
        "http://localhost:65536/", "http://[::ffff:127.0.0.1]/", "http://app.localhost/", "https://[::ffff:127.0.0.1]/",
        "http://①②⑦.0.0.1/", "https://example.com:22/",
    ],
)  # fmt: skip
def test_the_development_switch_opens_nothing_else(url: str) -> None:
    with pytest.raises(ForbiddenDestination):
        destination(url, localhost=True)


def test_the_development_switch_lets_loopback_addresses_be_connected_to_and_no_others() -> None:
    opened = [address for address in FORBIDDEN_ADDRESSES if may_connect(address, localhost=True)]
    assert opened == ["127.0.0.1", "::1"]


def test_the_ports_are_those_that_the_operator_names() -> None:
    assert destination("https://example.com:9443/", ports={9443}).port == 9443
    with pytest.raises(ForbiddenDestination, match="one of the ports 9443"):
        destination("https://example.com/", ports={9443})


def test_a_refusal_is_one_of_our_errors_and_a_value_error_and_does_not_repeat_the_url() -> None:
    with pytest.raises(ForbiddenDestination) as refusal:
        destination("https://user:s3cret@example.com/")
    assert isinstance(refusal.value, MailerError)
    assert isinstance(refusal.value, ValueError)
    assert "s3cret" not in str(refusal.value)


@given(st.text(alphabet=string.printable + "①。／＠％ⓛ\u00ad", max_size=40))
def test_whatever_is_written_it_is_refused_or_it_is_a_public_destination(rest: str) -> None:
    try:
        found = destination(f"https://{rest}")
    except ForbiddenDestination:
        return
    assert isinstance(found, Destination)
    assert found.port in (443, 8443)
    assert (found.host + found.target).isascii()
    assert found.target.startswith("/")
    assert may_connect(found.host) if found.is_address else "." in found.host


@given(st.ip_addresses(v=4) | st.ip_addresses(v=6))
def test_an_address_in_a_url_is_judged_as_one_from_a_resolver(address: object) -> None:
    host = f"[{address}]" if ":" in str(address) else str(address)
    try:
        destination(f"https://{host}/")
        allowed = True
    except ForbiddenDestination:
        allowed = False
    assert allowed == may_connect(str(address))
