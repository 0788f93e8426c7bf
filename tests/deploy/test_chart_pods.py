"""What matters in the chart's pods: security, probes, secrets, scaling, hooks, names."""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path

import pytest

from schemas.liveness import WAIT_SECONDS
from schemas.settings import KafkaSettings
from tests.deploy.chart import CASES, Pod, of_kind, pod, pods, rendered

pytestmark = pytest.mark.xdist_group("chart")
every_case = pytest.mark.parametrize("case", CASES)
SECRETS = "/etc/echoarb/secrets"


def _variables(each: Pod) -> dict[str, str]:
    return {item["name"]: item.get("value", "") for item in each.container["env"]}


@every_case
def test_pods_pass_pod_security_restricted_and_can_write_nothing_but_tmp(case: str) -> None:
    for each in pods(case):
        context, own = each.spec["securityContext"], each.container["securityContext"]
        assert context["runAsNonRoot"] is True
        assert context["runAsUser"] >= 10001
        assert context["seccompProfile"] == {"type": "RuntimeDefault"}
        assert own["allowPrivilegeEscalation"] is False
        assert own["privileged"] is False
        assert own["capabilities"] == {"drop": ["ALL"]}
        assert own["readOnlyRootFilesystem"] is True
        assert each.spec["automountServiceAccountToken"] is False
        # restricted allows no host namespaces, ports and paths
        assert not {"hostNetwork", "hostPID", "hostIPC"} & each.spec.keys()
        assert all("hostPort" not in port for port in each.container.get("ports", []))
        kinds = {kind for volume in each.spec["volumes"] for kind in volume if kind != "name"}
        assert kinds <= {"emptyDir", "projected", "configMap", "persistentVolumeClaim"}
        mounts = {mount["name"]: mount for mount in each.container["volumeMounts"]}
        assert mounts["tmp"]["mountPath"] == "/tmp"
        assert all(mounts[name]["readOnly"] for name in mounts.keys() & {"secrets", "pairs"})


@every_case
def test_every_container_says_what_it_needs_and_has_a_memory_limit(case: str) -> None:
    for each in pods(case):
        assert {"cpu", "memory"} <= each.container["resources"]["requests"].keys(), each.name
        assert "memory" in each.container["resources"]["limits"], each.name


@every_case
def test_probes_ask_the_process_and_never_kafka_or_clickhouse(case: str) -> None:
    for each in pods(case):
        if each.owner != "Deployment":
            assert not {"livenessProbe", "readinessProbe", "startupProbe"} & each.container.keys()
            continue
        ports = {port["name"] for port in each.container["ports"]}
        path, port = ("/health", "http") if each.component == "api" else ("/live", "metrics")
        for probe in ("livenessProbe", "startupProbe"):
            asked = each.container[probe]["httpGet"]
            assert (asked["path"], asked["port"]) == (path, port)
            assert asked["port"] in ports
            assert each.container[probe]["timeoutSeconds"] > WAIT_SECONDS
        # A worker that is ready only with a partition holds an update up: sentry-kubernetes #2233.
        assert ("readinessProbe" in each.container) == (each.component == "api")
    if case not in ("parts",):
        assert pod("api", case).container["readinessProbe"]["httpGet"]["path"] == "/ready"


@every_case
def test_secrets_are_files_and_never_variables(case: str) -> None:
    secret = re.compile("PASSWORD|WEBHOOK|KEY_ID|SECRET(?!S_DIR)|TOKEN(?!S_PER)")
    for each in pods(case):
        for item in each.container["env"]:
            assert "valueFrom" not in item
            assert not secret.search(item["name"]), item
        files = each.secret_files()
        folder = _variables(each).get("ECHOARB_SECRETS_DIR")
        assert folder == (SECRETS if files else None)
    for config in of_kind("ConfigMap", case).values():
        assert not [name for name in config.get("data", {}) if secret.search(name)]
    assert "Secret" not in {each["kind"] for each in rendered(case)}


