"""`python -m mailer drill`: does the failover work? Against the sandbox only."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from enum import StrEnum
from typing import Annotated, Any

import typer

from cli.interrupt import interruptible, not_now
from cli.output import Json, document, say
from cli.sandbox import NotTheSandbox, Sandbox
from mailer import bootstrap, clock
from mailer.client import task
from mailer.desk import Desk
from mailer.ledger import Attempt
from mailer.outcome import Outcome
from mailer.providers import registry
from mailer.story import Story, at_rest, tell

# The broker's and the workers' own time on top of the two calls.
_SLACK = 20.0
_TICK = 0.1

Tell = Callable[[str], None]


class Mode(StrEnum):
    """Ways of failing other than an answer."""

    REFUSE = "refuse"
    HANG = "hang"


def drill(
    *,
    provider: Annotated[str | None, typer.Option(help="who is to fail; default: the first of the route")] = None,
    status: Annotated[int | None, typer.Option(min=400, max=599, help="it answers with this; default 503")] = None,
    mode: Annotated[Mode | None, typer.Option(help="it refuses connections, or hangs, instead")] = None,
    json: Json = False,
) -> None:
    """Make one provider fail at the sandbox, send a mail, watch it go through the other, and mend the fault.

    Only where both providers are the sandbox; it refuses anything else before it has done anything.

    Exit code 0: one copy arrived, through the other; 1: it did not; 2: wrong usage, or not the sandbox.
    """
    if status is not None and mode is not None:
        raise typer.BadParameter("--status or --mode, not both")
    try:
        sandbox = Sandbox.find(registry.load())
        failing = sandbox.choose(provider, order=registry.NAMES)
        sandbox.require_calm()
    except NotTheSandbox as error:
        raise typer.BadParameter(str(error)) from error
    begun = time.monotonic()
    told: list[str] = []
    fault = _fault(status, mode)

    def step(text: str) -> None:
        told.append(f"{time.monotonic() - begun:+.1f} s  {text}")
        if not json:
            say(told[-1])

    verdict: str | None = "it was interrupted"
    with interruptible() as look:
        try:
            sandbox.fail(failing, fault)
            step(f"{failing} fails: {_worded(fault)}")
            verdict = _send(sandbox, failing, step, look)
        finally:
            # Whatever happened, and whoever presses Ctrl-C again.
            with not_now():
                sandbox.mend(failing)
            step(f"{failing} is mended")
    if json:
        document({"ok": verdict is None, "provider": failing, "fault": fault, "problem": verdict, "steps": told})
    elif verdict is None:
        say("the failover works", "green")
    else:
        say(f"the failover did not work: {verdict}", "bold red")
    raise typer.Exit(0 if verdict is None else 1)


def _fault(status: int | None, mode: Mode | None) -> dict[str, Any]:
    # It never takes the mail in: one copy is to arrive, through the other.
    if mode is None:
        return {"status": status or 503, "accepts": False}
    return {"mode": mode.value} | ({"accepts": False} if mode is Mode.HANG else {})


def _worded(fault: Mapping[str, Any]) -> str:
    words = {"refuse": "it refuses connections", "hang": "it says nothing"}
    return words.get(fault.get("mode", ""), f"it answers {fault.get('status')}")


def _send(sandbox: Sandbox, failing: str, step: Tell, look: Callable[[], None]) -> str | None:
    """Send one mail and watch it; return what went wrong, None if it arrived as it should."""
    settings = bootstrap.settings()
    fields = {
        # A From domain of its own: a refusal of the sender must not leave a provider alone for anybody else.
        "from": "Mailer <drill@drill.example.com>", "to": "drill@example.com", "subject": "A drill", "text": "A drill.",
    }  # fmt: skip
    id: str = task.publisher(settings).apply_async(kwargs=fields).id
    step(f"sent {id} through the broker")
    story = _watch(bootstrap.desk(), id, step, look, seconds=2 * settings.call_seconds + _SLACK)
    return _wrong(story, failing) or _miscounted(sandbox.arrived(id), failing)


def _watch(desk: Desk, id: str, step: Tell, look: Callable[[], None], *, seconds: float) -> Story | None:
    """Tell each new line of the story until it rests or the time is over; return the story."""
    deadline, told, story = time.monotonic() + seconds, set[str](), None
    while time.monotonic() < deadline:
        look()
        story = next(iter(desk.trace(id, limit=1).stories), None)
        lines = tell(story, now=clock.now()) if story else []
        resting = story is not None and at_rest(story)
        for line in lines if resting else lines[:-1]:
            if line.text not in told:
                told.add(line.text)
                step(f"{line.kind} {line.text}")
        if resting:
            return story
        time.sleep(_TICK)
    return story


def _wrong(story: Story | None, failing: str) -> str | None:
    """Return what is wrong with the way it went."""
    if story is None:
        return "no worker has taken it: python -m mailer doctor"
    m = story.message
    if not m.attempts:
        return f"nobody was called; it is {m.status}"
    last = m.attempts[-1]
    return _unproven(m.attempts[0], failing) or (
        None if last.outcome is Outcome.ACCEPTED else f"it is {m.status} after {last.provider} {last.outcome}"
    )


def _unproven(first: Attempt, failing: str) -> str | None:
    """Return why the first call proves nothing of a failover."""
    if first.provider != failing:
        return f"{first.provider} was called first: {failing} is left alone, or is not the first of the route"
    return {
        Outcome.ACCEPTED: f"{failing} took it in spite of its fault",
        Outcome.REJECTED: f"{failing} rejected the message itself, and then no other provider is asked",
    }.get(first.outcome)


def _miscounted(copies: list[str], failing: str) -> str | None:
    if len(copies) == 1 and copies[0] != failing:
        return None
    return f"the inbox holds {len(copies)} copies ({', '.join(copies) or 'none'}) instead of one through another"
