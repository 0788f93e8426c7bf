"""The pair file: what is accepted; every error names the pair, the field and what to do."""

from __future__ import annotations

import contextlib
import json
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.errors import ConfigurationError
from schemas.pair import Verified, json_schema
from schemas.pairs import MAX_BYTES, PairSettings, parse_pairs, read_pairs

ROOT = Path(__file__).resolve().parents[2]


def document(**changes: Any) -> dict[str, Any]:
    """Return a pair whose fields are changed; ``leg`` changes its first leg."""
    leg = {
        "platform": "kalshi",
        "outcomes": [{"market_id": "KXA", "outcome_id": "KXA"}],
        **changes.pop("leg", {}),
    }
    other = {"platform": "manifold", "outcomes": [{"market_id": "m", "outcome_id": "m"}]}
    return {"id": "p1", "description": "Will it?", "legs": [leg, other], **changes}


def parsed(*pairs: Any) -> Any:
    return parse_pairs(json.dumps({"pairs": pairs}).encode())


def outcomes(*names: str, **more: Any) -> list[dict[str, Any]]:
    return [{"market_id": name, "outcome_id": name, **more} for name in names]


def test_a_pair_is_read_exactly() -> None:
    weighted = {
        "transform": "weighted_average",
        "outcomes": [*outcomes("a", weight=0.1), *outcomes("b", weight="0.3")],
        "fee": {"type": "quadratic", "rate": 1, "at": "2026-09-01"},
    }
    [pair] = parsed(document(leg=weighted, verified={"by": "K. Arrow", "at": "2026-11-25"}))
    assert [each.weight for each in pair.legs[0].outcomes] == [Decimal("0.1"), Decimal("0.3")]
    assert pair.alert_threshold == Decimal("0.05")
    assert pair.verified == Verified("K. Arrow", "2026-11-25")
    assert pair.legs[1].max_age_seconds == 900
    assert parsed() == ()


def test_strikes_are_compared_with_the_threshold() -> None:
    ranges = [*outcomes("a", strike=1), *outcomes("b", strike=2), *outcomes("c", strike=3)]
    for transform, names in (("sum_above", ["b", "c"]), ("sum_below", ["a"])):
        leg = {"transform": transform, "threshold": 2, "outcomes": ranges}
        [pair] = parsed(document(leg=leg))
        assert [each.market_id for each in pair.legs[0].chosen()] == names


WRONG: list[tuple[Any, str]] = [
    (document(id=5), "pair number 1: id: Expected `str`"),
    (document(id="a b"), "pair a b: id: "),
    (document(id="p1\n"), "id: "),
    (document(colour="red"), "pair p1: pair: Object contains unknown field `colour`"),
    (document(alert_threshold=1.5), "pair p1: alert_threshold: has to be within 0..1"),
    (document(alert_threshold="NaN"), "alert_threshold: has to be a number"),
    (document(alert_threshold="1e-9"), "alert_threshold: has to be a number of at most 8"),
    (document(verified={"by": "x", "at": "2026-13-01"}), "verified.at: has to be a date"),
    (document(verified=True), "pair p1: verified: "),
    (document(legs=[]), "pair p1: legs: "),
    (document(leg={"platform": "betfair"}), "legs[0].platform: has to be one of kalshi, "),
    (document(leg={"platform": "manifold"}), "legs[0].platform: manifold has two legs"),
    (document(leg={"outcomes": []}), "pair p1: legs[0].outcomes: "),
    (document(leg={"outcomes": outcomes("a", "b")}), "outcomes: identity takes one; use sum"),
    (document(leg={"outcomes": outcomes("a", "a"), "transform": "sum"}), "outcomes[0]: is listed"),
    (document(leg={"transform": "cube"}), "legs[0].transform: Invalid enum value 'cube'"),
    (document(leg={"transform": "sum_above"}), "legs[0].threshold: is needed by sum_above"),
    (document(leg={"threshold": 1}), "legs[0].threshold: means nothing to identity"),
    (document(leg={"transform": "sum_above", "threshold": 1}), "strike: is needed by sum_above"),
    (
        document(
            leg={"transform": "sum_above", "threshold": 9, "outcomes": outcomes("a", strike=1)}
        ),
        "legs[0].threshold: leaves no outcome",
    ),
    (document(leg={"outcomes": outcomes("a", weight=1)}), "weight: means nothing to identity"),
    (
        document(leg={"transform": "weighted_average", "outcomes": outcomes("a", weight=0)}),
        "outcomes[0].weight: has to be within",
    ),
    (document(leg={"max_age_seconds": 0}), "legs[0].max_age_seconds: "),
    (document(leg={"fee": {"type": "q", "rate": -1, "at": "2026-09-01"}}), "fee.rate: has to be"),
    (document(leg={"fee": {"type": "q", "rate": 1, "at": "2026-99-01"}}), "fee.at: has to be"),
]


