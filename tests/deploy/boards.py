"""The boards as the tests see them: their JSON, and every query in it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from typing import Any

import httpx

from grafana.build import BOARDS, text

Json = dict[str, Any]


@cache
def boards() -> dict[str, Json]:
    """Return every board by name, as its file has to hold it."""
    return {name: json.loads(text(build())) for name, build in BOARDS.items()}


def panels(board: Json) -> list[Json]:
    """Return the board's panels without rows."""
    return [panel for panel in board["panels"] if panel["type"] != "row"]


@dataclass(frozen=True)
class Query:
    """A query to ClickHouse: of a panel, of a variable (kind ``variable``) or ``annotation``."""

    name: str
    board: str
    kind: str
    sql: str
    format: int

    def __str__(self) -> str:
        return f"{self.board}/{self.name}"


def queries() -> Iterator[Query]:
    """Yield every query to ClickHouse of every board."""
    for name, board in boards().items():
        for panel in panels(board):
            for target in panel.get("targets", []):
                if "rawSql" in target:
                    title = f"{panel['title']}/{target['refId']}"
                    yield Query(title, name, panel["type"], target["rawSql"], target["format"])
        for variable in board["templating"]["list"]:
            if isinstance(variable.get("query"), dict):
                yield Query(variable["name"], name, "variable", variable["query"]["rawSql"], 1)
        for annotation in board["annotations"]["list"]:
            target = annotation["target"]
            yield Query(annotation["name"], name, "annotation", target["rawSql"], target["format"])


@dataclass(frozen=True)
class Answer:
    """What ClickHouse says."""

    columns: tuple[tuple[str, str], ...]
    rows: list[list[Any]]
    rows_read: int

    @property
    def names(self) -> list[str]:
        """The columns' names."""
        return [name for name, _ in self.columns]

    def column(self, name: str) -> list[Any]:
        """Return a column's values."""
        at = self.names.index(name)
        return [row[at] for row in self.rows]


class Refused(Exception):
    """ClickHouse's error."""


@dataclass(frozen=True)
class ClickHouse:
    """Asks over HTTP, as the plugin does, and may only read, as its user."""

    url: str
    database: str
    http: httpx.Client

    def ask(self, sql: str) -> Answer:
        """Return the answer. Raises Refused."""
        options = {
            "database": self.database,
            "default_format": "JSONCompact",
            "readonly": "1",
        }
        found = self.http.post(self.url, params=options, content=sql.encode())
        if found.status_code != 200:
            raise Refused(found.text)
        body = json.loads(found.text)
        columns = tuple((each["name"], each["type"]) for each in body["meta"])
        return Answer(columns, body["data"], body["statistics"]["rows_read"])
