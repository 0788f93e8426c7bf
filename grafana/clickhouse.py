"""The ClickHouse plugin's side of a board: queries of panels, variables and annotations.

The SDK doesn't know the plugin (grafana-clickhouse-datasource), so its query model is here.

Values of variables come from people and links. They reach SQL percent-encoded, never quoted:
Grafana's ``sqlstring`` doubles quotes but leaves backslashes, which ClickHouse takes as escapes, so
that a value can end its own string. Percent-encoded text holds neither.
"""

from __future__ import annotations

from enum import IntEnum

from grafana_foundation_sdk.builders.dashboard import AnnotationQuery as AnnotationBuilder
from grafana_foundation_sdk.cog.builder import Builder
from grafana_foundation_sdk.cog.variants import Dataquery
from grafana_foundation_sdk.models.dashboard import AnnotationQuery, DataSourceRef

TYPE = "grafana-clickhouse-datasource"
SOURCE = DataSourceRef(type_val=TYPE, uid="${clickhouse}")
"""The datasource that the board's variable names."""
PLUGIN_VERSION = "4.20.0"
"""The oldest version that the boards are for; without one the plugin takes them for v3."""


class Format(IntEnum):
    """What the plugin makes of an answer: TIME_SERIES turns rows of (time, label, value) into a
    series per label, TABLE leaves them as they are."""

    TIME_SERIES = 0
    TABLE = 1


class ClickHouseQuery(Dataquery):
    """The plugin's query model."""

    def __init__(self, sql: str, format: Format, ref_id: str) -> None:
        self.sql = sql
        self.format = format
        self.ref_id = ref_id

    def to_json(self) -> dict[str, object]:
        """Return it as it stands in a board."""
        return {
            "datasource": SOURCE,
            "editorType": "sql",
            "format": int(self.format),
            "pluginVersion": PLUGIN_VERSION,
            "queryType": "table" if self.format is Format.TABLE else "timeseries",
            "rawSql": self.sql,
            "refId": self.ref_id,
        }


def laid_out(sql: str) -> str:
    """Return a statement, put together from pieces, with its lines indented by their brackets."""
    lines, depth = [], 0
    for line in filter(None, map(str.strip, sql.splitlines())):
        closing = len(line) - len(line.lstrip(")"))
        lines.append("  " * max(depth - closing, 0) + line)
        depth += line.count("(") - line.count(")")
    return "\n".join(lines)


class Sql(Builder[Dataquery]):
    """Builds a query."""

    def __init__(self, text: str, format: Format, ref_id: str = "A") -> None:
        self._query = ClickHouseQuery(laid_out(text), format, ref_id)

    def build(self) -> ClickHouseQuery:
        """Return the query."""
        return self._query


def series(text: str, ref_id: str = "A") -> Sql:
    """Return a query for lines: time first, ascending; then labels and values."""
    return Sql(text, Format.TIME_SERIES, ref_id)


def rows(text: str, ref_id: str = "A") -> Sql:
    """Return a query whose rows are shown as they come."""
    return Sql(text, Format.TABLE, ref_id)


def chosen(column: str, variable: str) -> str:
    """Return the condition that a column holds one of a variable's values.

    All and none are no condition: the plugin writes 1=1 for it, before anything else, in place of
    a list of every value there is. Grafana percent-encodes several values as {one,other}: values
    with a comma can't be told apart, and none of ours has one.
    """
    values = f"splitByChar(',', trim(BOTH '{{}}' FROM {decoded(variable)}))"
    return f"$__conditionalAll({column} IN {values}, ${variable})"


def decoded(variable: str) -> str:
    """Return SQL for the text of a variable."""
    return f"decodeURLComponent('${{{variable}:percentencode}}')"


class _Annotation(AnnotationQuery):
    """An annotation whose target is a query, where the SDK knows that of tags only."""

    def __init__(self, base: AnnotationQuery, query: ClickHouseQuery) -> None:
        super().__init__(
            name=base.name,
            datasource=SOURCE,
            enable=base.enable,
            hide=base.hide,
            icon_color=base.icon_color,
            built_in=0,
        )
        self._query = query

    def to_json(self) -> dict[str, object]:
        return {**super().to_json(), "target": self._query}


class Annotation(Builder[AnnotationQuery]):
    """Builds an annotation from rows of time, timeEnd, title, text, tags.

    The format is stated: by default the plugin would fold the two times into one series.
    """

    def __init__(self, name: str, text: str, color: str, enable: bool = True) -> None:
        base = AnnotationBuilder().name(name).enable(enable).icon_color(color)
        query = ClickHouseQuery(laid_out(text), Format.TABLE, "annotation")
        self._annotation = _Annotation(base.build(), query)

    def build(self) -> AnnotationQuery:
        """Return the annotation."""
        return self._annotation
