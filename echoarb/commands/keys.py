"""``echoarb keys``: who may use the API."""

from __future__ import annotations

import json
import sys
from datetime import timedelta
from pathlib import Path
from typing import Annotated, cast

import msgspec
import typer

from api import keys
from api.keys import SCOPES, Scope
from api.settings import ApiSettings
from schemas.clock import isoformat, now_us
from schemas.errors import ConfigurationError

app = typer.Typer(no_args_is_help=True, help="Add, list and revoke keys of the API.")
File = Annotated[
    Path | None,
    typer.Option(help="Key file; without it, what ECHOARB_API_KEYS_FILE says."),
]


def _path(file: Path | None) -> Path:
    chosen = file or ApiSettings.load().api_keys_file
    if not chosen:
        raise ConfigurationError("which file? Set ECHOARB_API_KEYS_FILE, or give --file")
    return Path(chosen)


@app.command()
def add(
    name: Annotated[str, typer.Argument(help="Who or what it is for.")],
    scope: Annotated[
        list[str] | None, typer.Option(help=f"May be repeated: {', '.join(SCOPES)}. Default: read.")
    ] = None,
    days: Annotated[
        int | None, typer.Option(help="Days until it expires; without it, never.", min=1, max=36500)
    ] = None,
    file: File = None,
) -> None:
    """Make a key and print it, once: only a hash of it is kept.

    Scopes: read (everything but the following), ack (acknowledge alerts), debug (ticks by hand).

    Examples:

      echoarb keys add "board" --file keys.json

      echoarb keys add "night shift" --scope read --scope ack --days 90

      curl -H "Authorization: Bearer ea_..." http://127.0.0.1:8000/api/v1/latest
    """
    scopes = scope or ["read"]
    if unknown := sorted(set(scopes) - set(SCOPES)):
        raise ConfigurationError(f"--scope {unknown[0]}: has to be one of {', '.join(SCOPES)}")
    if not 1 <= len(name) <= 100 or not name.isprintable():
        raise ConfigurationError("the name has to have 1 to 100 printable characters")
    now = now_us()
    ends = None
    if days is not None:
        ends = isoformat(now + int(timedelta(days=days).total_seconds()) * 1_000_000)
    chosen = cast(list[Scope], sorted(set(scopes), key=SCOPES.index))
    key, token = keys.make(name, chosen, isoformat(now), ends)
    with keys.changing(_path(file)) as found:
        found.keys.append(key)
    print(f"key {key.id} for {name}: {', '.join(chosen)}", file=sys.stderr)
    print("This is shown once. Send it as Authorization: Bearer, or as X-API-Key.", file=sys.stderr)
    print(token)


@app.command("list")
def show(
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object a key.")] = False,
    file: File = None,
) -> None:
    """List the keys, without their secrets."""
    now = isoformat(now_us())
    for key in keys.read(_path(file)).keys:
        state = key.state(now)
        if as_json:
            told = {name: getattr(key, name) for name in ("id", "name", "scopes", "created")}
            print(json.dumps({**told, "expires": key.expires, "state": state}))
        else:
            until = f" until {key.expires}" if key.expires else ""
            print(f"{key.id}  {state:8} {','.join(key.scopes):14} {key.name}{until}")


@app.command()
def revoke(
    key_id: Annotated[str, typer.Argument(help="The id, as `echoarb keys list` shows it.")],
    file: File = None,
) -> None:
    """End a key. A running API knows of it within a second or two."""
    with keys.changing(_path(file)) as found:
        for at, key in enumerate(found.keys):
            if key.id == key_id:
                if key.revoked is None:
                    found.keys[at] = msgspec.structs.replace(key, revoked=isoformat(now_us()))
                print(f"key {key_id} for {key.name} is revoked", file=sys.stderr)
                return
        raise ConfigurationError(f"no key {key_id}; `echoarb keys list` shows them")
