"""What can go wrong, by what has to happen next.

EchoArbError
├── Transient    try again in place, with backoff; nothing is acknowledged meanwhile
├── Poison       this one input is unusable: dead letter or counted rejection, then go on
└── Fatal        this process cannot go on: say why and exit non-zero
    └── ConfigurationError   a setting is wrong; names it and says what to do
"""

from __future__ import annotations


class EchoArbError(Exception):
    """Base of every error raised on purpose by this project."""


class Transient(EchoArbError):
    """A dependency failed in a way that time may heal: retry in place."""


class Poison(EchoArbError):
    """One input cannot be used.

    ``reason`` is one word of a bounded list (a metric label), ``detail`` is for people and never
    holds the input itself.
    """

    def __init__(self, reason: str, detail: str) -> None:
        super().__init__(f"{reason}: {detail}")
        self.reason = reason
        self.detail = detail


UNREADABLE = ("framing", "unknown_schema", "truncated")
"""Reasons of records whose bytes can't be taken apart."""
UNUSABLE = (*UNREADABLE, "trailing", "value")
"""Reasons of records that can't be decoded (schemas/codec.py)."""


class Fatal(EchoArbError):
    """The process has to end, non-zero."""


class ConfigurationError(Fatal):
    """A setting or option is wrong. The message names it and says what to do."""
