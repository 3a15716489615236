"""The Kubernetes manifests: rendered, valid in every release that is supported, and safe by default."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path
from typing import Any

import jsonschema
import kubernetes_validate
import pytest
import yaml

from deploy.kustomize import Object, containers, pod, render
from proxy import config
from proxy.config import Source
from proxy.config.environment import variables

KUBERNETES = Path(__file__).parents[2] / "deploy" / "kubernetes"
OVERLAYS = ("overlays/gateway", "overlays/sidecar", "example")
NEWEST = kubernetes_validate.latest_version().rpartition(".")[0]
OLDEST = f"1.{int(NEWEST.partition('.')[2]) - 3}"
"""Native sidecars, the sleep hook and matchLabelKeys are all there three releases ago."""

MONITORING = {
    "ServiceMonitor": {
        "required": ["selector", "endpoints"],
        "properties": {
            "selector": {"required": ["matchLabels"]},
            "endpoints": {"items": {"required": ["port", "interval"]}, "minItems": 1},
        },
    },
    "PrometheusRule": {
        "required": ["groups"],
        "properties": {
            "groups": {
                "items": {
                    "required": ["name", "rules"],
                    "properties": {"rules": {"items": {"required": ["alert", "expr", "labels", "annotations"]}}},
                }
            }
        },
    },
}
"""The Prometheus Operator's own objects, as far as they are used here."""

everywhere = pytest.mark.parametrize("overlay", OVERLAYS)


def rendered(overlay: str) -> list[Object]:
    return render(KUBERNETES / overlay)


def one(overlay: str, kind: str, name: str) -> Object:
    (found,) = [each for each in rendered(overlay) if (each["kind"], each["metadata"]["name"]) == (kind, name)]
    return found


def shunts(overlay: str) -> list[tuple[Object, Object]]:
    """Every container that runs the proxy, with the spec of its pod."""
    return [
        (pod(each), container)
        for each in rendered(overlay)
        for container in containers(each)
        if container["name"] == "shunt"
    ]


@everywhere
def test_kustomize_renders_the_same_as_the_tests_do(overlay: str) -> None:
    tool = shutil.which("kustomize") or shutil.which("kubectl")
    if tool is None:
        pytest.skip("neither kustomize nor kubectl is installed")
    verb = "build" if Path(tool).name == "kustomize" else "kustomize"
    ran = subprocess.run(
        [tool, verb, str(KUBERNETES / overlay)], capture_output=True, text=True, check=True, timeout=60
    )
    theirs = {(each["kind"], each["metadata"]["name"]): each for each in yaml.safe_load_all(ran.stdout)}
    ours = {(each["kind"], each["metadata"]["name"]): each for each in rendered(overlay)}
    assert ours == theirs


@everywhere
@pytest.mark.parametrize("release", [NEWEST, OLDEST])
def test_every_object_is_valid_in_the_newest_and_the_three_releases_old_kubernetes(overlay: str, release: str) -> None:
    for each in rendered(overlay):
        if each["kind"] in MONITORING:
            jsonschema.validate(each["spec"], MONITORING[each["kind"]])
        else:
            kubernetes_validate.validate(each, release, strict=True)


@everywhere
def test_names_are_unique_and_everything_is_in_one_namespace(overlay: str) -> None:
    objects = rendered(overlay)
    names = [(each["kind"], each["metadata"]["name"]) for each in objects]
    assert len(names) == len(set(names))
    assert len({each["metadata"].get("namespace") for each in objects if each["kind"] != "Namespace"}) == 1


