"""Markets from the three shapes in which the venue describes one, and from patches.

LiteMarket and FullMarket come by REST, the internal contract by WebSocket (PROTOCOL 4.1 to 4.3).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from decimal import Decimal

from connectors.json import Row, row, rows
from connectors.manifold.prices import MOST_OUTCOMES
from connectors.manifold.pricing import (
    agree,
    answer_probability,
    cpmm_probability,
    rounded,
    units_of,
)
from connectors.manifold.wire import identifier, micros, number, text
from schemas.errors import Poison
from schemas.market import Market, MarketStatus, Outcome

PLATFORM = "manifold"
SINGLE = "cpmm-1"
MULTI = "cpmm-multi-1"
LEGACY = "dpm-2"
MECHANISMS = (SINGLE, MULTI, LEGACY)
"""Those with probabilities. Polls, bounties, perpetual futures have none."""

Quoted = tuple[str, str | None, int]
"""Outcome id, label, probability in units of 10^-8."""


def read_market(contract: Row, at_us: int) -> Market | None:
    """Return the market, None if its kind has no probability. Raises Poison."""
    market_id = identifier(contract.get("id"), "a market's id")
    mechanism = text(contract.get("mechanism"))
    title = text(contract.get("question"))
    if mechanism not in MECHANISMS:
        return None
    if title is None:
        raise Poison("shape", "a market without a question")
    url = text(contract.get("url"))
    close_us = micros(contract.get("closeTime"))
    event = text(contract.get("sportsEventId"))
    return Market(
        seen_ts=at_us,
        platform=PLATFORM,
        market_id=market_id,
        event_id=event,
        # Before 2023 a market's slug was only in its address.
        slug=text(contract.get("slug")) or (url.rsplit("/", 1)[-1] if url else None),
        title=title,
        outcomes=_outcomes(market_id, mechanism, contract),
        status=_status(contract.get("isResolved") is True, close_us, at_us),
        resolution=text(contract.get("resolution")),
        open_ts=micros(contract.get("createdTime")),
        close_ts=close_us,
        unit=text(contract.get("token")) or "MANA",
        tick_size=None,
        min_size=None,
        fee_type=None,
        fee_rate=None,
        volume=_volume(contract),
        mechanism=mechanism,
    )


def patch_market(market: Market, patch: Row, at_us: int) -> Market:
    """Return the market after a patch: keys that are absent stay, null unsets. Raises Poison."""
    close_us = micros(patch.get("closeTime")) if "closeTime" in patch else market.close_ts
    resolved = patch.get("isResolved", market.status == "resolved") is True
    answers = patch.get("answers")
    return replace(
        market,
        seen_ts=at_us,
        slug=text(patch.get("slug")) or market.slug,
        title=text(patch.get("question")) or market.title,
        outcomes=market.outcomes
        if answers is None
        else merge_outcomes(market.outcomes, _answer_outcomes(answers)),
        status=_status(resolved, close_us, at_us),
        resolution=text(patch.get("resolution")) if "resolution" in patch else market.resolution,
        close_ts=close_us,
        volume=_volume(patch) if "volume" in patch else market.volume,
    )


def merge_outcomes(known: Sequence[Outcome], said: Sequence[Outcome]) -> tuple[Outcome, ...]:
    """Return the known outcomes, renamed where ``said`` says so, and then the new ones."""
    labels = {outcome.outcome_id: outcome for outcome in known}
    labels.update({outcome.outcome_id: outcome for outcome in said})
    return tuple(labels.values())[:MOST_OUTCOMES]


def same(one: Market, other: Market) -> bool:
    """Whether two records differ in nothing but when they were seen and the volume."""
    return replace(one, seen_ts=0, volume=None) == replace(other, seen_ts=0, volume=None)


def closed_by(market: Market, at_us: int) -> Market:
    """Return the market as closed if its time has come: the venue does not announce it."""
    if market.status == "open" and market.close_ts is not None and market.close_ts <= at_us:
        return replace(market, status="closed", seen_ts=at_us)
    return market


def answer_outcome(answer: Row) -> Outcome | None:
    """Return an answer's id and text; None if the text is not given. Raises Poison."""
    label = text(answer.get("text"))
    return None if label is None else Outcome(identifier(answer.get("id"), "answer id"), label)


def contract_price(contract: Row) -> int | None:
    """Return a one-answer market's probability in units: as stated, or from its pool where it is
    not (STONK, old PSEUDO_NUMERIC); None if neither is there. Raises Poison."""
    stated = contract.get("prob", contract.get("probability"))
    if stated is not None:
        return units_of(number(stated, "a probability"))
    computed = formula_price(contract)
    return None if contract.get("mechanism") != SINGLE else computed


def formula_price(contract: Row) -> int | None:
    """Return the probability that pool and weight give; None if they are not there. Raises
    Poison."""
    pool, weight = contract.get("pool"), contract.get("p")
    if weight is None or not isinstance(pool, dict) or not {"YES", "NO"} <= pool.keys():
        return None
    yes, no = number(pool["YES"], "pool.YES"), number(pool["NO"], "pool.NO")
    return units_of(cpmm_probability(yes, no, number(weight, "p")))


def answer_price(answer: Row) -> int | None:
    """Return an answer's probability in units, None if it is not there. Raises Poison."""
    stated = answer.get("prob", answer.get("probability"))
    return None if stated is None else units_of(number(stated, "a probability"))


def answer_pool_disagrees(answer: Row) -> bool:
    """Whether an unresolved answer's pool gives another probability than the one stated."""
    stated, yes, no = answer.get("prob"), answer.get("poolYes"), answer.get("poolNo")
    if stated is None or yes is None or no is None or answer.get("resolution") is not None:
        return False
    computed = answer_probability(number(yes, "poolYes"), number(no, "poolNo"))
    return not agree(units_of(computed), units_of(number(stated, "prob")))


def quoted(contract: Row) -> list[Quoted]:
    """Return every probability that a whole market states. Raises Poison."""
    market_id = identifier(contract.get("id"), "a market's id")
    answers = contract.get("answers")
    if answers is not None and contract.get("mechanism") != SINGLE:
        return quoted_answers(answers)
    price = contract_price(contract)
    return [] if price is None else [(market_id, "YES", price)]


def quoted_answers(answers: object) -> list[Quoted]:
    """Return every probability in a list of answers. Raises Poison."""
    found: list[Quoted] = []
    for value in rows(answers, "answers", MOST_OUTCOMES):
        answer = row(value, "an answer")
        price = answer_price(answer)
        if price is not None:
            found.append(
                (identifier(answer.get("id"), "answer id"), text(answer.get("text")), price)
            )
    return found


def _outcomes(market_id: str, mechanism: str, contract: Row) -> tuple[Outcome, ...]:
    if mechanism == SINGLE:
        return (Outcome(market_id, "YES"),)
    answers = contract.get("answers")
    return () if answers is None else _answer_outcomes(answers)


def _answer_outcomes(answers: object) -> tuple[Outcome, ...]:
    found = (
        answer_outcome(row(value, "an answer")) for value in rows(answers, "answers", MOST_OUTCOMES)
    )
    return tuple(outcome for outcome in found if outcome is not None)


def _status(resolved: bool, close_us: int | None, at_us: int) -> MarketStatus:
    if resolved:
        return "resolved"
    return "closed" if close_us is not None and close_us <= at_us else "open"


def _volume(contract: Row) -> Decimal | None:
    value = contract.get("volume")
    return None if value is None else rounded(number(value, "volume"))
