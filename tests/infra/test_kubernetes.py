"""The manifests for Kubernetes are one system with settings, image, compose and declared topics.

None of them was ever applied here. What needs no cluster is held: the schemas of Kubernetes, every
name that two places share and, where kubectl or kustomize is at hand, the overlays as they are
built. Strimzi's own resources have no schema here; their fields are compared by hand.
"""

from __future__ import annotations

import copy
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest
import yaml
from cryptography.hazmat.primitives.serialization import load_pem_public_key

from infra import readme, topics
from infra.access import ACCESS
from infra.keyring import run as make_keys
from infra.stack import jars, kafka
from infra.stack.services import STOP_SECONDS
from services.intake.vault import master_key
from services.reporting.signing import signing_key
from shared import health, keys
from shared.log import PARTITIONS
from shared.settings import PREFIX, SERVICES, Settings, names

ROOT = Path(__file__).parents[2]
HOME = ROOT / "infra" / "kubernetes"
OVERLAYS = ("small", "city")
FOLDERS = ("base", "kafka", "monitoring", *(f"overlays/{name}" for name in OVERLAYS))
WORKERS = ("routing", "supervision")
OPTIONAL = ("qingqian-channels", "qingqian-database-ca")
USERS = tuple(f"qingqian-{name}" for name in SERVICES)
BY_STRIMZI = {"qingqian-cluster-ca-cert", *USERS}
"""Secrets that its operators make, of a cluster and of its users."""
CUSTOM = ("kafka.strimzi.io/v1", "monitoring.coreos.com/v1")
KUBERNETES = ("1.30", "1.37")
"""The oldest that has a sleep before the stop, and the newest whose schemas are here."""

Document = dict[str, Any]


def read(path: Path) -> list[Document]:
    return [found for found in yaml.safe_load_all(path.read_text("utf-8")) if found]


def kustomization(folder: str) -> Document:
    (document,) = read(HOME / folder / "kustomization.yaml")
    return document


def patch_files(folder: str) -> list[str]:
    return [patch["path"] for patch in kustomization(folder).get("patches", []) if "path" in patch]


def resources(folder: str) -> list[Document]:
    """The manifests that a kustomization lists, and of those that it is built on."""
    found: list[Document] = []
    listed = kustomization(folder)
    for entry in listed.get("resources", []) + listed.get("components", []):
        path = (HOME / folder / entry).resolve()
        below = path.relative_to(HOME).as_posix()
        found += resources(below) if path.is_dir() else read(path)
    return found


def one(documents: list[Document], kind: str, name: str) -> Document:
    (found,) = [d for d in documents if (d["kind"], d["metadata"]["name"]) == (kind, name)]
    return found


def of_kind(documents: list[Document], kind: str) -> list[Document]:
    return [document for document in documents if document["kind"] == kind]


BASE = resources("base")
LOG = resources("kafka")
CITY = resources("overlays/city")


def pod(name: str) -> Document:
    spec: Document = one(BASE, "StatefulSet", name)["spec"]["template"]["spec"]
    return spec


def container(name: str) -> Document:
    (found,) = pod(name)["containers"]
    return dict(found)


def labels(name: str) -> dict[str, str]:
    found: dict[str, str] = one(BASE, "StatefulSet", name)["spec"]["template"]["metadata"]["labels"]
    return found


def shared_settings() -> dict[str, str]:
    """What the generated ConfigMap holds."""
    (generator,) = kustomization("base")["configMapGenerator"]
    assert generator["name"] == "qingqian-settings"
    (file,) = generator["envs"]
    lines = (HOME / "base" / file).read_text("utf-8").splitlines()
    return dict(line.split("=", 1) for line in lines if line and not line.startswith("#"))


def settings_of(name: str, monkeypatch: pytest.MonkeyPatch) -> Settings:
    """As a service reads them in its pod."""
    given = dict(shared_settings())
    for entry in container(name)["env"]:
        source = entry.get("valueFrom", {})
        if "secretKeyRef" in source:
            given[entry["name"]] = "postgresql://somebody:secret@database:5432/qingqian"
        elif "fieldRef" in source:
            given[entry["name"]] = f"{name}-11"
        else:
            given[entry["name"]] = entry["value"]
    assert set(given) <= set(names())
    for key, value in given.items():
        monkeypatch.setenv(key, value)
    return Settings()


