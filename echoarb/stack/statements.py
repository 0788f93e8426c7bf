"""Where an INSERT's statement ends and its data begins, in a ClickHouse HTTP request.

ClickHouse takes statement and data in one stream: ``INSERT INTO t (a) FORMAT Native\\n<data>``. The
engine wants them apart. Only the statement's head is looked at, token by token, since the data
may be any bytes.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

_TOKEN = re.compile(
    rb"""
      (?P<skip>   \s+ | --[^\n]* | \#[^\n]* | /\*.*?\*/ )
    | (?P<quoted> '(?:[^'\\]|\\.|'')*' | `(?:[^`\\]|\\.)*` | "(?:[^"\\]|\\.)*" )
    | (?P<word>   \w+ )
    | (?P<other>  . )
    """,
    re.VERBOSE | re.DOTALL,
)
_DATA_START = re.compile(rb"[ \t\r]*;?[ \t\r]*\n?")
_ENDS_HEAD = frozenset({b"VALUES", b"SELECT", b"WITH", b"WATCH"})
HEAD_LIMIT = 1 << 20
"""Bytes of a statement that are searched for its FORMAT."""


@dataclass(frozen=True, slots=True)
class Insert:
    """An INSERT with data: its head up to SETTINGS, its SETTINGS if any, its format, its data."""

    statement: str
    settings: str
    format: str
    data_offset: int


def split_insert(text: bytes) -> Insert | None:
    """Return the parts of an ``INSERT ... FORMAT name <data>``, None for any other statement.

    ``INSERT ... VALUES`` and ``INSERT ... SELECT`` count as others: the engine reads them whole.
    Raises UnicodeDecodeError if the statement itself is no UTF-8.
    """
    depth = 0
    seen_insert = after_format = False
    format_at = settings_at = 0
    for token in _TOKEN.finditer(text, 0, min(len(text), HEAD_LIMIT)):
        kind = token.lastgroup
        if kind == "skip":
            continue
        word = token.group().upper() if kind == "word" else b""
        if not seen_insert:
            if word != b"INSERT":
                return None
            seen_insert = True
        elif after_format:
            if kind != "word":
                return None
            start = _DATA_START.match(text, token.end())
            data_offset = start.end() if start else token.end()
            head_end = settings_at or format_at
            return Insert(
                statement=text[:head_end].decode(),
                settings=text[head_end:format_at].decode(),
                format=token.group().decode(),
                data_offset=data_offset,
            )
        elif kind == "other":
            depth += {b"(": 1, b")": -1}.get(token.group(), 0)
        elif depth == 0 and word in _ENDS_HEAD:
            return None
        elif depth == 0 and word == b"SETTINGS":
            settings_at = token.start()
        elif depth == 0 and word == b"FORMAT":
            after_format, format_at = True, token.start()
    return None


def names_format(text: bytes) -> bool:
    """Return whether a query says its output format itself: ``SELECT ... FORMAT name``."""
    depth = 0
    for token in _TOKEN.finditer(text, 0, HEAD_LIMIT):
        if token.lastgroup == "other":
            depth += {b"(": 1, b")": -1}.get(token.group(), 0)
        elif token.lastgroup == "word" and depth == 0 and token.group().upper() == b"FORMAT":
            return True
    return False
