"""A user's program, for the type checker only: `mypy --strict` accepts it, and finds each mistake that is marked."""

from __future__ import annotations

from datetime import UTC, datetime

from mailer import AsyncMailer, Mailer, NotFound, RateLimited, Uncertain
from mailer.resource import BulkResult, MessageSummary


def program(mailer: Mailer) -> None:
    """Use every kind of result."""
    id: str = mailer.send(
        from_="Shop <shop@example.com>", to=["bob@example.com", {"email": "eve@example.com"}], subject="Hi", text="x",
        attachments=[{"filename": "a.pdf", "content": b"%PDF"}], lane="bulk", send_at=datetime.now(UTC), tags=["a"],
    )  # fmt: skip
    state = mailer.wait(id, timeout=30)
    times: list[datetime] = [attempt.started_at for attempt in state.attempts]
    results: list[BulkResult] = mailer.bulk([{"from": "a@b.example", "to": to, "subject": "s"} for to in ("x", "y")])
    found: list[MessageSummary] = list(mailer.list(status="failed", limit=10))
    mailer.reschedule(id, send_at=None, if_match=state.etag)
    text: str | None = mailer.content(id).text
    token: str = mailer.create_key("shop", ["send"]).key
    try:
        mailer.cancel(id)
    except NotFound as error:
        print(error.request_id, times, results, found, text, token)
    except RateLimited as error:
        print(error.retry_after)
    except Uncertain as error:
        print(error.id)


async def program_of_asyncio() -> None:
    """Use the other client."""
    async with AsyncMailer("http://x", "k") as mailer:
        id: str = await mailer.send(to="bob@example.com", subject="Hi", html="<p>")
        async for message in mailer.list(tag="a"):
            print(message.recipient_count, id)


def mistakes(mailer: Mailer) -> None:
    """Make one a line."""
    mailer.send(to="bob@example.com")  # type: ignore[call-arg]
    mailer.send(to="bob@example.com", subject="Hi", txt="x")  # type: ignore[call-arg]
    mailer.send(to=7, subject="Hi")  # type: ignore[arg-type]
    mailer.send(to="bob@example.com", subject="Hi", lane="slow")  # type: ignore[arg-type]
    mailer.bulk([{"to": "bob@example.com"}])  # type: ignore[typeddict-item]
    mailer.list(state="failed")  # type: ignore[call-arg]
    mailer.list(status="done")  # type: ignore[arg-type]
    mailer.get("x")["status"]  # type: ignore[index]
    mailer.create_key("shop", ["everything"])  # type: ignore[list-item]
    mailer.wait("x").etag.strip()  # type: ignore[union-attr]
