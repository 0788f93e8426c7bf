"""Make the passwords and the throwaway key of docker-compose.kafka.yml, once.

Runs in our image as a one-shot service and writes to volumes, each of which is mounted where it is
needed and nowhere else. What is there stays: `docker compose down` keeps it, `down --volumes`
doesn't. ClickHouse is given hashes only.

    python make_secrets.py USERS_XML FOLDER

FOLDER has the folders writer, api, clickhouse, grafana and simulated.
"""

from __future__ import annotations

import hashlib
import secrets
import sys
from pathlib import Path

from echoarb.stack.keys import key_pair

PASSWORDS = {
    "writer": "writer/echoarb_clickhouse_password",
    "api": "api/echoarb_api_clickhouse_password",
    "grafana": "grafana/clickhouse_grafana_password",
}
"""Where the password of each ClickHouse user goes, named as who reads it wants it."""


def password(file: Path) -> str:
    """Return the password in ``file``, made if there is none."""
    if not file.exists():
        put(file, secrets.token_hex(32))
    return file.read_text("ascii")


def put(file: Path, text: str) -> None:
    """Write ``file`` as a whole. Services read it as users of their own; the volume is the wall."""
    new = file.with_suffix(".new")
    new.write_text(text, "ascii")
    new.chmod(0o444)
    new.replace(file)


def main(template: Path, folder: Path) -> None:
    """Make what is missing in the folders."""
    text = template.read_text("ascii")
    for user, name in PASSWORDS.items():
        digest = hashlib.sha256(password(folder / name).encode()).hexdigest()
        text = text.replace(f"@{user}@", digest)
    put(folder / "clickhouse" / "users.xml", text)
    password(folder / "grafana" / "grafana_admin_password")
    private, _ = key_pair(folder / "simulated")
    private.chmod(0o444)
    print("secrets are there")


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:]))
