"""The switch of the webhooks: whether they go out, and how orderly. Said as data and checked before it is taken."""

from __future__ import annotations

from dataclasses import asdict, dataclass, fields


class FlowError(ValueError):
    """What was put is no such switch; carries every problem."""

    def __init__(self, problems: list[str]) -> None:
        super().__init__("; ".join(problems))
        self.problems = problems


@dataclass(frozen=True, slots=True, kw_only=True)
class Flow:
    """How webhooks go out.

    Attributes:
        hold: none goes out; they wait until it is off.
        shuffled: those that go out together go in no order, and each up to a second late.
        doubled: each event is sent twice.
        lost: none is sent of the mails that are taken in meanwhile, and none later.
    """

    hold: bool = False
    shuffled: bool = False
    doubled: bool = False
    lost: bool = False

    def as_dict(self) -> dict[str, bool]:
        """Return it as it could be put again."""
        return asdict(self)


def parse(data: object) -> Flow:
    """Return the switch that `data`, parsed JSON, describes; what it leaves out is off. Raises FlowError."""
    if not isinstance(data, dict):
        raise FlowError(["the switch of the webhooks is a JSON object"])
    known = [field.name for field in fields(Flow)]
    problems = [f"{name}: there is no such field" for name in data if name not in known]
    problems += [f"{name}: must be true or false" for name in known if not isinstance(data.get(name, False), bool)]
    if problems:
        raise FlowError(problems)
    return Flow(**data)
