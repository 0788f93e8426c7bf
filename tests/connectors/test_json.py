"""Numbers and shapes of hostile JSON."""

from __future__ import annotations

from decimal import Decimal

import pytest

from connectors.json import decode
from schemas.errors import Poison


def test_floats_are_exact() -> None:
    assert decode('{"price": 0.1, "size": 2}') == {"price": Decimal("0.1"), "size": 2}


@pytest.mark.parametrize("number", ["1e99999999999999999999", "0." + "1" * 100])
def test_a_number_that_no_venue_writes_is_no_number(number: str) -> None:
    assert decode(f"[{number}]")[0].is_nan()


@pytest.mark.parametrize("text", ["", "{", "NaN", "[" * 100_000, '"\\ud800"'])
def test_what_is_no_json_is_poison(text: str) -> None:
    with pytest.raises(Poison):
        decode(text)
