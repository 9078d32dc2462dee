"""`make chaos`: every fault in full, with a table. ARGS="--fault NAME --seeds 3 --mails 2000" chooses."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

from tests.chaos import plain, rolling
from tests.chaos.faults import FAULTS
from tests.chaos.run import run
from tests.chaos.verdict import Verdict

_TABLE = Path("var") / "chaos.md"


def main() -> int:
    """Run them, print and write the table; 1 if a promise was broken."""
    options = _options()
    verdicts = []
    _TABLE.parent.mkdir(exist_ok=True)
    with _TABLE.open("a" if options.append else "w", encoding="utf-8") as table:
        for line in Verdict.head().splitlines():
            _say(line, table)
        for judged, verdict in _runs(options):
            _say(verdict.row(), table)
            verdicts += [verdict] if judged else []
    bad = [verdict for verdict in verdicts if not verdict.good]
    print(f"\n{len(verdicts)} runs, {len(bad)} of them broke a promise; {_TABLE}")
    return 1 if bad else 0


def _runs(options: argparse.Namespace) -> Iterator[tuple[bool, Verdict]]:
    """Yield each verdict, and whether it is one on us."""
    load = {"mails": options.mails, "rate": options.rate}
    for seed in range(options.first_seed, options.first_seed + options.seeds):
        for fault in FAULTS:
            for database in fault.databases if options.databases == "all" else fault.databases[:1]:
                if options.fault in f"{fault.name} ({database})":
                    yield True, run(fault, database=database, seed=seed, **load)
        special: list[tuple[str, bool, Callable[[], Verdict]]] = [
            ("rolling", True, lambda seed=seed: rolling.run(seed=seed, mails=options.mails * 3, rate=200)),  # type: ignore[misc]
            ("plain", False, lambda seed=seed: plain.run(seed=seed, **load)),  # type: ignore[misc]
        ]
        for name, judged, go in special:
            if options.fault in name:
                yield judged, go()


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="make chaos")
    parser.add_argument("--fault", default="", help="only those whose name holds this")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--first-seed", type=int, default=1)
    parser.add_argument("--mails", type=int, default=2000)
    parser.add_argument("--rate", type=float, default=80)
    parser.add_argument("--databases", choices=["all", "first"], default="first", help="SQLite too, or PostgreSQL only")
    parser.add_argument("--append", action="store_true", help=f"add to {_TABLE}")
    return parser.parse_args()


def _say(line: str, table: object) -> None:
    print(line, flush=True)
    print(line, flush=True, file=table)  # type: ignore[call-overload]


if __name__ == "__main__":
    sys.exit(main())
