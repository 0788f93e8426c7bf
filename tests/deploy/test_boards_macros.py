"""The expansion that the board tests rest on, in the forms that plugin and Grafana document."""

from __future__ import annotations

import pytest

from tests.deploy.macros import Asked, Value, expand, formatted

SINCE = 1_700_000_000_500
ASKED = Asked(SINCE, SINCE + 3_600_000, 30_000, {"one": ["a'b"], "all": ["$__all"], "text": "x y"})


@pytest.mark.parametrize(
    ("written", "sent"),
    [
        ("$__timeFilter(ts)", "ts >= toDateTime(1700000000) AND ts <= toDateTime(1700003600)"),
        (
            "$__timeFilter_ms(ts)",
            "ts >= fromUnixTimestamp64Milli(1700000000500) "
            "AND ts <= fromUnixTimestamp64Milli(1700003600500)",
        ),
        ("$__fromTime", "toDateTime(1700000000)"),
        ("$__toTime", "toDateTime(1700003600)"),
        ("$__timeInterval(ts)", "toStartOfInterval(toDateTime(ts), INTERVAL 30 second)"),
        ("n / $__interval_s", "n / 30"),
        ("$__conditionalAll(a IN (1, 2), $all)", "1=1"),
        ("$__conditionalAll(a IN (${one:sqlstring}), $one)", "a IN ('a''b')"),
        ("f('${text:percentencode}')", "f('x%20y')"),
        ("IN ($one)", "IN ('a'b')"),  # the plugin's own format quotes without escaping
    ],
)
def test_expansion(written: str, sent: str) -> None:
    assert expand(written, ASKED) == sent


def test_an_interval_is_a_second_at_least() -> None:
    asked = Asked(SINCE, SINCE + 1000, 20, {})
    assert expand("$__interval_s", asked) == "1"


@pytest.mark.parametrize("written", ["$__rateColumns(a)", "$__timeFilter(a, b)", "$unknown"])
def test_what_nobody_would_expand_is_an_error(written: str) -> None:
    with pytest.raises((ValueError, KeyError)):
        expand(written, ASKED)


@pytest.mark.parametrize(
    ("value", "encoded"),
    [
        (["a"], "%7Ba%7D"),
        (["a", "b"], "%7Ba%2Cb%7D"),
        ("it's (\\) *!", "it%27s%20%28%5C%29%20%2A%21"),
        ("é", "%C3%A9"),
    ],
)
def test_percent_encoding_leaves_nothing_that_ends_a_string(value: Value, encoded: str) -> None:
    assert formatted(value, "percentencode") == encoded