def selects(selector: Document, found: dict[str, str]) -> bool:
    """Whether a label selector matches."""
    for rule in selector.get("matchExpressions", []):
        assert rule["operator"] == "In"
        if found.get(rule["key"]) not in rule["values"]:
            return False
    return bool(selector.get("matchLabels", {}).items() <= found.items())


def quantity(text: str) -> int:
    """Bytes of a memory quantity."""
    number, unit = re.fullmatch(r"(\d+)([KMG]i)", text).groups()  # type: ignore[union-attr]
    return int(number) << {"Ki": 10, "Mi": 20, "Gi": 30}[unit]


# --- the files ------------------------------------------------------------------------------------


@pytest.mark.parametrize("folder", FOLDERS)
def test_a_kustomization_lists_every_manifest_beside_it_and_no_other(folder: str) -> None:
    listed = kustomization(folder)
    here = {path.name for path in (HOME / folder).glob("*.yaml")} - {"kustomization.yaml"}
    entries = listed.get("resources", []) + listed.get("components", [])

    assert {entry for entry in entries if "/" not in entry} | set(patch_files(folder)) == here
    for entry in entries:
        if "/" in entry:
            assert (HOME / folder / entry / "kustomization.yaml").is_file(), entry


def test_every_folder_of_manifests_is_looked_at_here() -> None:
    found = {path.parent.relative_to(HOME).as_posix() for path in HOME.rglob("kustomization.yaml")}

    assert found == set(FOLDERS)
    assert {path.parent.relative_to(HOME).as_posix() for path in HOME.rglob("*.yaml")} == found


@pytest.mark.parametrize("version", KUBERNETES)
def test_every_manifest_is_valid_by_the_schemas_of_kubernetes(version: str) -> None:
    generated = {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": "qingqian-settings"},
        "data": shared_settings(),
    }
    checked = 0
    for document in [*CITY, generated]:
        if document["apiVersion"] not in CUSTOM:
            kubernetes_validate.validate(document, version, strict=True)
            checked += 1
    assert checked == 4 + 4 + 2 + 4 + 1


def test_the_check_knows_a_field_that_does_not_exist_and_a_wrong_type() -> None:
    for key, value in (("replica", 1), ("replicas", "many")):
        wrong = copy.deepcopy(one(BASE, "StatefulSet", "intake"))
        wrong["spec"][key] = value
        with pytest.raises(kubernetes_validate.ValidationError):
            kubernetes_validate.validate(wrong, KUBERNETES[-1], strict=True)


def test_no_manifest_holds_a_secret() -> None:
    for folder in FOLDERS:
        assert "secretGenerator" not in kustomization(folder)
    for document in CITY:
        assert document["kind"] != "Secret"
    assert "DATABASE" not in "".join(shared_settings())
    for name in SERVICES:
        (database,) = [e for e in container(name)["env"] if e["name"] == f"{PREFIX}DATABASE"]
        assert database["valueFrom"] == {
            "secretKeyRef": {"name": "qingqian-database", "key": "uri"}
        }


# --- the services ---------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def compose() -> Document:
    document: Document = yaml.safe_load((ROOT / "docker-compose.yml").read_text("utf-8"))
    return document


@pytest.mark.parametrize("name", SERVICES)
def test_a_service_runs_as_in_compose(compose: Document, name: str) -> None:
    theirs, ours = compose["services"][name], container(name)

    assert ours["command"] == theirs["command"]
    assert ours["image"] == theirs["image"]
    assert ours["ports"] == [
        {"name": "http", "containerPort": Settings.model_construct().port(name)}
    ]
    (port,) = one(BASE, "Service", name)["spec"]["ports"]
    assert (port["port"], port["targetPort"]) == (ours["ports"][0]["containerPort"], "http")
    assert one(BASE, "Service", name)["spec"]["selector"] == labels(name)


