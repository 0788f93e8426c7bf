"""What SQL texts are put together from: a statement with its bound values, conditions, instants."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True)
class Query:
    """A statement with ``{name:Type}`` places, and the values for them."""

    sql: str
    parameters: dict[str, Any]


@dataclass(slots=True)
class Conditions:
    """The parts of a WHERE, and the values that are bound in them."""

    texts: list[str] = field(default_factory=list)
    parameters: dict[str, Any] = field(default_factory=dict)

    def add(self, text: str, **parameters: Any) -> None:
        """Add a condition, written by us, and its values."""
        self.texts.append(text)
        self.parameters.update(parameters)

    def equal(self, column: str, value: str | None) -> None:
        """Add that a column has this value; nothing for None."""
        if value is not None:
            self.add(f"{column} = {{{column}:String}}", **{column: value})

    def where(self) -> str:
        """Return the WHERE clause."""
        return "WHERE " + (" AND ".join(self.texts) or "1")


def instant(name: str) -> str:
    """Return SQL for the instant bound as ``name``, UTC microseconds."""
    return f"fromUnixTimestamp64Micro({{{name}:Int64}}, 'UTC')"
