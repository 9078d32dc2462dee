"""The pages of the API in a browser that can reach nothing else."""

from __future__ import annotations

import re
from collections.abc import Iterator

import flask
import pytest
from flask.testing import FlaskClient
from playwright.sync_api import Browser, Page, Route, expect

from api import openapi, problems
from mailer.problem_type import PROBLEM_TYPES
from tests.browser import chromium
from tests.unit.api.conftest import KEY


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    # A page of this size takes a while on a machine that runs other tests too.
    expect.set_options(timeout=30_000)
    with chromium() as started:
        yield started


@pytest.fixture(params=[1280, 390])
def width(request: pytest.FixtureRequest) -> int:
    return int(request.param)


@pytest.fixture
def page(browser: Browser, url: str, width: int) -> Iterator[Page]:
    """Give a page that reaches the API and nobody else; whatever it tried or complained about fails the test."""
    wrong: list[str] = []

    def pass_on(route: Route) -> None:
        if route.request.url.startswith((f"{url}/", "data:")):
            route.continue_()
        else:
            wrong.append(f"asked for {route.request.url}")
            route.abort()

    page = browser.new_page(viewport={"width": width, "height": 900}, base_url=url)
    page.route("**/*", pass_on)
    page.on("console", lambda message: wrong.append(message.text) if message.type in {"error", "warning"} else None)
    page.on("pageerror", lambda error: wrong.append(str(error)))
    yield page
    page.close()
    assert wrong == []


def fits(page: Page) -> bool:
    """Tell whether nothing has to be scrolled sideways."""
    return bool(page.evaluate("document.documentElement.scrollWidth <= document.documentElement.clientWidth"))


def test_the_reference_shows_every_operation_and_fits_its_window(app: flask.Flask, page: Page) -> None:
    page.goto("/docs")
    described = {o["operationId"] for path in openapi.build(app)["paths"].values() for o in path.values()}
    expect(page.locator(".opblock")).to_have_count(len(described))
    shown = page.locator(".opblock").evaluate_all("all => all.map(e => e.id)")
    assert {re.sub(r"^operations-[^-]+-", "", id) for id in shown} == described
    assert fits(page)
    for method in ("get", "post", "patch", "delete"):
        for block in page.locator(f".opblock-{method} .opblock-summary-control").all()[-1:]:
            block.click()
    expect(page.locator(".opblock .responses-inner").last).to_be_visible()
    assert fits(page)


def test_a_message_is_sent_from_the_reference_with_a_key(page: Page) -> None:
    page.goto("/docs")
    page.locator("button.authorize").first.click()
    page.get_by_label("Value").fill(KEY["Authorization"].removeprefix("Bearer "))
    page.locator(".modal-ux button.authorize").click()
    page.locator(".modal-ux .btn-done").click()
    create = page.locator("#operations-messages-messages_create")
    create.locator(".opblock-summary-control").click()
    create.get_by_role("button", name="Try it out").click()
    create.get_by_role("button", name="Execute").click()
    answer = create.locator(".live-responses-table")
    expect(answer).to_contain_text("202")
    expect(answer).to_contain_text('"status": "queued"')
    assert fits(page)


def test_each_kind_of_problem_is_found_from_the_list(page: Page) -> None:
    page.goto("/problems")
    expect(page.locator(".kinds li")).to_have_count(len(PROBLEM_TYPES))
    assert fits(page)
    page.locator('a[href="/problems/uncertain"]').click()
    expect(page.locator("h1")).to_have_text(PROBLEM_TYPES["uncertain"].title)
    expect(page.locator("main code").filter(has_text="Location")).to_be_visible()
    assert fits(page)


@pytest.mark.parametrize("slug", PROBLEM_TYPES)
def test_the_type_of_a_problem_leads_to_its_page(app: flask.Flask, client: FlaskClient, slug: str) -> None:
    with app.test_request_context(base_url="https://mail.example.com"):
        address = problems.uri(slug)
    assert address == f"https://mail.example.com/problems/{slug}"
    answer = client.get(address)
    assert answer.status_code == 200
    assert f"<h1>{PROBLEM_TYPES[slug].title}</h1>" in answer.text


def test_an_unknown_kind_is_a_problem_itself(app: flask.Flask, client: FlaskClient) -> None:
    answer = client.get("/problems/nonsense")
    assert (answer.status_code, answer.content_type) == (404, "application/problem+json")
    with app.test_request_context(), pytest.raises(KeyError):
        problems.uri("nonsense")


@pytest.mark.parametrize("path", ["/docs", "/problems", "/problems/not-found"])
def test_a_page_has_no_script_or_style_of_its_own_and_may_load_nothing_from_elsewhere(
    client: FlaskClient, path: str
) -> None:
    answer = client.get(path)
    policy = answer.headers["Content-Security-Policy"]
    assert policy.startswith("default-src 'none'; script-src 'self'; style-src 'self';")
    assert "unsafe" not in policy
    assert not re.search(r"<script>|<style|\son\w+=|\sstyle=", answer.text)
    assert answer.headers["X-Content-Type-Options"] == "nosniff"


def test_files_are_kept_for_ever_under_the_name_of_their_content_only(client: FlaskClient) -> None:
    ever = "public, max-age=31536000, immutable"
    for address in re.findall(r'"(/docs/static/[^"]+)"', client.get("/docs").text):
        assert kept(client, address) == ever
        assert kept(client, address.partition("?")[0]) == "no-cache"
    assert kept(client, "/docs/static/nothing.js?v=1") == "no-store"


def kept(client: FlaskClient, address: str) -> str:
    with client.get(address) as answer:
        return answer.headers["Cache-Control"]
