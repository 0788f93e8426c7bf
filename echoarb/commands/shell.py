"""How every command line of ours ends when something is wrong: one clear line, no traceback."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import typer

from schemas.process import clean_exit


def run(command: Callable[..., Any]) -> None:
    """Run a function, or a Typer application, as a command line; see ``clean_exit``."""
    with clean_exit():
        if isinstance(command, typer.Typer):
            command()
        else:
            typer.run(command)
