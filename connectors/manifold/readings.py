"""What payloads about markets mean: contracts and patches, answers, probabilities.

Each reads all of a payload before it changes anything, so that bad input leaves no half of it.
"""

from __future__ import annotations

import hashlib

import msgspec

from connectors.events import Event, Frame, Ignored, Rejected, SnapshotNeeded
from connectors.json import Row, row, rows
from connectors.manifold import markets as shapes
from connectors.manifold.knowledge import Knowledge, or_applied
from connectors.manifold.markets import MULTI, Quoted
from connectors.manifold.prices import MOST_OUTCOMES, Origin, Statement
from connectors.manifold.pricing import agree, units_of
from connectors.manifold.wire import identifier, micros, number, past
from schemas.errors import Poison

MOST_LISTED = 1_000
"""Markets in one page, and in one answer of /market-probs, by the venue's own limits."""


def digest(value: object) -> str:
    """Return a short digest of decoded JSON: what a payload without time or id is known by."""
    content = msgspec.json.encode(value, order="deterministic")
    return hashlib.blake2b(content, digest_size=8).hexdigest()


def patch(know: Knowledge, value: object, frame: Frame) -> list[Event]:
    """Read ``{"contract": {id, changed fields}}``."""
    contract = row(value, "a contract")
    market_id = identifier(contract.get("id"), "a contract's id")
    known = know.markets.get(market_id)
    market = known and shapes.patch_market(known, contract, frame.received_us)
    said: list[Quoted] = []
    contradicted = False
    if contract.get("answers") is not None:
        said = shapes.quoted_answers(contract["answers"])
    elif market is None or market.mechanism != MULTI:
        stated, computed = shapes.contract_price(contract), shapes.formula_price(contract)
        resolved = contract.get("isResolved") is True or (
            market is not None and market.status == "resolved"
        )
        price = computed if stated is None else stated
        said = [] if price is None else [(market_id, "YES", price)]
        if stated is not None and computed is not None and not resolved:
            contradicted = not agree(stated, computed)
    events = know.ask(market_id, frame.connection)
    if market is not None:
        events += know.keep(market)
    if known and market and not said and known.status == "resolved" != market.status:
        # Undone: the payout is no price any more, and this doesn't say what is.
        know.doubt(market_id)
        events.append(SnapshotNeeded(frame.connection, (market_id,)))
    if contradicted:
        return events + _contradiction(know, market_id, said[0][2], frame)
    # lastUpdatedTime moves on comments too, so it dates no price (PROTOCOL 4.1).
    at_us = frame.received_us
    source_us = past(micros(contract.get("lastBetTime")), at_us)
    source_us = source_us or past(micros(contract.get("resolutionTime")), at_us)
    identity = ("contract", digest(contract))
    events += _say_all(know, market_id, said, "live", frame, source_us, identity)
    return or_applied(events, "contract_patch")


def _contradiction(know: Knowledge, market_id: str, stated: int, frame: Frame) -> list[Event]:
    """Pool and probability of one patch disagree: keep the number, trust nothing."""
    price = know.contract(market_id).price(market_id)
    if price is None:  # as many answers came before, of a market that was never described
        return [Rejected("too_many_outcomes", "a market has too many outcomes")]
    price.book.price = stated
    price.doubt()
    detail = "a patch's pool gives another probability than the one it states"
    return know.lose(market_id, frame.connection, "book_mismatch", know.heard_us, detail)


def created(know: Knowledge, value: object, frame: Frame) -> list[Event]:
    """Read ``{"contract": the whole internal contract}`` of a new market."""
    contract = row(value, "a contract")
    market = shapes.read_market(contract, frame.received_us)
    if market is None:
        return [Ignored("unpriced_market")]
    said = shapes.quoted(contract)
    source_us = past(micros(contract.get("createdTime")), frame.received_us)
    events = know.keep(market)
    if market.mechanism == MULTI and not market.outcomes:
        events.append(SnapshotNeeded(frame.connection, (market.market_id,)))
    events += _say_all(know, market.market_id, said, "live", frame, source_us, ("created",))
    return or_applied(events, "new_contract")


