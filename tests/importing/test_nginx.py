"""ingress-nginx: header before cookie before weight, on the paths of the main Ingress."""

from __future__ import annotations

from importing.bringing import bring, only, remarks
from proxy.importing.gathering import Imported

MAIN = """
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata:
  name: shop
  annotations: {nginx.ingress.kubernetes.io/proxy-read-timeout: "120", nginx.ingress.kubernetes.io/enable-cors: "true"}
spec:
  rules:
  - host: shop.example.com
    http:
      paths:
      - {path: /, pathType: Prefix, backend: {service: {name: shop, port: {number: 8080}}}}
"""
CANARY = """
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata:
  name: shop-canary
  annotations: {nginx.ingress.kubernetes.io/canary: "true", ANNOTATIONS}
spec:
  rules:
  - host: shop.example.com
    http:
      paths:
      - {path: /, pathType: Prefix, backend: {service: {name: shop-next, port: {number: 8080}}}}
"""


def ingress(**annotations: str) -> Imported:
    written = ", ".join(
        f"nginx.ingress.kubernetes.io/{key.replace('_', '-')}: '{value}'" for key, value in annotations.items()
    )
    return bring(MAIN, CANARY.replace("ANNOTATIONS", written))


def test_a_weight_out_of_a_total_is_a_percentage() -> None:
    service = only(ingress(canary_weight="25", canary_weight_total="200"))
    assert service.canary is not None
    assert (service.canary.stable, service.canary.candidate, service.canary.weight) == ("shop", "shop-next", 12.5)


def test_always_and_never_are_flags_and_the_header_comes_first() -> None:
    flags = only(ingress(canary_by_cookie="canary", canary_by_header="x-canary", canary_weight="5")).flags or ()
    assert [(flag.name, flag.version) for flag in flags] == [
        ("canary-by-header", "shop-next"),
        ("canary-by-header-never", "shop"),
        ("canary-by-cookie", "shop-next"),
        ("canary-by-cookie-never", "shop"),
    ]


def test_a_header_value_replaces_always_and_never() -> None:
    (flag,) = only(ingress(canary_by_header="x-region", canary_by_header_value="eu")).flags or ()
    assert flag.when.header["x-region"].exact == "eu"


def test_a_pattern_is_searched_in_the_value_as_nginx_does() -> None:
    (flag,) = only(ingress(canary_by_header="x-region", canary_by_header_pattern="eu|us")).flags or ()
    assert flag.when.header["x-region"].regex == ".*(?:eu|us).*"


def test_timeouts_come_along_and_the_rest_is_named() -> None:
    found = ingress(canary_weight="5")
    service = only(found)
    assert service.timeouts is not None
    assert service.timeouts.response == 120.0
    cors = [note for note in found.notes if note.path.endswith('enable-cors"')]
    assert [note.verdict for note in cors] == ["dropped"]


def test_a_canary_without_its_main_ingress_is_sent_back() -> None:
    found = bring(CANARY.replace("ANNOTATIONS", 'nginx.ingress.kubernetes.io/canary-weight: "5"'))
    assert "import both together" in remarks(found)


def test_a_port_with_a_name_is_looked_up_in_its_service() -> None:
    named = MAIN.replace("port: {number: 8080}", "port: {name: web}")
    service = """
    apiVersion: v1
    kind: Service
    metadata: {name: shop}
    spec: {selector: {app: shop}, ports: [{name: web, port: 3000}]}
    """
    assert only(bring(named, service)).versions["shop"].targets == ("http://shop:3000",)
