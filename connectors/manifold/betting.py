"""Broadcast and listed bets: trades, price moves, and the signs that something was not told."""

from __future__ import annotations

from typing import Any

from connectors.events import Event, Frame, Ignored, Rejected, SnapshotNeeded
from connectors.json import rows
from connectors.manifold.bets import MOST_ROWS, Bet, order_kind, read_bet
from connectors.manifold.knowledge import Knowledge, or_applied
from connectors.manifold.markets import PLATFORM
from connectors.manifold.prices import Origin, Price, Statement
from connectors.manifold.pricing import agree, average_price, rounded
from connectors.manifold.wire import past
from connectors.quotes import trade_tick
from schemas.errors import Poison
from schemas.tick import Side


def bets(know: Knowledge, values: object, frame: Frame, *, live: bool) -> list[Event]:
    """Read new bets: of a broadcast (``live``) or of a page of /bets, in either order."""
    events: list[Event] = []
    before: dict[tuple[str, str], int | None] = {}
    newest: dict[str, int] = {}
    read: list[Bet] = []
    for value in rows(values, "bets", MOST_ROWS):
        try:
            bet = read_bet(value)
            if past(bet.created_us, frame.received_us) is None:
                raise Poison("value", "a bet's createdTime is in the future")
            read.append(bet)
        except Poison as error:
            events.append(Rejected(error.reason, error.detail))
            events += _bet_lost(know, value, frame) if live else []
    if not live:
        if len(read) > 1 and read[0].created_us > read[-1].created_us:
            read.reverse()
        read.sort(key=lambda bet: bet.created_us)
    for bet in read:
        events += _bet(know, bet, frame, before, live=live)
        newest[bet.contract_id] = max(bet.created_us, newest.get(bet.contract_id, 0))
    # Only now, since a gap found above reaches back to the newest bet before this payload; and
    # only by what was pushed, since a REST page may be one of many, or leave rows out.
    for market_id, created_us in newest.items() if live else ():
        contract = know.contract(market_id)
        contract.last_bet_us = max(created_us, contract.last_bet_us or 0)
        know.last_bet_us = max(created_us, know.last_bet_us or 0)
    return events or [Ignored("no_bets")]


def _bet(
    know: Knowledge,
    bet: Bet,
    frame: Frame,
    before: dict[tuple[str, str], int | None],
    *,
    live: bool,
) -> list[Event]:
    if not know.is_new_bet(bet.id):
        return [Ignored("duplicate_bet")]
    events = know.ask(bet.contract_id, frame.connection)
    price = know.contract(bet.contract_id).price(bet.outcome_id)
    if bet.kind == "trade":
        events.append(_trade(know, bet, frame, None if price is None else price.label))
    if not bet.moves_price:
        return events if bet.kind == "trade" else [*events, Ignored(bet.kind)]
    if live and price is not None:
        started = before.setdefault((bet.contract_id, bet.outcome_id), price.book.price)
        events += _missed(know, bet, price, started, frame)
    origin: Origin = "live" if live else "backfill"
    said = Statement(bet.after, origin, frame.received_us, bet.created_us, ("bet", bet.id))
    return or_applied([*events, *know.say(bet.contract_id, bet.outcome_id, None, said)], bet.kind)


def _trade(know: Knowledge, bet: Bet, frame: Frame, label: str | None) -> Event:
    bought = (bet.shares > 0) == (bet.outcome != "NO")
    side: Side = "buy" if bought else "sell"
    market = know.markets.get(bet.contract_id)
    try:
        return trade_tick(
            platform=PLATFORM,
            market_id=bet.contract_id,
            outcome_id=bet.outcome_id,
            outcome=label,
            price=average_price(bet.outcome, bet.amount, bet.shares),
            size=rounded(abs(bet.shares)),
            side=side,
            identity=(bet.id,),
            ingest_us=frame.received_us,
            source_us=bet.created_us,
            volume=None if market is None else market.volume,
        )
    except Poison as error:
        return Rejected(f"trade_{error.reason}", error.detail)


def _missed(
    know: Knowledge, bet: Bet, price: Price, started: int | None, frame: Frame
) -> list[Event]:
    """A bet that starts from a price which is not the one known shows that something between
    was not told: the only sign of loss that this venue's stream gives."""
    known = price.book.price
    if not price.book.trusted or known is None or started is None or bet.legacy:
        return []
    if agree(bet.before, known) or agree(bet.before, started):
        return []
    if price.source_us is not None and bet.created_us < price.source_us:
        return []
    return know.lose(
        bet.contract_id,
        frame.connection,
        "book_mismatch",
        price.known_us,
        "a bet began at another probability than the one known",
        prices=False,  # the bet says what the price is now
    )


def _bet_lost(know: Knowledge, value: Any, frame: Frame) -> list[Event]:
    """A broadcast row that can't be read opens a gap over its market, over all if unknown."""
    market_id = value.get("contractId") if isinstance(value, dict) else None
    detail = "a bet could not be read"
    if isinstance(market_id, str) and market_id in know.markets:
        return know.lose(market_id, frame.connection, "parse_failure", know.heard_us, detail)
    lost = know.lose_all(frame.connection, "parse_failure", know.heard_us, detail)
    return [*lost, SnapshotNeeded(frame.connection, ())]


def orders(values: object) -> list[Event]:
    """Read a payload of an ``orders`` topic: fills in it are in their takers' rows already."""
    return [Ignored(order_kind(value)) for value in rows(values, "orders", MOST_ROWS)] or [
        Ignored("no_orders")
    ]
