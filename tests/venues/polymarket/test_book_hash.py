"""The hash recipe, by the venue's own vector, and the search for the moving part."""

from __future__ import annotations

import pytest

from connectors.amounts import ONE, units
from connectors.book import Book
from connectors.polymarket.book_hash import GRID, Digest, HashInputs, three_decimals, verify

VECTOR = "0458ea5755c9f73d64a14636fa5c36ed460ec394"
"""Of the venue's own client tests: PROTOCOL section 7."""


def vector() -> tuple[Book, HashInputs]:
    book = Book("0xaabbcc", "100")
    book.replace(
        [(units("0.3"), units("100")), (units("0.4"), units("100"))],
        [(units("0.6"), units("100")), (units("0.7"), units("100"))],
    )
    return book, HashInputs("100", False, "0.01", None)


def test_the_published_vector() -> None:
    """Its asks stand in the other order than any that the venue sends."""
    book, inputs = vector()
    bids, asks = sorted(book.bids.items()), sorted(book.asks.items())
    digest = Digest("0xaabbcc", "100", 123456789, bids, asks, inputs)
    assert digest.with_last("0.5") == VECTOR


def test_one_more_share_gives_another_hash() -> None:
    book, inputs = vector()
    before = Digest.of(book, 123456789, inputs).with_last("0.5")
    book.set("bid", units("0.3"), units("101"))
    assert Digest.of(book, 123456789, inputs).with_last("0.5") != before


class Search:
    def __init__(self, allowed: bool = True) -> None:
        self.asked = 0
        self.allowed = allowed

    def __call__(self) -> bool:
        self.asked += 1
        return self.allowed


@pytest.mark.parametrize(
    ("known", "likely", "searched"),
    [
        ("0.370", [], 0),
        ("0.630", [], 0),
        (None, [units("0.37")], 0),
        (None, [units("0.63")], 0),
        ("0.100", [None, units("0.5")], 1),
    ],
)
def test_the_last_price_is_found(
    known: str | None, likely: list[int | None], searched: int
) -> None:
    """Known, its complement, a likely one, its complement, or by a complete search."""
    book, inputs = vector()
    stated = Digest.of(book, 7, inputs).with_last("0.370")
    inputs.last_trade_price = known
    search = Search()
    assert verify(book, 7, stated, inputs, likely, search=search) == ("matched", "0.370")
    assert search.asked == searched


def test_no_trade_yet_is_an_empty_text() -> None:
    book, inputs = vector()
    stated = Digest.of(book, 7, inputs).with_last("")
    assert verify(book, 7, stated, inputs, [], search=Search()) == ("matched", "")


def test_a_wrong_book_is_told_from_one_that_cannot_be_judged() -> None:
    book, inputs = vector()
    wrong = "0" * 40
    assert verify(book, 7, wrong, inputs, [], search=Search())[0] == "mismatched"
    assert verify(book, 7, wrong, inputs, [], search=Search(False))[0] == "search_skipped"
    assert verify(book, 7, None, inputs, [], search=Search())[0] == "no_hash"
    inputs.tick_size = "0.0001"
    assert verify(book, 7, wrong, inputs, [], search=Search())[0] == "search_skipped"
    inputs.neg_risk = None
    assert verify(book, 7, wrong, inputs, [], search=Search())[0] == "unknown_inputs"


def test_prices_are_written_with_three_decimals() -> None:
    assert three_decimals(units("0.5")) == "0.500"
    assert three_decimals(ONE) == "1.000"
    assert GRID[7] == three_decimals(units("0.007"))
