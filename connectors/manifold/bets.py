"""One row of bets: what it says, and which of the kinds of PROTOCOL section 5 it is."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Context, Decimal
from typing import Literal

from connectors.json import Row, row, rows
from connectors.manifold.pricing import units_of
from connectors.manifold.wire import identifier, micros, number
from schemas.errors import Poison

BetKind = Literal["trade", "resting_order", "redemption", "sibling_leg", "rebalance", "empty"]

MOST_ROWS = 10_000
"""The venue's own maximum of rows in one answer."""
_MOST_FILLS = 10_000
_MILLISECONDS_SINCE_US = 1_778_025_600_000_000
"""2026-05-06: until then REST cut bet times to whole seconds (PROTOCOL 4.4)."""
_EXACT = Context(prec=200)


@dataclass(frozen=True, slots=True)
class Bet:
    """A row as far as prices and trades go. Probabilities are in units of 10^-8, YES terms.

    ``amount`` and ``shares`` are what the taker got when placing: later fills of a resting order
    are in the rows of those who took it. Negative for a sale.
    """

    id: str
    contract_id: str
    answer_id: str | None
    outcome: str
    kind: BetKind
    amount: Decimal
    shares: Decimal
    before: int
    after: int
    created_us: int

    @property
    def legacy(self) -> bool:
        """Whether ``outcome`` is an answer's number, as in the old dpm and NUMERIC markets."""
        return self.outcome not in ("YES", "NO")

    @property
    def outcome_id(self) -> str:
        """The outcome's id within the contract, as ticks carry it."""
        return self.answer_id or (self.outcome if self.legacy else self.contract_id)

    @property
    def moves_price(self) -> bool:
        """Whether ``after`` is the price from ``created_us`` on."""
        return self.kind in ("trade", "sibling_leg")


def read_bet(value: object) -> Bet:
    """Return the row, of the present or an older form. Raises Poison."""
    bet = row(value, "a bet")
    created_us = micros(bet.get("createdTime"))
    if created_us is None:
        raise Poison("value", "a bet's createdTime is no time")
    amount = number(bet.get("amount"), "amount")
    shares = number(bet.get("shares"), "shares")
    limit = bet.get("limitProb") is not None
    if limit:
        amount, shares = _taken(bet, created_us, amount, shares)
    before = units_of(number(bet.get("probBefore"), "probBefore"))
    after = units_of(number(bet.get("probAfter"), "probAfter"))
    answer_id = bet.get("answerId")
    bet_id = identifier(bet.get("id") or bet.get("betId"), "a bet's id")
    return Bet(
        # In dpm markets (2022) the row of a sale has the id of the bet that was sold.
        id=f"{bet_id}/sale" if bet.get("sale") is not None else bet_id,
        contract_id=identifier(bet.get("contractId"), "contractId"),
        answer_id=None if answer_id is None else identifier(answer_id, "answerId"),
        outcome=identifier(bet.get("outcome"), "outcome"),
        kind=_kind(bet, limit, amount, shares, before != after),
        amount=amount,
        shares=shares,
        before=before,
        after=after,
        created_us=created_us,
    )


def _kind(bet: Row, limit: bool, amount: Decimal, shares: Decimal, moved: bool) -> BetKind:
    if bet.get("isRedemption"):
        if bet.get("isRebalance"):
            return "rebalance"
        return "sibling_leg" if moved and not amount and not shares else "redemption"
    if amount or shares:
        return "trade"
    # An order at a price where nothing could be had any more is filled with nothing.
    return "resting_order" if limit else "empty"


def _taken(bet: Row, created_us: int, amount: Decimal, shares: Decimal) -> tuple[Decimal, Decimal]:
    """Return what a limit order took when placed: its fills up to ``createdTime``, which the
    venue sets after matching. Rows of an older form have no fills to tell by."""
    fills = bet.get("fills")
    if fills is None:
        return amount, shares
    cut = created_us % 1_000_000 == 0 and created_us < _MILLISECONDS_SINCE_US
    until = created_us + (999_000 if cut else 0)
    taken_amount = taken_shares = Decimal(0)
    for value in rows(fills, "fills", _MOST_FILLS):
        fill = row(value, "a fill")
        filled_us = micros(fill.get("timestamp"))
        if filled_us is not None and filled_us <= until:
            taken_amount = _EXACT.add(taken_amount, number(fill.get("amount"), "a fill's amount"))
            taken_shares = _EXACT.add(taken_shares, number(fill.get("shares"), "a fill's shares"))
    return taken_amount, taken_shares


def order_kind(value: object) -> str:
    """Return what a row of an ``orders`` topic tells: none of it is a trade or moves a price."""
    order = row(value, "an order")
    if order.get("isCancelled"):
        return "order_cancelled"
    return "order_filled" if number(order.get("amount"), "amount") else "order_placed"
