"""What Grafana and the ClickHouse plugin make of a query before ClickHouse sees it.

In their order: the plugin's $__conditionalAll in the browser, then Grafana's variables, then the
plugin's other macros on the server. Written after the plugin's documented
behaviour; what it doesn't know is an error, as a macro that no one expands would be.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import quote

Value = str | list[str]
ALL = ["$__all"]
_VARIABLE = re.compile(r"\$\{(\w+)(?::(\w+))?\}|\$(?!__)(\w+)")
_MACRO = re.compile(r"\$__(\w+)(\()?")


@dataclass(frozen=True)
class Asked:
    """A board's time (UTC milliseconds), a panel's interval (ms), and the variables' values."""

    since_ms: int
    until_ms: int
    interval_ms: int
    values: Mapping[str, Value]


def expand(sql: str, asked: Asked) -> str:
    """Return the statement that reaches ClickHouse."""
    return _macros(_variables(_conditional(sql, asked.values), asked.values), asked)


def _arguments(text: str, start: int) -> tuple[list[str], int]:
    """Return the arguments of a call whose bracket is at ``start``, and where it ends.

    Brackets and commas count wherever they stand, in strings too: so does the plugin.
    """
    depth, begin, found = 0, start + 1, []
    for at in range(start, len(text)):
        if text[at] == "(":
            depth += 1
        elif text[at] == ")":
            depth -= 1
            if depth == 0:
                return [*found, text[begin:at]], at + 1
        elif text[at] == "," and depth == 1:
            found.append(text[begin:at])
            begin = at + 1
    raise ValueError(f"a bracket is not closed: {text[start : start + 60]}")


def _conditional(sql: str, values: Mapping[str, Value]) -> str:
    name = "$__conditionalAll("
    while (at := sql.rfind(name)) >= 0:
        arguments, end = _arguments(sql, at + len(name) - 1)
        condition, variable = arguments  # another number of them, the plugin leaves as it is
        found = re.search(r"(?<=\$\{)\w+(?=\})|(?<=\$)\w+", variable)
        assert found is not None, variable
        value = values[found.group()]
        whole = value in ("", [], [""], "$__all", ALL)
        # JavaScript's replace() gives these a meaning of their own
        assert not re.search(r"\$[$&`']", condition), condition
        sql = sql[:at] + ("1=1" if whole else condition) + sql[end:]
    return sql


def _variables(sql: str, values: Mapping[str, Value]) -> str:
    def replaced(match: re.Match[str]) -> str:
        name = match.group(1) or match.group(3)
        return formatted(values[name], match.group(2))

    return _VARIABLE.sub(replaced, sql)


def formatted(value: Value, form: str | None) -> str:
    """Return a variable's value in one of Grafana's formats; None is the plugin's own."""
    match form:
        case "percentencode":
            text = value if isinstance(value, str) else "{" + ",".join(value) + "}"
            return quote(text, safe="-_.~")
        case "sqlstring":
            each = [value] if isinstance(value, str) else value
            texts = (one.replace("'", "''").replace('"', '\\"') for one in each)
            return ",".join(f"'{one}'" for one in texts)
        case "raw":
            return value if isinstance(value, str) else ",".join(value)
        case "json":
            return value if isinstance(value, str) else json.dumps(value)
        case None:
            return value if isinstance(value, str) else "'" + "','".join(value) + "'"
    raise ValueError(f"format {form} is not known here")


def _macros(sql: str, asked: Asked) -> str:
    begin, end = asked.since_ms // 1000, asked.until_ms // 1000
    seconds = max(asked.interval_ms // 1000, 1)
    out, at = "", 0
    while match := _MACRO.search(sql, at):
        arguments, after = _arguments(sql, match.end() - 1) if match.group(2) else ([], match.end())
        out += sql[at : match.start()]
        # Others may be cut at the wrong bracket by the plugin's versions before its own parser.
        assert all(re.fullmatch(r"\w+", each.strip()) for each in arguments), match.group()
        match match.group(1), [each.strip() for each in arguments]:
            case "timeFilter", [column]:
                out += f"{column} >= toDateTime({begin}) AND {column} <= toDateTime({end})"
            case "timeFilter_ms", [column]:
                low, high = asked.since_ms, asked.until_ms
                out += (
                    f"{column} >= fromUnixTimestamp64Milli({low}) "
                    f"AND {column} <= fromUnixTimestamp64Milli({high})"
                )
            case "fromTime", []:
                out += f"toDateTime({begin})"
            case "toTime", []:
                out += f"toDateTime({end})"
            case "timeInterval", [column]:
                out += f"toStartOfInterval(toDateTime({column}), INTERVAL {seconds} second)"
            case "interval_s", []:
                out += str(seconds)
            case name, found:
                raise ValueError(f"macro {name} with {len(found)} arguments is not known here")
        at = after
    return out + sql[at:]
