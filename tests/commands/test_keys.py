"""`echoarb keys`: added, listed, revoked."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

from api.keys import Keyring
from schemas.clock import isoformat, now_us


def run(path: Path, *arguments: str, code: int = 0) -> tuple[str, str]:
    command = [sys.executable, "-m", "echoarb", "keys", *arguments, "--file", str(path)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == code, done.stderr
    return done.stdout.strip(), done.stderr


def test_a_key_from_its_making_to_its_end(tmp_path: Path) -> None:
    path = tmp_path / "folder" / "keys.json"
    token, said = run(
        path, "add", "night shift", "--scope", "ack", "--scope", "read", "--days", "9"
    )
    assert token.startswith("ea_")
    assert token not in said
    assert "shown once" in said
    listed, _ = run(path, "list", "--json")
    key = json.loads(listed)
    assert (key["name"], key["scopes"], key["state"]) == ("night shift", ["read", "ack"], "valid")
    assert "sha256" not in listed
    plain, _ = run(path, "list")
    assert key["id"] in plain
    assert "read,ack" in plain
    found = Keyring(path, lambda: isoformat(now_us())).find(token)
    assert found is not None
    assert found.id == key["id"]
    run(path, "revoke", key["id"])
    assert "revoked" in run(path, "list")[0]
    assert Keyring(path, lambda: isoformat(now_us())).find(token) is None


def test_what_is_wrong_is_said(tmp_path: Path) -> None:
    path = tmp_path / "keys.json"
    assert "read, ack, debug" in run(path, "add", "x", "--scope", "write", code=2)[1]
    assert "No such file" in run(path, "list", code=2)[1]
    assert "printable" in run(path, "add", "x\x1b[2J", code=2)[1]
    run(path, "add", "x")
    assert "keys list" in run(path, "revoke", "nobody", code=2)[1]
    done = subprocess.run(
        [sys.executable, "-m", "echoarb", "keys", "list"],
        capture_output=True, text=True, timeout=60, check=False, cwd=tmp_path,
    )  # fmt: skip
    assert done.returncode == 2
    assert "ECHOARB_API_KEYS_FILE" in done.stderr