@pytest.mark.parametrize("name", SERVICES)
def test_settings_exist_and_hold_and_say_what_compose_says(
    compose: Document, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    read = settings_of(name, monkeypatch)
    theirs = compose["services"][name]["environment"]

    given = {entry["name"] for entry in container(name)["env"]} | set(shared_settings())
    # What compose leaves empty is not set.
    set_there = {key for key, value in theirs.items() if not value.endswith(":-}")}
    assert {key for key in set_there if key.startswith(PREFIX)} <= given
    assert (read.host, str(read.data_dir)) == (theirs[f"{PREFIX}HOST"], theirs[f"{PREFIX}DATA_DIR"])
    assert (read.clock, read.policy, read.log_level) == ("wall", "dengfeng-2021-35", "info")
    cluster = one(LOG, "Kafka", "qingqian")
    (listener,) = cluster["spec"]["kafka"]["listeners"]
    assert read.kafka == f"{cluster['metadata']['name']}-kafka-bootstrap:{listener['port']}"
    assert listener["tls"]
    assert read.kafka_security_protocol == "sasl_ssl"
    assert read.kafka_sasl_mechanism.lower() == listener["authentication"]["type"]
    assert read.kafka_user == f"qingqian-{name}"


@pytest.mark.parametrize("name", SERVICES)
def test_the_cluster_puts_no_setting_of_its_own_into_the_environment(name: str) -> None:
    """QINGQIAN_KAFKA_BOOTSTRAP_SERVICE_HOST is no setting, and a service refuses it."""
    assert pod(name)["enableServiceLinks"] is False
    assert pod(name)["automountServiceAccountToken"] is False


@pytest.mark.parametrize("name", SERVICES)
def test_probes_ask_what_there_is(name: str) -> None:
    async def probe() -> health.Readiness:
        return health.Readiness(ready=True)

    paths = {getattr(route, "path", "") for route in health.router(probe).routes}
    asked = {
        kind: container(name)[f"{kind}Probe"]["httpGet"]
        for kind in ("startup", "liveness", "readiness")
    }

    assert asked["startup"] == asked["liveness"] == {"path": "/livez", "port": "http"}
    assert asked["readiness"] == {"path": "/readyz", "port": "http"}
    assert {found["path"] for found in asked.values()} <= paths
    # It gives up after 5 s and says why.
    assert container(name)["readinessProbe"]["timeoutSeconds"] > 5


@pytest.mark.parametrize("name", SERVICES)
def test_a_pod_is_given_the_time_that_its_end_takes(name: str) -> None:
    before = container(name).get("lifecycle", {}).get("preStop", {}).get("sleep", {})

    assert pod(name)["terminationGracePeriodSeconds"] >= STOP_SECONDS + before.get("seconds", 0) + 5


@pytest.mark.parametrize("name", WORKERS)
def test_a_worker_is_named_after_its_pod(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    (entry,) = [e for e in container(name)["env"] if e["name"] == f"{PREFIX}WORKER_ID"]

    assert entry["valueFrom"] == {"fieldRef": {"fieldPath": "metadata.name"}}
    assert settings_of(name, monkeypatch).worker_id == f"{name}-11"


def test_what_runs_once_runs_once_and_workers_are_no_more_than_partitions() -> None:
    for name in SERVICES:
        spec = one(BASE, "StatefulSet", name)["spec"]
        # In order, a pod that never gets ready would keep its own mending from being rolled out.
        assert (spec["replicas"], spec["podManagementPolicy"]) == (1, "Parallel")
    for overlay in OVERLAYS:
        counts = kustomization(f"overlays/{overlay}").get("replicas", [])
        assert {entry["name"] for entry in counts} <= set(WORKERS)
        assert all(1 < entry["count"] <= PARTITIONS for entry in counts)
    assert [e["count"] for e in kustomization("overlays/city")["replicas"]] == [3, 3]


# --- its place on the machine ---------------------------------------------------------------------


@pytest.mark.parametrize("name", SERVICES)
def test_a_pod_is_the_user_of_the_image_and_writes_where_it_must(name: str) -> None:
    dockerfile = (ROOT / "infra" / "Dockerfile").read_text("utf-8")
    uid = int(re.search(r"--uid (\d+)", dockerfile)[1])  # type: ignore[index]
    folder = re.search(r"^VOLUME (\S+)", dockerfile, flags=re.M)[1]  # type: ignore[index]
    security = pod(name)["securityContext"]
    mounts = {mount["mountPath"]: mount for mount in container(name)["volumeMounts"]}

    # The image names its user by a word, of which a kubelet cannot see that it is not root.
    assert (security["runAsNonRoot"], security["runAsUser"]) == (True, uid)
    assert security["seccompProfile"] == {"type": "RuntimeDefault"}
    assert container(name)["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }
    writable = {path for path, mount in mounts.items() if not mount.get("readOnly")}
    assert writable == {"/tmp", folder} if name == "reporting" else {"/tmp"}
    assert shared_settings()[f"{PREFIX}DATA_DIR"] == folder
    # Whoever is no owner of a Secret's file reads it as its group.
    secret = [volume["secret"] for volume in pod(name)["volumes"] if "secret" in volume]
    assert {volume["defaultMode"] for volume in secret} <= {0o440}
    assert security["fsGroup"] == security["runAsGroup"]


@pytest.mark.parametrize("name", SERVICES)
def test_every_volume_is_mounted_and_every_mount_has_its_volume(name: str) -> None:
    claims = one(BASE, "StatefulSet", name)["spec"].get("volumeClaimTemplates", [])
    volumes = {volume["name"] for volume in pod(name)["volumes"]}
    volumes |= {claim["metadata"]["name"] for claim in claims}

    assert {mount["name"] for mount in container(name)["volumeMounts"]} == volumes
    assert len(claims) == (name == "reporting")


def secrets_asked_for() -> dict[str, set[str]]:
    """Of each Secret the files or keys that the services look for, by the settings that say so."""
    asked: dict[str, set[str]] = {"qingqian-database": {"uri"}}
    for name in SERVICES:
        at = {mount["name"]: mount["mountPath"] for mount in container(name)["volumeMounts"]}
        held = {
            at[v["name"]]: v["secret"]["secretName"] for v in pod(name)["volumes"] if "secret" in v
        }
        given = {entry["name"]: entry.get("value", "") for entry in container(name)["env"]}
        for key, value in (given | shared_settings()).items():
            if key.endswith("_FILE"):
                folder, _, file = value.rpartition("/")
                asked.setdefault(held[folder], set()).add(file)
    return asked


def test_every_file_of_keys_lies_in_a_secret_and_in_no_other_pod() -> None:
    assert secrets_asked_for() == {
        "qingqian-database": {"uri"},
        "qingqian-keys": {"keys.json"},
        "qingqian-vault": {"master.key"},
        "qingqian-checkpoint": {"checkpoint.pem"},
        "qingqian-channels": {"channels.yaml", "channel-secrets.json"},
        "qingqian-cluster-ca-cert": {"ca.crt"},
        **{user: {"password"} for user in USERS},
    }
    holders: dict[str, set[str]] = {}
    for name in SERVICES:
        for volume in pod(name)["volumes"]:
            if "secret" in volume:
                holders.setdefault(volume["secret"]["secretName"], set()).add(name)
                optional = volume["secret"]["secretName"] in OPTIONAL
                assert volume["secret"].get("optional", False) == optional
                if volume["secret"]["secretName"] in BY_STRIMZI:
                    # Of what its operators put there, nothing but what is read.
                    only = {item["key"] for item in volume["secret"]["items"]}
                    assert only == secrets_asked_for()[volume["secret"]["secretName"]]
    assert holders == {
        "qingqian-keys": {"intake", "reporting"},
        "qingqian-vault": {"intake"},
        "qingqian-checkpoint": {"reporting"},
        "qingqian-channels": {"reporting"},
        "qingqian-database-ca": set(SERVICES),
        "qingqian-cluster-ca-cert": set(SERVICES),
        **{f"qingqian-{name}": {name} for name in SERVICES},
    }


def test_the_base_names_every_secret_with_its_keys() -> None:
    text = (HOME / "base" / "kustomization.yaml").read_text("utf-8")
    asked = secrets_asked_for() | {"qingqian-database-ca": {"ca.crt"}}

    for secret, files in asked.items():
        (line,) = [line for line in text.splitlines() if line.startswith(f"#   {secret} ")]
        assert all(file in line for file in files), secret


def test_memory_is_what_was_measured_with_room() -> None:
    text = " ".join((ROOT / "README.md").read_text("utf-8").split())
    for name in SERVICES:
        (measured,) = re.findall(rf"\(300 MB each\):.*?{name} (\d+)", text)
        given = container(name)["resources"]
        assert quantity(given["requests"]["memory"]) >= int(measured) * 10**6
        assert quantity(given["limits"]["memory"]) >= 2 * int(measured) * 10**6
        assert set(given["limits"]) == set(given["requests"]) == {"cpu", "memory"}


def test_workers_of_a_service_are_spread_and_not_drained_all_at_once() -> None:
    for name in SERVICES:
        (spread,) = pod(name)["topologySpreadConstraints"]
        assert spread["labelSelector"]["matchLabels"] == labels(name)
    budgets = of_kind(BASE, "PodDisruptionBudget")
    assert {budget["metadata"]["name"] for budget in budgets} == set(WORKERS)
    for budget in budgets:
        name = budget["metadata"]["name"]
        assert budget["spec"] == {
            "maxUnavailable": 1,
            "selector": {"matchLabels": labels(name)},
        }


# --- who may call whom ----------------------------------------------------------------------------


def test_every_pod_is_closed_but_for_its_door_and_asks_the_log_and_the_database() -> None:
    policies = {
        policy["metadata"]["name"]: policy["spec"] for policy in of_kind(BASE, "NetworkPolicy")
    }
    chosen = {
        policy: {name for name in SERVICES if selects(spec["podSelector"], labels(name))}
        for policy, spec in policies.items()
    }
    everybody = set(SERVICES)

    assert chosen == {
        "qingqian": everybody,
        "doors": {"intake", "reporting"},
        "metrics": everybody,
        "webhooks": {"reporting"},
    }
    assert policies["qingqian"]["policyTypes"] == ["Ingress", "Egress"]
    assert "ingress" not in policies["qingqian"]
    (listener,) = one(LOG, "Kafka", "qingqian")["spec"]["kafka"]["listeners"]
    asked = {port["port"] for rule in policies["qingqian"]["egress"] for port in rule["ports"]}
    assert asked == {53, listener["port"], 5432}
    (peer,) = listener["networkPolicyPeers"]
    assert all(selects(peer["podSelector"], labels(name)) for name in SERVICES)
    # The brokers are no pods of ours, whatever label the operator hands on to them.
    for document in LOG:
        assert not selects(peer["podSelector"], document["metadata"]["labels"])


# --- the log --------------------------------------------------------------------------------------


def test_the_topics_are_those_declared() -> None:
    found = {
        document["metadata"]["name"]: (
            document["spec"]["partitions"],
            {key: str(value) for key, value in document["spec"]["config"].items()},
        )
        for document in of_kind(LOG, "KafkaTopic")
    }

    assert found == {topic.name: (topic.partitions, dict(topic.config)) for topic in topics.TOPICS}


def test_the_users_may_do_what_is_declared_and_the_broker_asks_who_they_are() -> None:
    found = {}
    for document in of_kind(LOG, "KafkaUser"):
        spec = document["spec"]
        assert set(spec) == {"authentication", "authorization"}
        assert spec["authentication"] == {"type": "scram-sha-512"}
        assert spec["authorization"]["type"] == "simple"
        found[document["metadata"]["name"]] = [
            (
                entry["resource"]["type"],
                entry["resource"]["name"],
                entry["resource"]["patternType"],
                tuple(entry["operations"]),
            )
            for entry in spec["authorization"]["acls"]
        ]
    assert found == {
        user: [(grant.kind, grant.name, "literal", grant.operations) for grant in grants]
        for user, grants in ACCESS.items()
    }
    broker = one(LOG, "Kafka", "qingqian")["spec"]["kafka"]
    assert broker["authorization"] == {"type": "simple"}
    for listener in broker["listeners"]:
        assert (listener["tls"], listener["authentication"]) == (True, {"type": "scram-sha-512"})


def test_each_service_may_do_what_it_does_and_no_service_may_change_a_topic() -> None:
    """Design 3: `case-events` has three writers, the others theirs."""
    writers: dict[str, set[str]] = {}
    for user, grants in ACCESS.items():
        for grant in grants:
            if "Write" in grant.operations:
                writers.setdefault(grant.name, set()).add(user.removeprefix("qingqian-"))
            if user in USERS:
                assert set(grant.operations) <= {"Read", "Write"}
    assert writers == {
        "case-events": {"intake", "routing", "supervision"},
        "governance-events": {"intake", "reporting"},
        "case-events.parked": {"routing", "supervision"},
        "feed-complaints": {"platform"},
        "feed-complaints.parked": {"intake"},
    }
    groups = {
        grant.name: user for user, grants in ACCESS.items() for grant in grants
        if grant.kind == "group"
    }  # fmt: skip
    given = Settings.model_construct()
    assert groups == {
        given.group("intake-feed"): "qingqian-intake",
        given.group("routing"): "qingqian-routing",
        given.group("supervision"): "qingqian-supervision",
    }


def test_strimzi_is_asked_for_fields_of_its_first_stable_api() -> None:
    kinds = [document["kind"] for document in LOG]
    pool, cluster = one(LOG, "KafkaNodePool", "nodes"), one(LOG, "Kafka", "qingqian")

    assert sorted(set(kinds)) == ["Kafka", "KafkaNodePool", "KafkaTopic", "KafkaUser"]
    for document in LOG:
        assert document["apiVersion"] == "kafka.strimzi.io/v1"
        if document["kind"] != "Kafka":
            assert document["metadata"]["labels"]["strimzi.io/cluster"] == "qingqian"
    assert set(pool["spec"]) == {
        "replicas", "roles", "storage", "resources", "jvmOptions", "template",
    }  # fmt: skip
    # What belongs to a node stands in its pool, and in the cluster no longer.
    assert set(cluster["spec"]) == {"kafka", "entityOperator"}
    assert set(cluster["spec"]["kafka"]) == {"version", "listeners", "authorization", "config"}
    assert cluster["spec"]["entityOperator"] == {"topicOperator": {}, "userOperator": {}}
    for topic in of_kind(LOG, "KafkaTopic"):
        assert set(topic["spec"]) == {"partitions", "replicas", "config"}


def test_the_log_is_kept_three_times_and_acknowledged_by_two() -> None:
    pool, cluster = one(LOG, "KafkaNodePool", "nodes"), one(LOG, "Kafka", "qingqian")
    config = cluster["spec"]["kafka"]["config"]
    (volume,) = pool["spec"]["storage"]["volumes"]

    assert (pool["spec"]["replicas"], pool["spec"]["roles"]) == (3, ["controller", "broker"])
    assert (volume["type"], volume["deleteClaim"]) == ("persistent-claim", False)
    assert {topic["spec"]["replicas"] for topic in of_kind(LOG, "KafkaTopic")} == {3}
    assert {config[key] for key in config if key.endswith("replication.factor")} == {3}
    assert (config["min.insync.replicas"], config["transaction.state.log.min.isr"]) == (2, 2)
    assert config["delete.topic.enable"] is False
    for name in ("auto.create.topics.enable", "offsets.retention.minutes"):
        assert str(config[name]).lower() == kafka.PROPERTIES[name]
    assert cluster["spec"]["kafka"]["version"] == jars.KAFKA_VERSION


def test_one_broker_is_not_asked_for_more_copies_than_it_can_keep() -> None:
    (pool,) = read(HOME / "overlays/small/nodes.yaml")
    (cluster,) = read(HOME / "overlays/small/kafka.yaml")
    standing = one(LOG, "Kafka", "qingqian")["spec"]["kafka"]["config"]
    copies = {key for key in standing if key.endswith(("replication.factor", "isr", "replicas"))}

    assert pool["spec"]["replicas"] == 1
    assert {key: cluster["spec"]["kafka"]["config"][key] for key in copies} == dict.fromkeys(
        copies, 1
    )


# --- overlays -------------------------------------------------------------------------------------


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_what_an_overlay_changes_is_there(overlay: str) -> None:
    folder = f"overlays/{overlay}"
    listed, built_on = kustomization(folder), resources(folder)
    images = {c["image"] for name in SERVICES for c in pod(name)["containers"]}

    for file in patch_files(folder):
        (patch,) = read(HOME / folder / file)
        assert (
            one(built_on, patch["kind"], patch["metadata"]["name"])["apiVersion"]
            == patch["apiVersion"]
        )
    for patch in listed.get("patches", []):
        if "target" in patch:
            targets = of_kind(built_on, patch["target"]["kind"])
            assert targets
            for change in yaml.safe_load(patch["patch"]):
                assert change == {"op": "replace", "path": "/spec/replicas", "value": 1}
                assert all("replicas" in target["spec"] for target in targets)
    for entry in listed.get("images", []):
        assert {image.partition(":")[0] for image in images} == {entry["name"]}
    for entry in listed.get("replicas", []):
        assert one(built_on, "StatefulSet", entry["name"])


def tools() -> Iterator[list[str]]:
    for name, arguments in (("kustomize", ["build"]), ("kubectl", ["kustomize"])):
        if found := shutil.which(name):
            yield [found, *arguments]


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_an_overlay_is_built_into_valid_manifests(overlay: str) -> None:
    command = next(tools(), None)
    if command is None:
        pytest.skip("neither kustomize nor kubectl is on this machine")
    run = subprocess.run(
        [*command, str(HOME / "overlays" / overlay)], capture_output=True, text=True, check=False
    )
    assert run.returncode == 0, run.stderr
    built = [document for document in yaml.safe_load_all(run.stdout) if document]

    assert {document["metadata"]["namespace"] for document in built} == {"qingqian"}
    for document in built:
        if document["apiVersion"] not in CUSTOM:
            kubernetes_validate.validate(document, KUBERNETES[-1], strict=True)
    (settings,) = of_kind(built, "ConfigMap")
    assert settings["data"] == shared_settings()
    image = "qingqian:local" if overlay == "small" else "registry.example.org/qingqian:0.1.0"
    many = 1 if overlay == "small" else 3
    for name in SERVICES:
        found = one(built, "StatefulSet", name)["spec"]
        (only,) = found["template"]["spec"]["containers"]
        assert found["replicas"] == (many if name in WORKERS else 1)
        assert only["image"] == image
        assert only["envFrom"] == [{"configMapRef": {"name": settings["metadata"]["name"]}}]
    assert {topic["spec"]["replicas"] for topic in of_kind(built, "KafkaTopic")} == {many}
    pool, cluster = one(built, "KafkaNodePool", "nodes"), one(built, "Kafka", "qingqian")
    assert pool["spec"]["replicas"] == many
    assert cluster["spec"]["kafka"]["config"]["min.insync.replicas"] == (1 if many == 1 else 2)
    assert cluster["spec"]["kafka"]["config"]["auto.create.topics.enable"] is False
    assert len(of_kind(built, "PodMonitor")) == (overlay == "city")


# --- being watched --------------------------------------------------------------------------------


def test_every_pod_is_scraped_under_its_service_s_name() -> None:
    """`job` is the service's name in every alert and board."""
    (monitor,) = resources("monitoring")
    (endpoint,) = monitor["spec"]["podMetricsEndpoints"]
    (job,) = read(HOME / "monitoring/prometheus.yml")[0]["scrape_configs"]
    relabelled = {
        rule.get("target_label"): rule["source_labels"] for rule in job["relabel_configs"]
    }
    (discovery,) = job["kubernetes_sd_configs"]
    chosen = dict([discovery["selectors"][0]["label"].split("=")])

    assert (endpoint["path"], endpoint["port"]) == ("/metrics", "http")
    assert discovery["namespaces"]["names"] == [kustomization("overlays/city")["namespace"]]
    for name in SERVICES:
        assert selects(monitor["spec"]["selector"], labels(name))
        assert selects({"matchLabels": chosen}, labels(name))
        assert labels(name)[monitor["spec"]["jobLabel"]] == name
        assert container(name)["ports"][0]["name"] == endpoint["port"]
    label = re.sub(r"[^a-zA-Z0-9]", "_", monitor["spec"]["jobLabel"])
    assert relabelled["job"] == [f"__meta_kubernetes_pod_label_{label}"]


def test_promtool_takes_the_scrape_job(tmp_path: Path) -> None:
    """But for the discovery: Debian's build knows none of Kubernetes."""
    promtool = shutil.which("promtool")
    if promtool is None:
        pytest.skip("promtool is not on this machine (Debian package `prometheus`)")
    (document,) = read(HOME / "monitoring/prometheus.yml")
    del document["scrape_configs"][0]["kubernetes_sd_configs"]
    file = tmp_path / "prometheus.yml"
    file.write_text(yaml.safe_dump(document), "utf-8")
    command = [promtool, "check", "config", "--syntax-only", str(file)]
    run = subprocess.run(command, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stdout + run.stderr


# --- the README -----------------------------------------------------------------------------------


def shown(path: Path) -> list[str]:
    """The commands of the section on Kubernetes."""
    section = (ROOT / path).read_text("utf-8").split("\n## Kubernetes\n", 1)[1].split("\n## ", 1)[0]
    return section.split("```sh\n", 1)[1].split("```", 1)[0].splitlines()


@pytest.mark.parametrize("path", readme.READMES, ids=lambda path: path.name)
def test_the_readme_makes_the_secrets_that_are_asked_for(path: Path) -> None:
    made = {}
    for line in shown(path):
        if found := re.search(r"create secret generic (\S+) (.*?)(?: #|$)", line):
            made[found[1]] = set(
                re.findall(r"--from-literal=(\w+)=|--from-file=\S*?/([\w.-]+)", found[2])
            )
    asked = secrets_asked_for()

    assert made.keys() == asked.keys() - {"qingqian-channels"} - BY_STRIMZI
    for secret, files in made.items():
        assert asked[secret] <= {literal or file for literal, file in files}, secret
    (applied,) = [line.split()[3] for line in shown(path) if line.startswith("kubectl apply -k")]
    assert (ROOT / applied / "kustomization.yaml").is_file()
    assert applied == "infra/kubernetes/overlays/city"


def test_the_alert_rules_are_handed_over_as_shown() -> None:
    (line,) = [line for line in shown(readme.READMES[0]) if "PrometheusRule" in line]
    made, _, _ = line.partition(" | kubectl")
    run = subprocess.run(["sh", "-c", made], cwd=ROOT, capture_output=True, text=True, check=True)
    (rule,) = yaml.safe_load_all(run.stdout)

    assert (rule["apiVersion"], rule["kind"]) == ("monitoring.coreos.com/v1", "PrometheusRule")
    alerts = yaml.safe_load((ROOT / "infra/prometheus/alerts.yml").read_text("utf-8"))
    assert rule["spec"] == alerts


def test_the_keys_made_as_shown_are_those_that_the_services_take(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if shutil.which("openssl") is None:
        pytest.skip("openssl is not on this machine")
    (line,) = [line for line in shown(readme.READMES[0]) if "openssl" in line]
    for name in names():
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv(f"{PREFIX}DATA_DIR", str(tmp_path))

    def make_others() -> int:
        given = {"d": str(tmp_path), "PATH": "/usr/bin:/bin"}
        return subprocess.run(
            ["sh", "-c", line], env=given, capture_output=True, check=False
        ).returncode

    assert (make_keys(), make_others()) == (0, 0)

    settings = Settings()
    assert len(keys.load(settings.keys_path)) > 20
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    assert len(master_key(settings.master_key_path)) == 32
    public = load_pem_public_key(settings.checkpoint_public_path.read_bytes())
    assert signing_key(settings).public_key() == public
    # Nothing was made anew or beside it: the folder of a Secret can only be read.
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before
    assert {path.stat().st_mode & 0o077 for path in tmp_path.iterdir()} == {0}
    # Nor does whoever repeats the commands lose the keys that stand.
    assert (make_keys(), make_others() != 0) == (0, True)
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before