def answers(know: Knowledge, market_id: str, values: object, frame: Frame) -> list[Event]:
    """Read answers of one market: changed ones, in part, or a new one, whole."""
    found = [row(value, "an answer") for value in rows(values, "answers", MOST_OUTCOMES)]
    said = [(digest(answer), shapes.quoted_answers([answer])) for answer in found]
    disagreeing = sum(map(shapes.answer_pool_disagrees, found))
    known = know.markets.get(market_id)
    market = known and shapes.patch_market(known, {"answers": found}, frame.received_us)
    events = know.ask(market_id, frame.connection)
    if market is not None:
        events += know.keep(market)
    for content, quoted in said:
        events += _say_all(know, market_id, quoted, "live", frame, None, ("answer", content))
    # Seen with nothing but hand-made frames: the stated probability counts, the rest is counted.
    events += [Ignored("answer_pool_disagrees")] * disagreeing
    return or_applied(events, "answers")


def listed(know: Knowledge, value: object, frame: Frame) -> list[Event]:
    """Read markets as REST lists or gives them: one, or a page."""
    found = [value] if isinstance(value, dict) else rows(value, "markets", MOST_LISTED)
    events: list[Event] = []
    incomplete: list[str] = []
    for each in found:
        try:
            contract = row(each, "a market")
            market = shapes.read_market(contract, frame.received_us)
            if market is None:
                events.append(Ignored("unpriced_market"))
                continue
            events += know.keep(market)
            if (kept := know.markets.get(market.market_id)) is None:
                continue  # there are too many
            if market.mechanism == MULTI and not kept.outcomes:
                incomplete.append(market.market_id)
            events += _listed_prices(know, contract, market.market_id, frame)
        except Poison as error:
            events.append(Rejected(error.reason, error.detail))
    if incomplete and frame.rest != "market":
        events.append(SnapshotNeeded(frame.connection, tuple(incomplete)))
    return or_applied(events, "markets")


def _listed_prices(know: Knowledge, contract: Row, market_id: str, frame: Frame) -> list[Event]:
    said = shapes.quoted(contract)
    events = _say_all(know, market_id, said, "page", frame, None, ())
    if contract.get("mechanism") == shapes.SINGLE and contract.get("isResolved") is not True:
        computed = shapes.formula_price(contract)
        if computed is not None and said and not agree(computed, said[0][2]):
            events.append(Rejected("price_formula", f"market {market_id}: pool and probability"))
    return events


def probabilities(know: Knowledge, value: object, frame: Frame, *, settled: bool) -> list[Event]:
    """Read an answer of /market-probs. ``settled``: bets were read again before it was asked."""
    found = row(value, "probabilities")
    if len(found) > MOST_LISTED:
        raise Poison("shape", f"probabilities of {len(found)} markets")
    events: list[Event] = []
    for market_id, entry in found.items():
        try:
            identifier(market_id, "a market's id")
            events += _polled(know, market_id, row(entry, "an entry"), frame, settled=settled)
        except Poison as error:
            events.append(Rejected(error.reason, error.detail))
    return or_applied(events, "probabilities")


def _polled(
    know: Knowledge, market_id: str, entry: Row, frame: Frame, *, settled: bool
) -> list[Event]:
    by_answer = entry.get("answerProbs")
    said = {market_id: entry.get("prob")} if by_answer is None else row(by_answer, "answerProbs")
    if len(said) > MOST_OUTCOMES:
        raise Poison("shape", f"probabilities of {len(said)} answers")
    prices = {
        identifier(outcome_id, "an answer's id"): units_of(number(stated, "a probability"))
        for outcome_id, stated in said.items()
    }
    contract = know.contract(market_id)
    known = not know.is_doubtful(market_id, gap=False)
    heard_us = min((each.known_us or 0 for each in contract.prices.values()), default=0)
    events: list[Event] = []
    for outcome_id, price in prices.items():
        before = contract.prices.get(outcome_id)
        # Without time of its own, a poll is told from an equal one by the newest bet before it.
        identity = ("poll", digest(entry), before.source_us if before else None)
        quoted: list[Quoted] = [(outcome_id, None, price)]
        events += _say_all(know, market_id, quoted, "poll", frame, None, identity)
    events += know.close_if_due(market_id, frame.received_us)
    if settled:
        events += know.settle(market_id, frame.received_us)
    elif known and any(not isinstance(event, Ignored) for event in events):
        # Something moved it that the stream did not tell: a job of the venue, or a lost bet.
        know.bets_missing(contract, heard_us)
        events.append(SnapshotNeeded(frame.connection, (market_id,)))
    return events


def _say_all(
    know: Knowledge,
    market_id: str,
    said: list[Quoted],
    origin: Origin,
    frame: Frame,
    source_us: int | None,
    identity: tuple[object, ...],
) -> list[Event]:
    return [
        event
        for outcome_id, label, price in said
        for event in know.say(
            market_id,
            outcome_id,
            label,
            Statement(price, origin, frame.received_us, source_us, identity),
        )
    ]
