"""The simulated venue's REST answers: strict parameters, its cursors and its errors."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from aiohttp import web
from multidict import MultiMapping

from echoarb.simulators.manifold.bets import Row
from echoarb.simulators.manifold.contracts import Contract
from echoarb.simulators.manifold.market import MarketMaker

Rule = Callable[[str], str | None]
"""Takes a parameter's text and returns what is wrong with it, None if nothing is."""

_MANY = ("contractId", "ids", "ids[]")
MARKETS_LIMIT = 1_000
BETS_LIMIT = 10_000
PROBS_LIMIT = 100
_MOST_DIGITS = 100


class Bad(Exception):
    """A request that the venue refuses."""

    def __init__(self, status: int, body: Mapping[str, Any]) -> None:
        super().__init__(status, body)
        self.status = status
        self.body = body


def invalid(field: str | None, error: str) -> Bad:
    """Return the venue's answer to a parameter that does not fit."""
    details = [{"field": field, "error": error}]
    return Bad(400, {"message": "Error validating request.", "details": details})


def dumps(value: Any) -> str:
    """Return JSON as JavaScript writes it: no spaces, no ``.0``."""
    return json.dumps(_as_javascript(value), separators=(",", ":"), ensure_ascii=False)


def _as_javascript(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _as_javascript(each) for key, each in value.items()}
    if isinstance(value, list):
        return [_as_javascript(each) for each in value]
    if isinstance(value, float) and value.is_integer() and abs(value) < 2**53:
        return int(value)
    return value


def checked(query: MultiMapping[str], rules: Mapping[str, Rule]) -> None:
    """Raise Bad for an unknown parameter or one that breaks its rule."""
    unknown = [name for name in dict.fromkeys(query) if name not in rules]
    if unknown:
        names = ", ".join(f"'{name}'" for name in unknown)
        raise invalid(None, f"Unrecognized key(s) in object: {names}")
    for name, value in query.items():
        if name not in _MANY and len(query.getall(name)) > 1:
            raise invalid(name, "Expected string, received array")
        wrong = rules[name](value)
        if wrong is not None:
            raise invalid(name, wrong)


def any_text(value: str) -> str | None:
    """Accept everything."""
    return None


def one_of(*allowed: str) -> Rule:
    """Accept these words."""

    def rule(value: str) -> str | None:
        return None if value in allowed else f"Invalid enum value. Received '{value}'"

    return rule


def at_most(limit: int) -> Rule:
    """Accept whole numbers from 0 to ``limit``."""

    def rule(value: str) -> str | None:
        if not (value.isascii() and value.isdecimal()):
            return "Expected number, received nan"
        too_large = len(value) > _MOST_DIGITS or int(value) > limit
        return f"Number must be less than or equal to {limit}" if too_large else None

    return rule


_WITHOUT_STATUS = (
    *("all", "news", "uncertain"),
    *("closing-day", "closing-week", "closing-month", "closing-90-days"),
)
"""Filters of the search that this venue accepts and that leave nothing out here."""
_FLAG = one_of("true", "false")
_NUMBER = at_most(10**16)

MARKETS_RULES: dict[str, Rule] = {
    "limit": at_most(MARKETS_LIMIT),
    "sort": one_of("created-time", "updated-time", "last-bet-time", "last-comment-time"),
    "order": one_of("asc", "desc"),
    "before": any_text,
    "userId": any_text,
    "groupId": any_text,
}
SEARCH_RULES: dict[str, Rule] = {
    "term": any_text,
    "filter": one_of(*_WITHOUT_STATUS, "open", "closed", "resolved"),
    "sort": one_of("score", "newest", "most-popular", "liquidity", "last-updated", "close-date"),
    "contractType": one_of("ALL", "BINARY", "MULTIPLE_CHOICE", "PSEUDO_NUMERIC", "STONK", "NUMBER"),
    "topicSlug": any_text,
    "creatorId": any_text,
    "limit": at_most(MARKETS_LIMIT),
    "offset": _NUMBER,
    "beforeTime": _NUMBER,
    "token": one_of("MANA", "CASH", "ALL"),
    "liquidity": _NUMBER,
    "hasBets": _FLAG,
    "includeLiteAnswers": _FLAG,
}
BETS_RULES: dict[str, Rule] = {
    **dict.fromkeys(("id", "userId", "username", "contractId", "contractSlug"), any_text),
    **dict.fromkeys(("answerId", "before", "after"), any_text),
    **dict.fromkeys(("beforeTime", "afterTime", "limit", "minAmount"), _NUMBER),
    **dict.fromkeys(("filterRedemptions", "includeZeroShareRedemptions", "excludeApi"), _FLAG),
    **dict.fromkeys(("commentRepliesOnly", "count", "points"), _FLAG),
    "kinds": one_of("open-limit"),
    "order": one_of("asc", "desc"),
}
PROBS_RULES: dict[str, Rule] = {"ids": any_text, "ids[]": any_text}


