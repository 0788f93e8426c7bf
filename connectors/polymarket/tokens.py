"""The tokens of which a book is known, bounded: the longest untouched are forgotten."""

from __future__ import annotations

from collections import OrderedDict, defaultdict
from collections.abc import Iterable, Iterator

from connectors.book import Book
from connectors.polymarket.token import Token


class Tokens:
    """Tokens by id and by market."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._tokens: OrderedDict[str, Token] = OrderedDict()
        self._of_market: defaultdict[str, set[str]] = defaultdict(set)

    def __iter__(self) -> Iterator[Token]:
        return iter(self._tokens.values())

    def __getitem__(self, token_id: str) -> Token:
        return self._tokens[token_id]

    def get(self, token_id: str) -> Token | None:
        """Return the token's state if it ever had a book."""
        return self._tokens.get(token_id)

    def of_market(self, market_id: str) -> list[Token]:
        """Return the market's tokens, in a stable order."""
        return [self._tokens[token_id] for token_id in sorted(self._of_market.get(market_id, ()))]

    def books(self) -> Iterable[Book]:
        """Return every book, by market and token."""
        books = (token.book for token in self._tokens.values())
        return sorted(books, key=lambda book: (book.market_id, book.outcome_id))

    def touch(self, token: Token) -> None:
        """Say that the token is alive."""
        self._tokens.move_to_end(token.book.outcome_id)

    def add(self, token: Token) -> list[str]:
        """Take a new token in; return the markets of which nothing is kept any more for it."""
        book = token.book
        self._tokens[book.outcome_id] = token
        self._of_market[book.market_id].add(book.outcome_id)
        gone = []
        while len(self._tokens) > self._most:
            _, oldest = self._tokens.popitem(last=False)
            market_id = oldest.book.market_id
            self._of_market[market_id].discard(oldest.book.outcome_id)
            if not self._of_market[market_id]:
                del self._of_market[market_id]
                gone.append(market_id)
        return gone
