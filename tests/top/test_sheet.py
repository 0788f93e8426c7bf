"""Filtering and ordering of a sheet's rows."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from echoarb.top.columns import clock, measured, milliseconds, number, text
from echoarb.top.sheet import Sheet, View, arrange, cells, first_view, headings
from echoarb.top.sheets import ALERTS, LATENCY, SHEETS

SHEET = Sheet(
    "example",
    lambda row: str(row["id"]),
    (text("name", "name", most=8), number("price", "price")),
    ("price", True),
    "nothing",
)
ROWS = st.lists(
    st.fixed_dictionaries(
        {
            "id": st.integers(),
            "name": st.none() | st.text(max_size=12),
            "price": st.none() | st.decimals(-100, 100, places=4).map(str),
        }
    ),
    unique_by=lambda row: row["id"],
)


def row(at: int, name: str | None, price: str | None) -> dict[str, Any]:
    return {"id": at, "name": name, "price": price}


def test_it_opens_ordered_as_the_sheet_says() -> None:
    rows = [row(1, "a", "0.9"), row(2, "b", "10"), row(3, "c", None), row(4, "d", "-1")]

    assert [each["id"] for each in arrange(SHEET, first_view(SHEET), rows)] == [2, 1, 4, 3]


@given(ROWS, st.booleans(), st.integers(0, 1))
def test_no_row_is_lost_or_doubled_and_missing_values_come_last(
    rows: list[dict[str, Any]], descending: bool, column: int
) -> None:
    arranged = arrange(SHEET, View((), column, descending), rows)

    assert sorted(each["id"] for each in arranged) == sorted(each["id"] for each in rows)
    values = [SHEET.columns[column].value(each) for each in arranged]
    known = [value for value in values if value is not None]
    assert values == known + [None] * (len(values) - len(known))
    if column == 1:
        assert known == sorted(known, reverse=descending)


@given(ROWS, st.text(max_size=6))
def test_the_filter_keeps_rows_that_hold_every_word(rows: list[dict[str, Any]], typed: str) -> None:
    view = first_view(SHEET).filtered(typed)

    kept = {each["id"] for each in arrange(SHEET, view, rows)}

    for each in rows:
        shown = f"{SHEET.columns[0].text(each)} {SHEET.columns[1].text(each)} {each['id']}"
        assert (each["id"] in kept) == all(w in shown.casefold() for w in typed.casefold().split())


def test_rows_of_equal_value_keep_one_order() -> None:
    rows = [row(2, "same", "1"), row(1, "same", "1")]

    once = arrange(SHEET, View((), 0, False), rows)
    again = arrange(SHEET, View((), 0, False), list(reversed(rows)))

    assert once == again


def test_ordering_moves_around_the_columns_and_is_marked() -> None:
    view = first_view(SHEET)

    assert [str(heading) for heading in headings(SHEET, view)] == ["name", "price ▼"]
    view = view.moved(SHEET, 1).reversed()
    assert [str(heading) for heading in headings(SHEET, view)] == ["name ▲", "price"]
    assert view.moved(SHEET, -1).column == 1


def test_cells_are_cut_and_missing_is_a_dash() -> None:
    assert [str(cell) for cell in cells(SHEET, row(1, "abcdefghijkl", "0.500"))] == [
        "abcdefg…",
        "0.5",
    ]
    assert [str(cell) for cell in cells(SHEET, row(1, None, None))] == ["-", "-"]


def test_a_name_with_markup_and_line_breaks_is_told_as_it_is() -> None:
    assert str(cells(SHEET, row(1, "[b]\nx", "1"))[0]) == "[b] x"


def test_times_are_utc_with_their_date_unless_they_are_of_today() -> None:
    column = clock("at", "ts")

    assert column.text({"ts": "2001-02-03T04:05:06.789123Z"}) == "2001-02-03 04:05:06.789"
    assert column.text({"ts": None}) == column.text({"ts": "soon"}) == "-"


def test_a_delay_is_told_in_milliseconds() -> None:
    column = measured("delay", milliseconds("b", "a"), 1)
    times = {"a": "2026-01-01T00:00:00.000000Z", "b": "2026-01-01T00:00:01.234560Z"}

    assert column.text(times) == "1,234.6"
    assert column.text({**times, "a": None}) == "-"


def test_stages_come_in_their_order_and_severities_by_weight() -> None:
    stages = [{"platform": "kalshi", "stage": s} for s in ("emit_append", "source_ingest")]
    by_stage = View((), LATENCY.index("stage"), False)
    assert [r["stage"] for r in arrange(LATENCY, by_stage, stages)] == [
        "source_ingest",
        "emit_append",
    ]
    alerts = [{"alert_id": s, "severity": s} for s in ("low", "critical", "medium", "high")]
    assert [r["severity"] for r in arrange(ALERTS, first_view(ALERTS), alerts)] == [
        "critical",
        "high",
        "medium",
        "low",
    ]


def test_every_sheet_draws_a_row_of_which_nothing_is_known() -> None:
    keys = ("platform", "outcome_id", "pair_id", "stage", "alert_id", "gap_id")
    for sheet in SHEETS:
        assert len(cells(sheet, dict.fromkeys(keys, "x"))) == len(sheet.columns)
