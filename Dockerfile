# One image for every service of ours: connectors, sink, analytics, API, the simulated venues and
# the one-shot jobs. What it runs is the command: `python -m agents sink`, `echoarb migrate`, ...
#
#   docker build -t echoarb:0.1.0 .
#
# Behind a proxy that needs its own CA, or with an own package index (nothing of it stays in the image):
#
#   docker build --secret id=ca,src=ca-bundle.pem --secret id=pip,src=pip.conf -t echoarb:0.1.0 .
#
# The same input gives the same files: SOURCE_DATE_EPOCH (a build argument) is the time of all of ours.

# Pinned by version. A digest is better, and is the release workflow's to add: it needs a registry.
ARG PYTHON=3.11.14-slim-bookworm

FROM docker.io/library/python:${PYTHON} AS build
ARG SOURCE_DATE_EPOCH=0
# Our wheel's files get this time, and .pyc files are checked by content, not by time.
ENV SOURCE_DATE_EPOCH=${SOURCE_DATE_EPOCH} \
    PIP_DISABLE_PIP_VERSION_CHECK=1 \
    PIP_NO_CACHE_DIR=1 \
    PIP_CERT=/etc/ssl/certs/ca-certificates.crt
WORKDIR /build

# The dependencies first: they change seldom, and this layer is then taken from the cache.
COPY requirements/service.txt requirements/build.txt requirements/
RUN --mount=type=secret,id=ca,target=/etc/ssl/certs/ca-certificates.crt \
    --mount=type=secret,id=pip,target=/etc/pip.conf \
    python -m venv /opt/echoarb \
    && python -m venv /build/tools \
    && /opt/echoarb/bin/python -m pip install --no-compile --no-deps --require-hashes \
        --only-binary=:all: -r requirements/service.txt \
    && tools/bin/python -m pip install --no-deps --require-hashes -r requirements/build.txt

COPY pyproject.toml README.md LICENSE ./
COPY connectors connectors
COPY agents agents
COPY api api
COPY schemas schemas
COPY echoarb echoarb
# pip itself has nothing to do in the finished image.
RUN tools/bin/python -m pip wheel --no-deps --no-build-isolation --no-index -w dist . \
    && /opt/echoarb/bin/python -m pip install --no-compile --no-deps --no-index dist/*.whl \
    && /opt/echoarb/bin/python -m pip check \
    && /opt/echoarb/bin/python -m pip uninstall -y -q setuptools pip \
    && /opt/echoarb/bin/python -m compileall -q -j 0 /opt/echoarb/lib

FROM docker.io/library/python:${PYTHON}
ARG VERSION=0.1.0
ARG REVISION=unknown
ARG CREATED=1970-01-01T00:00:00Z
LABEL org.opencontainers.image.title="EchoArb" \
      org.opencontainers.image.description="Recorder and stream processor of prediction-market data" \
      org.opencontainers.image.source="https://github.com/echoarb/echoarb" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}" \
      org.opencontainers.image.created="${CREATED}"

# No .pyc and no home of its own: the root may be read-only, and any user id will do.
ENV PATH=/opt/echoarb/bin:$PATH \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1 \
    HOME=/tmp
COPY --from=build /opt/echoarb /opt/echoarb
COPY --chmod=0755 deploy/image/healthcheck /usr/local/bin/healthcheck
WORKDIR /app
COPY config config
# Where a new volume for what a service keeps takes its owner from.
COPY --chown=10001:10001 deploy/image/keep /var/lib/echoarb/

USER 10001:10001
# API; metrics of every service. Both listen on loopback until ECHOARB_API_HOST and
# ECHOARB_METRICS_HOST say otherwise.
EXPOSE 8000 9091
# In shell form, since podman 4.3 takes a list's arguments apart at their spaces.
# hadolint ignore=DL3025
HEALTHCHECK --interval=15s --timeout=10s --start-period=60s --retries=3 CMD healthcheck
CMD ["echoarb", "--help"]