def markets(maker: MarketMaker, query: MultiMapping[str]) -> list[Row]:
    """GET /markets, by created time only. An unknown cursor is ignored, as at the venue."""
    checked(query, MARKETS_RULES)
    found = sorted(
        maker.contracts.values(),
        key=lambda each: each.created_ms,
        reverse=query.get("order", "desc") == "desc",
    )
    before = maker.contracts.get(query.get("before", ""))
    if before is not None:
        found = [each for each in found if each.created_ms < before.created_ms]
    limit = int(query.get("limit", "500"))
    return [each.lite(answers=False) for each in (found[:limit] if limit else found)]


def search(maker: MarketMaker, query: MultiMapping[str], now_ms: int) -> list[Row]:
    """GET /search-markets."""
    checked(query, SEARCH_RULES)
    offset, limit = int(query.get("offset", "0")), int(query.get("limit", "100"))
    if offset > 1000:
        message = "offset must be <= 1000. Use sort=newest with the beforeTime parameter to page "
        raise Bad(400, {"message": message + "through contracts to see our entire market list."})
    status, term = query.get("filter", "all"), query.get("term", "").lower()
    kind, before = query.get("contractType", "ALL"), query.get("beforeTime")
    found = [
        each
        for each in maker.contracts.values()
        if status in (each.status(now_ms), *_WITHOUT_STATUS)
        and term in each.question.lower()
        and (kind == "ALL" or kind == ("MULTIPLE_CHOICE" if each.answers else "BINARY"))
        and (before is None or each.created_ms < int(before))
        and query.get("token") != "CASH"
        and not query.get("topicSlug")
    ]
    found.sort(key=lambda each: each.created_ms, reverse=True)
    answers = query.get("includeLiteAnswers") == "true"
    return [each.lite(answers=answers) for each in found[offset : offset + limit]]


def market(maker: MarketMaker, market_id: str | None, slug: str | None = None) -> Contract:
    """GET /market/{id} and /slug/{slug}. Raises Bad(404)."""
    for each in maker.contracts.values():
        if each.id == market_id or (slug is not None and each.slug == slug):
            return each
    raise Bad(404, {"message": "Contract not found"})


def probs(maker: MarketMaker, query: MultiMapping[str]) -> Row:
    """GET /market-probs: one bare id is read as a text, in brackets as a list of one."""
    checked(query, PROBS_RULES)
    bare, ids = query.getall("ids", []), query.getall("ids[]", [])
    if len(bare) == 1 and not ids:
        raise invalid("ids", "Expected array, received string")
    wanted = [*bare, *ids]
    if not wanted:
        raise invalid("ids", "Required")
    if len(wanted) > PROBS_LIMIT:
        raise invalid("ids", f"Array must contain at most {PROBS_LIMIT} element(s)")
    return {each: maker.contracts[each].probs() for each in wanted if each in maker.contracts}


def bets(maker: MarketMaker, query: MultiMapping[str]) -> list[Row]:
    """GET /bets: cursors are exclusive times, also when they are given as ids."""
    checked(query, BETS_RULES)
    limit = int(query.get("limit", str(BETS_LIMIT)))
    if limit > BETS_LIMIT and query.get("points") != "true":
        raise Bad(400, {"message": f"Non-points limit must be less than or equal to {BETS_LIMIT}"})
    after = max(_time_of(maker, query, "after"), int(query.get("afterTime", "0")))
    before = min(
        _time_of(maker, query, "before") or 10**16, int(query.get("beforeTime", str(10**16)))
    )
    contracts = set(query.getall("contractId", []))
    found: Iterable[Row] = (
        row
        for row in maker.bets
        if after < row["createdTime"] < before
        and (not contracts or row["contractId"] in contracts)
        and query.get("answerId") in (None, row.get("answerId"))
        and query.get("id") in (None, row["id"])
        and (query.get("filterRedemptions") != "true" or not row["isRedemption"])
        and (query.get("includeZeroShareRedemptions") == "true" or not _is_hidden(row))
    )
    ordered = sorted(found, key=lambda row: int(row["createdTime"]))
    if query.get("order", "desc") == "desc":
        ordered.reverse()
    return [
        row | {"betId": row["id"], "updatedTime": row["createdTime"]} for row in ordered[:limit]
    ]


def _is_hidden(row: Row) -> bool:
    return bool(row["isRedemption"] and not row["shares"] and not row["loanAmount"])


def _time_of(maker: MarketMaker, query: MultiMapping[str], name: str) -> int:
    bet_id = query.get(name)
    if bet_id is None:
        return 0
    for row in maker.bets:
        if row["id"] == bet_id:
            return int(row["createdTime"])
    raise Bad(404, {"message": f"Bet specified in {name} parameter not found"})


def answer(make: Callable[[], Any]) -> web.Response:
    """Return what ``make`` returns as JSON, or the refusal that it raises."""
    try:
        return web.json_response(make(), dumps=dumps)
    except Bad as bad:
        return web.json_response(bad.body, status=bad.status, dumps=dumps)