@everywhere
def test_every_pod_satisfies_the_restricted_profile_with_a_read_only_root(overlay: str) -> None:
    for each in rendered(overlay):
        spec = pod(each)
        if not spec:
            continue
        assert spec["securityContext"]["runAsNonRoot"] is True
        assert spec["securityContext"]["runAsUser"] > 0
        assert spec["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
        assert not {"hostNetwork", "hostPID", "hostIPC"} & spec.keys()
        assert all({"configMap", "secret", "emptyDir", "projected"} & volume.keys() for volume in spec["volumes"])
        for container in containers(each):
            security = container["securityContext"]
            assert security["allowPrivilegeEscalation"] is False
            assert security["readOnlyRootFilesystem"] is True
            assert security["capabilities"] == {"drop": ["ALL"]}
            assert "memory" in container["resources"]["limits"]
            assert {"cpu", "memory"} <= container["resources"]["requests"].keys()
            assert all("subPath" not in mount for mount in container["volumeMounts"])


@everywhere
def test_no_secret_is_ever_in_the_repository(overlay: str) -> None:
    for each in rendered(overlay):
        if each["kind"] == "Secret":
            assert not {"data", "stringData"} & each.keys()


@everywhere
def test_every_namespace_enforces_the_restricted_profile(overlay: str) -> None:
    (namespace,) = [each for each in rendered(overlay) if each["kind"] == "Namespace"]
    assert namespace["metadata"]["labels"]["pod-security.kubernetes.io/enforce"] == "restricted"


@everywhere
def test_the_role_lets_shunt_touch_its_own_few_objects_and_nothing_else(overlay: str) -> None:
    role = one(overlay, "Role", "shunt")
    assert not [each for each in rendered(overlay) if each["kind"].startswith("ClusterRole")]
    for rule in role["rules"]:
        assert "*" not in (*rule["apiGroups"], *rule["resources"], *rule["verbs"])
        assert "secrets" not in rule["resources"]
        assert "delete" not in rule["verbs"]
        if {"update", "patch"} & set(rule["verbs"]):
            assert rule["resourceNames"]
        if "create" in rule["verbs"]:
            assert rule["resources"] == ["events"]
    shipped = {(each["kind"], each["metadata"]["name"]) for each in rendered(overlay)}
    for rule in role["rules"]:
        kind = {"configmaps": "ConfigMap", "leases": "Lease"}.get(rule["resources"][0])
        assert all((kind, name) in shipped for name in rule.get("resourceNames", ()))


@everywhere
def test_a_pod_leaves_only_when_nobody_sends_it_anything_and_all_is_answered(overlay: str) -> None:
    for spec, container in shunts(overlay):
        environment = {each["name"]: each["value"] for each in container["env"]}
        sleep = container["lifecycle"]["preStop"]["sleep"]["seconds"]
        grace = int(environment.get("SHUNT_DRAIN_GRACE", "0s").removesuffix("s"))
        bound = int(environment["SHUNT_DRAIN_BOUND"].removesuffix("s"))
        assert spec["terminationGracePeriodSeconds"] > sleep + grace + bound


@everywhere
def test_the_proxy_is_probed_at_start_while_it_lives_and_before_it_gets_traffic(overlay: str) -> None:
    assert shunts(overlay)
    for _, container in shunts(overlay):
        paths = {
            probe: container[probe]["httpGet"]["path"] for probe in ("startupProbe", "readinessProbe", "livenessProbe")
        }
        assert paths == {"startupProbe": "/readyz", "readinessProbe": "/readyz", "livenessProbe": "/livez"}


@everywhere
def test_settings_in_the_environment_exist(overlay: str) -> None:
    for _, container in shunts(overlay):
        assert {each["name"] for each in container["env"]} <= variables().keys()


@everywhere
def test_the_configmaps_that_are_followed_are_shipped_and_may_be_read(overlay: str) -> None:
    readable = {
        name
        for rule in one(overlay, "Role", "shunt")["rules"]
        if "configmaps" in rule["resources"] and {"get", "list", "watch"} <= set(rule["verbs"])
        for name in rule["resourceNames"]
    }
    for spec, container in shunts(overlay):
        followed = {each["value"] for each in container["env"] if each["name"].startswith("SHUNT_KUBERNETES_")}
        assert followed == {"shunt-rules", "feature-flags"}
        assert followed <= readable
        assert spec["automountServiceAccountToken"] is True


@everywhere
def test_the_rules_and_flags_that_are_shipped_are_good(overlay: str) -> None:
    rules = one(overlay, "ConfigMap", "shunt-rules")["data"]["rules.yaml"]
    assert config.rules([Source("rules.yaml", rules.encode())]).services
    assert one(overlay, "ConfigMap", "feature-flags")["data"] == {"NEW_FEATURE_ENABLED": "true"}


@everywhere
def test_no_deployment_takes_a_pod_away_before_another_is_ready(overlay: str) -> None:
    deployments = [each for each in rendered(overlay) if each["kind"] == "Deployment"]
    for each in deployments:
        assert each["spec"]["strategy"]["rollingUpdate"]["maxUnavailable"] == 0


@everywhere
def test_selectors_find_the_pods_they_are_meant_for(overlay: str) -> None:
    objects = rendered(overlay)
    labels = [each["spec"]["template"]["metadata"]["labels"] for each in objects if each["kind"] == "Deployment"]
    selectors: list[dict[str, Any]] = [
        *(each["spec"]["selector"] for each in objects if each["kind"] == "Service"),
        *(
            each["spec"]["selector"]["matchLabels"]
            for each in objects
            if each["kind"] in ("Deployment", "PodDisruptionBudget")
        ),
        *(each["spec"]["podSelector"]["matchLabels"] for each in objects if each["kind"] == "NetworkPolicy"),
    ]
    for selector in selectors:
        assert any(selector.items() <= found.items() for found in labels), selector


def test_the_sidecar_is_a_native_one_and_the_application_is_only_reached_through_it() -> None:
    spec = pod(one("overlays/sidecar", "Deployment", "app"))
    (sidecar,) = spec["initContainers"]
    assert sidecar["restartPolicy"] == "Always"
    (application,) = spec["containers"]
    assert {"name": "APP_HOST", "value": "127.0.0.1"} in application["env"]
    assert one("overlays/sidecar", "Service", "app")["spec"]["ports"][0]["targetPort"] == "proxy"


def test_the_gateway_is_spread_kept_and_scaled() -> None:
    spec = pod(one("overlays/gateway", "Deployment", "shunt"))
    assert {each["topologyKey"] for each in spec["topologySpreadConstraints"]} == {
        "topology.kubernetes.io/zone",
        "kubernetes.io/hostname",
    }
    assert one("overlays/gateway", "HorizontalPodAutoscaler", "shunt")["spec"]["minReplicas"] >= 2
    assert one("overlays/gateway", "PodDisruptionBudget", "shunt")["spec"]["maxUnavailable"] == 1
    assert "replicas" not in one("overlays/gateway", "Deployment", "shunt")["spec"]
    assert one("overlays/gateway", "Service", "shunt-replicas")["spec"]["clusterIP"] == "None"


def test_the_admin_api_is_only_open_to_replicas_and_to_pods_with_the_label() -> None:
    policy = one("overlays/gateway", "NetworkPolicy", "shunt")["spec"]
    assert set(policy["policyTypes"]) == {"Ingress", "Egress"}
    (admin,) = [rule for rule in policy["ingress"] if rule["ports"][0]["port"] == "admin"]
    assert all("podSelector" in each for each in admin["from"])


def test_the_example_has_every_version_that_its_rules_name() -> None:
    rules = config.rules([Source("r", one("example", "ConfigMap", "shunt-rules")["data"]["rules.yaml"].encode())])
    services = {each["metadata"]["name"] for each in rendered("example") if each["kind"] == "Service"}
    targets = {
        target
        for service in rules.services.values()
        for version in service.versions.values()
        for target in version.targets
    }
    assert {target.removeprefix("http://") for target in targets} <= services
    assert {"app-stable", "app-canary", "app-blue", "app-green", "app-shadow"} <= services


@pytest.mark.parametrize("release", [NEWEST, OLDEST])
def test_the_objects_of_shared_state_are_valid_and_the_only_ones_that_may_be_written(release: str) -> None:
    objects = render(KUBERNETES / "shared-state")
    for each in objects:
        kubernetes_validate.validate(each, release, strict=True)
    (role,) = [each for each in objects if each["kind"] == "Role"]
    shipped = {each["metadata"]["name"] for each in objects if each["kind"] in ("ConfigMap", "Lease")}
    written = {name for rule in role["rules"] if "update" in rule["verbs"] for name in rule["resourceNames"]}
    assert written == shipped
