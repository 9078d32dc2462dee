"""The inbox page in a browser, shown mails by people who mean it harm."""

from __future__ import annotations

import base64
import re
import socket
from collections.abc import Iterator

import pytest
import requests
from playwright.sync_api import Page, expect

from sandbox.process import Process
from tests.browser import chromium
from tests.unit.sandbox.sending import send

EVIL = "<script>document.title='owned'</script><img src=x onerror=\"document.title='owned'\">"
PIXEL = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="


@pytest.fixture(scope="module")
def browser_page() -> Iterator[Page]:
    with chromium() as browser:
        yield browser.new_page()


@pytest.fixture
def page(box: Process, browser_page: Page) -> Page:
    browser_page.goto("about:blank")
    browser_page.set_viewport_size({"width": 1280, "height": 800})
    browser_page.goto(box.url)
    return browser_page


def attached(content_type: str, content: bytes = b"x", **more: str) -> list[dict[str, str]]:
    return [{"content": base64.b64encode(content).decode(), "type": content_type, "filename": "x.bin", **more}]


def open_only_mail(page: Page) -> None:
    """Open it without waiting until the page looks by itself."""
    page.reload()
    page.locator("#mails button").click()


@pytest.fixture
def evil() -> Iterator[socket.socket]:
    """A web server that nobody should ever connect to."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.setblocking(False)
        yield server


def test_nothing_in_a_mail_runs_or_becomes_markup_or_calls_home(
    box: Process, session: requests.Session, page: Page, evil: socket.socket
) -> None:
    away = f"http://127.0.0.1:{evil.getsockname()[1]}"
    html = f"""</iframe>{EVIL}<script>top.document.title='owned'; top.location='{away}/'</script>
        <meta http-equiv="refresh" content="0;url={away}/"><base href="{away}/">
        <iframe src="{away}/"></iframe><form action="{box.url}/api/mails" method="post"></form>
        <img src="{away}/pixel.gif"><link rel="stylesheet" href="{away}/x.css"><p>Body</p>"""
    send(
        session,
        box,
        subject=EVIL,
        custom_args={EVIL: EVIL, "mailer_envelope_id": EVIL},
        headers={"X-Evil": EVIL},
        categories=[EVIL],
        content=[{"type": "text/plain", "value": EVIL}, {"type": "text/html", "value": html}],
        attachments=[{**attached("text/html")[0], "filename": "<b>evil<b>.html"}],
        reply_to={"email": "evil@example.org", "name": EVIL},
    )
    open_only_mail(page)
    expect(page.frame_locator("iframe").locator("p")).to_have_text("Body")
    for view in ("Text", "HTML source", "Headers and data"):
        page.get_by_role("tab", name=view).click()
        expect(page.locator(".body")).to_contain_text("<script>")
    assert page.title() == "Sandbox inbox"
    assert page.url.startswith(box.url)
    assert page.locator("body script, body img, #detail b").count() == 0
    with pytest.raises(BlockingIOError):
        evil.accept()


def test_the_frame_may_run_no_script_and_has_no_origin_of_ours(
    box: Process, session: requests.Session, page: Page
) -> None:
    send(session, box, content=[{"type": "text/html", "value": "<p>Hello</p>"}])
    open_only_mail(page)
    allowed = page.locator("iframe").get_attribute("sandbox") or ""
    assert "allow-scripts" not in allowed
    assert "allow-same-origin" not in allowed
    assert "allow-forms" not in allowed
    assert "allow-top-navigation" not in allowed


def test_inline_images_are_shown_in_the_mail(box: Process, session: requests.Session, page: Page) -> None:
    files = attached("image/png", base64.b64decode(PIXEL), disposition="inline", content_id="logo@x")
    send(session, box, content=[{"type": "text/html", "value": '<img src="cid:logo@x">'}], attachments=files)
    open_only_mail(page)
    image = page.frame_locator("iframe").locator("img")
    expect(image).to_have_js_property("naturalWidth", 1)


def test_new_mails_appear_by_themselves_and_the_chosen_one_stays(
    box: Process, session: requests.Session, page: Page
) -> None:
    expect(page.locator("#empty")).to_be_visible()
    send(session, box, subject="First", custom_args={"mailer_envelope_id": "e-1"})
    page.locator("#mails button").click()
    expect(page.locator("#detail h2")).to_have_text("First")
    send(session, box, "mailgun", subject="Second", **{"v:mailer_envelope_id": "e-1"})
    expect(page.locator("#mails button")).to_have_count(2)
    expect(page.locator("#mails button[aria-current=true]")).to_contain_text("First")
    expect(page.locator("#mails li").first).to_contain_text("copy 2 of 2")
    expect(page.locator("#detail")).to_contain_text("copy 1 of 2")
    page.locator("#clear").click()
    expect(page.locator("#empty")).to_be_visible()


def test_a_provider_is_made_to_fail_and_mended_on_the_page(box: Process, session: requests.Session, page: Page) -> None:
    page.get_by_label("Make SendGrid fail").select_option("credits")
    expect(page.get_by_role("group", name="SendGrid")).to_contain_text("answers 401")
    assert "Maximum credits exceeded" in send(session, box).text
    page.get_by_role("group", name="SendGrid").get_by_role("button", name="Clear").click()
    expect(page.get_by_role("group", name="SendGrid")).to_contain_text("works")
    assert send(session, box).status_code == 202


@pytest.mark.parametrize("width", [390, 1280])
def test_the_page_fits_its_window(box: Process, session: requests.Session, page: Page, width: int) -> None:
    page.set_viewport_size({"width": width, "height": 800})
    send(session, box, subject="W" * 300, content=[{"type": "text/plain", "value": "W" * 3000}])
    open_only_mail(page)
    for node in ("html", "#main", "#detail", ".list"):
        assert page.locator(node).evaluate("e => e.scrollWidth <= e.clientWidth"), node
    if width < 500:
        page.get_by_role("button", name="All mails").click()
    expect(page.locator("#mails button")).to_be_visible()


def test_the_page_takes_scripts_from_its_own_files_only(box: Process) -> None:
    response = requests.get(box.url, timeout=5)
    policy = response.headers["Content-Security-Policy"]
    assert policy.startswith("default-src 'none'; script-src 'self';")
    assert not re.search(r"<script>|onclick|style=|https?://(?!www\.w3\.org)", response.text)
    assert response.headers["X-Content-Type-Options"] == "nosniff"


@pytest.mark.parametrize(
    ("content_type", "served"),
    [
        ("text/html", "application/octet-stream"),
        ("image/png", "image/png"),
        ("IMAGE/SVG+XML", "image/svg+xml"),
        ("application/pdf", "application/octet-stream"),
    ],
)
def test_attachments_are_downloads_and_never_documents(
    box: Process, session: requests.Session, content_type: str, served: str
) -> None:
    send(session, box, attachments=[{**attached(content_type, b"<b>")[0], "filename": 'ü".html'}])
    mail_id = box.mails()[0]["id"]
    response = requests.get(f"{box.url}/mails/{mail_id}/attachments/0", timeout=5)
    assert response.content == b"<b>"
    assert response.headers["Content-Type"] == served
    assert response.headers["Content-Disposition"] == "attachment; filename*=UTF-8''%C3%BC%22.html"
    assert response.headers["X-Content-Type-Options"] == "nosniff"
    assert "sandbox" in response.headers["Content-Security-Policy"]
    assert requests.get(f"{box.url}/mails/{mail_id}/attachments/1", timeout=5).status_code == 404
