"""`make proofs`: the promises that have numbers, each in full. ARGS=NAME chooses one."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable

from deploy.local.postgres import PostgresCluster
from mailer.store import Database, migrate
from tests.chaos.system import System
from tests.proofs import cancel, events, idempotency, listing, neighbours, reconciliation, telling
from tests.receiver import receiver


def _idempotency() -> bool:
    with System(slow_disk=False, environment={"WEB_CONCURRENCY": "2"}) as system:
        crowd = idempotency.crowd(system)
        print(f"100 parallel requests, one key, 8 processes: messages {crowd.messages}, ids {len(crowd.ids)},", end=" ")
        print("answers " + ", ".join(f"{kind} {number}" for kind, number in sorted(crowd.answers.items())))
        kills = idempotency.kills(system)
        print(f"API killed {kills.kills} times under {kills.keys} keys: stuck {len(kills.stuck)},", end=" ")
        print(f"doubled {len(kills.doubled)}, answers {dict(kills.answers)}")
    return crowd.messages == 1 and not kills.stuck and not kills.doubled


def _cancel() -> bool:
    with System(slow_disk=False) as system:
        done = cancel.race(system)
    print(f"cancel against claim, {done.rounds} rounds: said {dict(done.said)},", end=" ")
    print(f"canceled and sent {len(done.canceled_and_sent)}, too late and not sent {len(done.late_and_not_sent)}")
    return not done.canceled_and_sent and not done.late_and_not_sent and len(done.said) == 2


def _listing(count: int = 2_000_000) -> bool:
    cluster = PostgresCluster()
    try:
        cluster.start()
        cluster.create_database("listing")
        database = Database(cluster.url("listing"))
        migrate.upgrade(database)
        print(f"{count:,} messages stored in {listing.fill(database, count):.0f} s")
        for t in listing.measure(database, count):
            print(f"{t.name:<30} p50 {t.p50:6.1f} ms  p99 {t.p99:6.1f} ms  {t.rows:3} rows  {t.plan}")
        walk = listing.walk(database)
        print(f"a walk over {walk.wanted:,} while {walk.arrived} arrived: missing {walk.missing}, twice {walk.twice}")
        database.close()
    finally:
        cluster.remove()
    return not walk.missing and not walk.twice


def _events(count: int = 100_000) -> bool:
    cluster = PostgresCluster()
    with telling.installation() as running, receiver() as endpoint:
        try:
            cluster.start()
            cluster.create_database("ordered")
            reference = Database(cluster.url("ordered"))
            migrate.upgrade(reference)
            done = events.storm(running, endpoint, reference, count=count)
            reference.close()
        finally:
            cluster.remove()
    print(f"{done.posted:,} events in {done.webhooks:,} webhooks, {done.unique:,} of them different,", end=" ")
    print(f"{done.broken} malformed")
    print(f"killed {done.kills}; {done.repeated} webhooks were posted again for that")
    print(
        f"stored {done.stored:,}, missing {done.missing}, quarantined {done.aside}; states {dict(done.states)},",
        end=" ",
    )
    print(f"other than in an ordered run {len(done.wrong)}")
    print(f"callbacks {done.callbacks:,}, repeated {done.repeats} (same id, same body), untold {done.untold},", end=" ")
    print(f"not verified {done.forged}")
    print(f"taken in in {done.seconds:.0f} s ({done.posted / done.seconds:.0f} events/s), all told after", end=" ")
    print(f"{done.settled:.0f} s; webhook answered p50 {done.p50:.1f} ms, p99 {done.p99:.1f} ms")
    return done.kept


def _neighbours(seconds: float = 60.0) -> bool:
    with telling.installation() as running, receiver() as endpoints:
        done = neighbours.street(running, endpoints, seconds=seconds)
    print(f"{neighbours.GOOD} endpoints that answer, 3 that hang, trickle and answer 500; {neighbours.RATE} events/s")
    for phase in done.phases:
        print(f"{phase.name:<17} {phase.events:6,} events, those of the good ones came after", end=" ")
        print(f"p50 {phase.milliseconds(0.5):.0f} ms, p99 {phase.milliseconds(0.99):.0f} ms,", end=" ")
        print(f"at most {phase.milliseconds(1):.0f} ms")
    print(f"of the good ones never came {done.good_missing}; {done.waited} of the bad ones waited,", end=" ")
    print(f"and did not come once they were well {done.missing}")
    return not done.good_missing and not done.missing


def _reconciliation(mails: int = 10_000) -> bool:
    environment = {
        "MAILER_ROUTING": "failover:mailgun,sendgrid",
        "MAILER_RECONCILE_INTERVAL": "0",
        "MAILER_RATE_KEY": "1000000/minute",
    }
    with System(slow_disk=False, webhooks=True, environment=environment) as system:
        done = reconciliation.run(system, mails=mails)
    print(f"webhooks lost for {done.mails:,} mails: {done.before} events known; read back {done.events:,}", end=" ")
    print(f"in {done.pages} pages; states right after {done.states_seconds:.0f} s (wrong {done.wrong}),", end=" ")
    print(f"suppressions after {done.seconds:.0f} s (missing {done.missing}), told twice {done.twice};", end=" ")
    print(f"through SendGrid, which keeps no events, {done.unread} rest as accepted")
    return not (done.before or done.wrong or done.missing or done.twice)


_PROOFS: dict[str, Callable[..., bool]] = {
    "idempotency": _idempotency,
    "cancel": _cancel,
    "listing": _listing,
    "events": _events,
    "neighbours": _neighbours,
    "reconciliation": _reconciliation,
}


def main() -> int:
    """Run them; 1 if a promise was broken."""
    parser = argparse.ArgumentParser(prog="make proofs")
    parser.add_argument("names", nargs="*", default=list(_PROOFS), metavar="|".join(_PROOFS))
    parser.add_argument("--mails", type=int, default=10_000, help="of the reconciliation")
    asked = parser.parse_args()
    options = {"reconciliation": {"mails": asked.mails}}
    broken = [name for name in asked.names if not _PROOFS[name](**options.get(name, {}))]
    print(f"broken: {', '.join(broken)}" if broken else "every promise was kept")
    return 1 if broken else 0


if __name__ == "__main__":
    sys.exit(main())