@pytest.mark.parametrize(("pair", "said"), WRONG)
def test_a_mistake_is_named(pair: Any, said: str) -> None:
    with pytest.raises(ConfigurationError) as error:
        parsed(pair)
    assert said in str(error.value)
    with pytest.raises(ConfigurationError):
        parsed(document(id="good"), pair)


@pytest.mark.parametrize(
    "content",
    [b"", b"[]", b"{}", b'{"pairs": 1}', b'{"pairs": [], "more": 1}', b"\xff", b"[" * 9999],
)
def test_a_file_that_is_none_is_named(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "pairs.json"
    path.write_bytes(content)
    with pytest.raises(ConfigurationError, match=r"pairs\.json: "):
        read_pairs(path)


def test_ids_are_used_once_and_files_are_bounded() -> None:
    with pytest.raises(ConfigurationError, match="pair p1: id: is used twice"):
        parsed(document(), document())
    with pytest.raises(ConfigurationError, match="larger than"):
        parse_pairs(b" " * (MAX_BYTES + 1))
    with pytest.raises(ConfigurationError, match="at most 2000"):
        parsed(*[document(id=f"p{at}") for at in range(2001)])


@given(st.recursive(st.none() | st.booleans() | st.floats(allow_nan=False) | st.text(max_size=9),
                    lambda inner: st.lists(inner, max_size=3)
                    | st.dictionaries(st.sampled_from(["id", "description", "legs", "outcomes",
                                                       "platform", "verified", "weight"]), inner),
                    max_leaves=12))  # fmt: skip
def test_anything_is_a_pair_or_a_clear_error(value: Any) -> None:
    with contextlib.suppress(ConfigurationError):
        parsed(value, document(id="x", legs=[value]))


def test_the_file_is_looked_for_where_the_setting_says(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert PairSettings.load().pairs() == ()  # nobody asked for any
    monkeypatch.setenv("ECHOARB_MARKET_PAIRS", str(tmp_path / "none.json"))
    with pytest.raises(ConfigurationError, match=r"ECHOARB_MARKET_PAIRS: .*none\.json: No such"):
        PairSettings.load().pairs()
    (tmp_path / "none.json").write_text(json.dumps({"pairs": [document()]}))
    assert [pair.id for pair in PairSettings.load().pairs()] == ["p1"]


def test_the_json_schema_is_that_of_the_classes() -> None:
    assert (ROOT / "schemas" / "pairs.schema.json").read_text() == json_schema()


@pytest.mark.parametrize("name", ["market_pairs.json", "market_pairs.simulated.json"])
def test_the_files_that_come_along_are_right_and_unverified(name: str) -> None:
    for pair in read_pairs(ROOT / "config" / name):
        assert pair.verified is None


def test_the_documented_example_can_be_read() -> None:
    text = (ROOT / "docs" / "spreads.md").read_text()
    [pair] = parse_pairs(text.partition("```json\n")[2].partition("```")[0].encode())
    assert [len(leg.chosen()) for leg in pair.legs] == [2, 1]