def test_each_component_has_the_secrets_that_it_needs_and_no_others() -> None:
    kafka = {"echoarb_kafka_password": ("echoarb", "password")}
    kafka["kafka-ca.crt"] = ("my-cluster-cluster-ca-cert", "ca.crt")
    registry = {
        "echoarb_registry_username": ("echoarb-registry", "username"),
        "echoarb_registry_password": ("echoarb-registry", "password"),
        "registry-ca.crt": ("echoarb-registry-ca", "ca.crt"),
    }
    ca = {"clickhouse-ca.crt": ("echoarb-clickhouse-ca", "ca.crt")}
    writer = {"echoarb_clickhouse_password": ("echoarb-clickhouse", "password")}
    reader = {"echoarb_api_clickhouse_password": ("echoarb-clickhouse-reader", "password")}
    expected = {
        "polymarket": kafka | registry,
        "kalshi": kafka
        | registry
        | {
            "echoarb_kalshi_key_id": ("kalshi-key", "key-id"),
            "kalshi-private-key.pem": ("kalshi-key", "private-key.pem"),
        },
        "sink": kafka | registry | writer | ca,
        "analytics": kafka
        | registry
        | writer
        | ca
        | {
            "echoarb_alert_webhooks": ("alert-webhooks", "urls"),
            "echoarb_alert_webhook_secret": ("alert-webhooks", "signing-key"),
        },
        "api": kafka
        | registry
        | reader
        | ca
        | {"api-keys.json": ("echoarb-api-keys", "keys.json")},
        "topics": kafka,
        "schemas": registry,
        "migrate": writer | ca,
        "test": {},
    }
    assert {name: pod(name, "live").secret_files() for name in expected} == expected


