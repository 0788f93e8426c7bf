"""scripts/generate_kalshi_keys.sh: keys that the connector signs with, never overwritten."""

from __future__ import annotations

import base64
import subprocess
from pathlib import Path

from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa

from connectors.kalshi import sign
from connectors.kalshi.feed import read_key

ROOT = Path(__file__).resolve().parents[3]
SCRIPT = ROOT / "scripts" / "generate_kalshi_keys.sh"
TIMESTAMP_MS, PATH = 1_703_123_456_789, "/trade-api/ws/v2"


def generate(*arguments: str, path: str | None = None) -> subprocess.CompletedProcess[str]:
    env = None if path is None else {"PATH": path}
    command = ["/bin/sh", str(SCRIPT), *arguments]
    return subprocess.run(
        command, capture_output=True, text=True, timeout=110, check=False, env=env
    )


def test_the_connector_signs_with_a_generated_key(tmp_path: Path) -> None:
    folder = tmp_path / "with space" / "keys"
    made = generate(str(folder))
    assert made.returncode == 0, made.stderr
    private, public = folder / "kalshi.key", folder / "kalshi.pub"
    assert {each.name for each in folder.iterdir()} == {"kalshi.key", "kalshi.pub"}
    assert private.stat().st_mode & 0o777 == 0o600
    assert folder.stat().st_mode & 0o777 == 0o700
    assert f"ECHOARB_KALSHI_PRIVATE_KEY_FILE='{private}'" in made.stdout
    assert "ECHOARB_KALSHI_KEY_ID=" in made.stdout
    assert "PRIVATE KEY-----" not in made.stdout + made.stderr

    key = read_key("an-id", private)
    said = sign.headers("an-id", key, TIMESTAMP_MS, "GET", PATH)
    known = serialization.load_pem_public_key(public.read_bytes())
    assert isinstance(known, rsa.RSAPublicKey)
    known.verify(  # raises if the two are no pair
        base64.b64decode(said["KALSHI-ACCESS-SIGNATURE"]),
        sign.message(TIMESTAMP_MS, "GET", PATH),
        padding.PSS(padding.MGF1(hashes.SHA256()), hashes.SHA256.digest_size),
        hashes.SHA256(),
    )

    before = private.read_bytes()
    again = generate(str(folder))
    assert again.returncode == 1
    assert "is there already" in again.stderr
    assert private.read_bytes() == before


def test_a_lone_public_key_or_a_dangling_link_is_not_overwritten(tmp_path: Path) -> None:
    (tmp_path / "kalshi.pub").write_text("mine")
    assert generate(str(tmp_path)).returncode == 1
    (tmp_path / "kalshi.pub").unlink()
    (tmp_path / "kalshi.key").symlink_to(tmp_path / "elsewhere")
    assert generate(str(tmp_path)).returncode == 1
    assert [each.name for each in tmp_path.iterdir()] == ["kalshi.key"]


def test_what_goes_wrong_is_said_and_leaves_nothing(tmp_path: Path) -> None:
    without = generate(str(tmp_path / "keys"), path=str(tmp_path))
    assert without.returncode == 1
    assert "openssl is not installed" in without.stderr
    assert not (tmp_path / "keys").exists()
    (tmp_path / "bin").mkdir()
    failing = tmp_path / "bin" / "openssl"
    failing.write_text("#!/bin/sh\necho no entropy >&2\nexit 1\n")
    failing.chmod(0o755)
    failed = generate(str(tmp_path / "keys"), path=f"{tmp_path / 'bin'}:/usr/bin:/bin")
    assert failed.returncode == 1
    assert "no entropy" in failed.stderr
    assert list((tmp_path / "keys").iterdir()) == []
    assert generate("--nonsense").returncode == 2
    assert "usage" in generate("--help").stdout
