#!/bin/sh
# Make an RSA key pair for Kalshi's API, and say what to do with it.
set -eu

usage() {
    cat <<'END'
usage: scripts/generate_kalshi_keys.sh [FOLDER]

Makes FOLDER/kalshi.key (private, only you can read it) and FOLDER/kalshi.pub in FOLDER, by
default "keys". Nothing that is there is overwritten. Needs openssl.
END
}

case "${1:-}" in
-h | --help)
    usage
    exit 0
    ;;
-*)
    usage >&2
    exit 2
    ;;
esac

folder=${1:-keys}
private=$folder/kalshi.key
public=$folder/kalshi.pub

command -v openssl >/dev/null 2>&1 || {
    echo "openssl is not installed; on Debian: apt-get install openssl" >&2
    exit 1
}
for file in "$private" "$public"; do
    if [ -e "$file" ] || [ -L "$file" ]; then
        echo "$file is there already: move it away, or name another folder" >&2
        exit 1
    fi
done

# Made beside and moved when both are whole: an interrupted run leaves nothing to stumble over.
umask 077
mkdir -p "$folder"
new=$(mktemp -d "$folder/.new.XXXXXX")
trap 'rm -rf "$new"' EXIT
trap 'exit 130' INT TERM HUP
openssl genpkey -algorithm RSA -pkeyopt rsa_keygen_bits:4096 -out "$new/key" 2>"$new/said" || {
    cat "$new/said" >&2
    exit 1
}
openssl pkey -in "$new/key" -pubout -out "$new/pub"
chmod 600 "$new/key"
chmod 644 "$new/pub"
# ln refuses what is there already, also what came to be there meanwhile.
ln "$new/key" "$private"
ln "$new/pub" "$public"

cat <<END
$private   the private key: keep it, and never commit it
$public   the public key

1. Give Kalshi the public key where it takes one (Account & security, API Keys). If the site makes the
   pair itself, save the private key that it shows once in place of this one.
   The scope read is enough. Demo keys don't work in production, nor the other way round.
2. Tell EchoArb:

   export ECHOARB_KALSHI_KEY_ID=<the Key ID that Kalshi shows>
   export ECHOARB_KALSHI_PRIVATE_KEY_FILE='$private'

3. make up LIVE=1
END