def test_strimzis_secrets_are_understood(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    scram = of_kind("ConfigMap", "live")["rel-echoarb"]["data"]
    assert scram["ECHOARB_KAFKA_USERNAME"] == "echoarb"  # the KafkaUser's name, as its Secret's
    assert scram["ECHOARB_KAFKA_CA_FILE"] == f"{SECRETS}/kafka-ca.crt"
    tls = pod("sink", "keda").secret_files()
    assert tls["kafka-client.crt"] == ("echoarb", "user.crt")
    assert tls["kafka-client.key"] == ("echoarb", "user.key")
    # and our settings read the files under the names that the pod has them
    for file in pod("sink", "live").secret_files():
        (tmp_path / file).write_text(f"from {file}")
    monkeypatch.setenv("ECHOARB_SECRETS_DIR", str(tmp_path))
    settings = KafkaSettings.load()
    assert settings.kafka_password.get_secret_value() == "from echoarb_kafka_password"


@every_case
def test_files_that_settings_name_are_in_the_pods_that_read_them(case: str) -> None:
    for each in pods(case):
        if each.owner != "Deployment":
            continue
        data = of_kind("ConfigMap", case)[each.container["envFrom"][0]["configMapRef"]["name"]]
        there = {f"{SECRETS}/{file}" for file in each.secret_files()}
        needed = {
            "ECHOARB_KAFKA_CA_FILE": True,
            "ECHOARB_KAFKA_CERT_FILE": True,
            "ECHOARB_KAFKA_KEY_FILE": True,
            "ECHOARB_CLICKHOUSE_CA_FILE": each.component in ("sink", "analytics", "api"),
            "ECHOARB_API_KEYS_FILE": each.component == "api",
            "ECHOARB_KALSHI_PRIVATE_KEY_FILE": each.component == "kalshi",
        }
        for name, here in needed.items():
            if here and name in data["data"]:
                assert data["data"][name] in there, (each.name, name)


@every_case
def test_no_component_has_two_scalers_and_a_scaled_one_no_replicas(case: str) -> None:
    scaled = Counter(
        each["spec"]["scaleTargetRef"]["name"]
        for kind in ("HorizontalPodAutoscaler", "ScaledObject")
        for each in of_kind(kind, case).values()
    )
    assert set(scaled.values()) <= {1}
    for name, each in of_kind("Deployment", case).items():
        assert ("replicas" in each["spec"]) == (name not in scaled)


def test_keda_gets_texts_and_the_secrets_by_reference() -> None:
    [sink] = [each for name, each in of_kind("ScaledObject", "keda").items() if "sink" in name]
    triggers = sink["spec"]["triggers"]
    topics = [trigger["metadata"]["topic"] for trigger in triggers]
    assert topics == ["ticks.kalshi", "ticks.polymarket", "ticks.manifold"]
    for trigger in triggers:
        assert trigger["metadata"]["lagThreshold"] == "2500000"  # not 2.5e+06, and no number
        assert trigger["metadata"]["consumerGroup"] == "our-sink"
        assert all(isinstance(value, str) for value in trigger["metadata"].values())
        assert trigger["metadata"]["tls"] == "enable"
        assert trigger["authenticationRef"]["name"] in of_kind("TriggerAuthentication", "keda")
    secrets = of_kind("TriggerAuthentication", "keda")["rel-echoarb-sink-kafka"]["spec"]
    references = {
        each["parameter"]: (each["name"], each["key"]) for each in secrets["secretTargetRef"]
    }
    assert references == {
        "ca": ("my-cluster-cluster-ca-cert", "ca.crt"),
        "cert": ("echoarb", "user.crt"),
        "key": ("echoarb", "user.key"),
    }


def test_keda_reads_a_user_of_the_values_from_the_pods_variables() -> None:
    options = ("--set", "sink.keda.enabled=true")
    spec = of_kind("TriggerAuthentication", "live", *options)["rel-echoarb-sink-kafka"]["spec"]
    [user] = spec["env"]
    each = pod("sink", "live", *options)
    assert user["containerName"] == each.container["name"]
    config = each.container["envFrom"][0]["configMapRef"]["name"]
    assert user["name"] in of_kind("ConfigMap", "live", *options)[config]["data"]
    trigger = of_kind("ScaledObject", "live", *options)["rel-echoarb-sink"]["spec"]["triggers"][0]
    assert trigger["metadata"]["sasl"] == "scram_sha512"


@every_case
def test_a_budget_is_there_only_where_there_may_be_more_than_one(case: str) -> None:
    most = {
        name: each["spec"].get("replicas", 2) for name, each in of_kind("Deployment", case).items()
    }
    for each in of_kind("HorizontalPodAutoscaler", case).values():
        most[each["spec"]["scaleTargetRef"]["name"]] = each["spec"]["minReplicas"]
    budgets = set(of_kind("PodDisruptionBudget", case))
    assert budgets == {name for name, replicas in most.items() if replicas > 1}


def test_one_worker_is_replaced_and_several_go_one_after_the_other() -> None:
    def strategy(name: str, case: str) -> dict[str, object]:
        return dict(of_kind("Deployment", case)[f"rel-echoarb-{name}"]["spec"]["strategy"])

    assert strategy("sink", "minimal") == strategy("polymarket", "cluster") == {"type": "Recreate"}
    rolling = {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 0, "maxUnavailable": 1}}
    assert strategy("sink", "cluster") == strategy("sink", "keda") == rolling
    assert strategy("api", "minimal")["rollingUpdate"] == {"maxSurge": 1, "maxUnavailable": 0}


@every_case
def test_hooks_run_in_order_and_use_nothing_of_the_release(case: str) -> None:
    jobs = of_kind("Job", case)
    weights = {
        name.rsplit("-", 1)[1]: int(job["metadata"]["annotations"]["helm.sh/hook-weight"])
        for name, job in jobs.items()
    }
    assert sorted(weights, key=lambda name: weights[name]) == (
        [] if case == "parts" else ["topics", "schemas", "migrate"]
    )
    for name, job in jobs.items():
        notes = job["metadata"]["annotations"]
        assert notes["helm.sh/hook"] == "pre-install,pre-upgrade"
        assert notes["helm.sh/hook-delete-policy"] == "before-hook-creation,hook-succeeded"
        each = next(each for each in pods(case) if each.name == name)
        assert each.spec["serviceAccountName"] not in of_kind("ServiceAccount", case)
        assert each.spec["restartPolicy"] == "Never"
        sources = each.container.get("envFrom", [])
        assert all("rel" not in source["configMapRef"]["name"] for source in sources)
        assert all("configMap" not in volume for volume in each.spec["volumes"])
        assert _variables(each)["ECHOARB_KAFKA_BOOTSTRAP"]


def test_jobs_get_what_the_values_say() -> None:
    assert pod("topics", "cluster").container["command"][-2:] == ["--replication", "3"]
    assert _variables(pod("migrate", "cluster"))["ECHOARB_CLICKHOUSE_CLUSTER"] == "echoarb"
    assert _variables(pod("migrate", "live"))["ECHOARB_RETENTION_TICKS_DAYS"] == "90"
    assert "ECHOARB_CLICKHOUSE_CLUSTER" not in _variables(pod("migrate", "live"))


def test_helm_test_asks_the_api_through_its_service() -> None:
    each = pod("test", "everything")
    assert each.metadata["annotations"]["helm.sh/hook"] == "test"
    url = each.container["command"][-1]
    [service] = [
        each
        for each in of_kind("Service", "everything").values()
        if url == f"http://{each['metadata']['name']}:{each['spec']['ports'][0]['port']}"
    ]
    assert service["spec"]["type"] == "LoadBalancer"
    compile(each.container["command"][2], "helm test", "exec")


@every_case
def test_names_fit_and_are_used_once(case: str) -> None:
    for options in ((), ("--name-template", "r" * 53)):
        made = Counter(
            (each["kind"], each["metadata"]["name"]) for each in rendered(case, *options)
        )
        assert max(made.values()) == 1
        assert all(len(name) <= 63 for _, name in made), made


@every_case
def test_selectors_find_the_pods_of_one_component(case: str) -> None:
    labels = {each.component: each.metadata["labels"] for each in pods(case)}
    for name, each in of_kind("Deployment", case).items():
        wanted = each["spec"]["selector"]["matchLabels"].items()
        assert [part for part, has in labels.items() if wanted <= has.items()] == [
            each["metadata"]["labels"]["app.kubernetes.io/component"]
        ], name
    for kind in ("Service", "NetworkPolicy", "PodDisruptionBudget"):
        for name, each in of_kind(kind, case).items():
            spec = each["spec"]
            wanted = (spec.get("podSelector") or spec["selector"]).get("matchLabels") or spec[
                "selector"
            ]
            found = [part for part, has in labels.items() if wanted.items() <= has.items()]
            off = kind == "NetworkPolicy" and found == []  # of a connector that is not on
            assert len(found) == 1 or off, (kind, name)


def test_a_changed_setting_rolls_the_pods_and_an_unchanged_one_does_not() -> None:
    def sums(*options: str) -> set[str]:
        return {
            each.metadata["annotations"]["checksum/config"]
            for each in pods("minimal", *options)
            if each.owner == "Deployment"
        }

    assert len(sums()) == 1
    assert sums() != sums("--set", "config.LOG_LEVEL=DEBUG")
    assert sums() == sums("--set", "sink.replicas=1")


def test_what_stands_in_pods_holds_for_all_and_the_components_own_wins() -> None:
    capturing = pod("polymarket", "everything")
    assert {"more", "capture"} <= {volume["name"] for volume in capturing.spec["volumes"]}
    for each in pods("everything"):
        assert each.spec["priorityClassName"] == "high"
        assert each.spec["securityContext"]["runAsUser"] == 1000650000
        assert _variables(each)["HTTPS_PROXY"] == "http://proxy:3128"
        assert [pull["name"] for pull in each.spec["imagePullSecrets"]] == [
            "global-pull",
            "own-pull",
        ]
        assert each.container["image"].startswith("registry.example/echoarb/echoarb@sha256:")
    own = ("--set", "sink.priorityClassName=low")
    assert pod("sink", "everything", *own).spec["priorityClassName"] == "low"
    assert pod("api", "everything", *own).spec["priorityClassName"] == "high"
