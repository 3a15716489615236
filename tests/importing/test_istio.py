"""VirtualServices: what Istio would have done with a request, Shunt does too, or it is said."""

from __future__ import annotations

from importing.bringing import bring, only, remarks, verdict
from proxy.importing.gathering import Imported

HEAD = """
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: shop, namespace: prod}
spec:
  hosts: [shop.example.com]
  gateways: [public]
  http:
"""
V1 = "[{destination: {host: shop, subset: v1, port: {number: 8080}}}]"
V2 = "[{destination: {host: shop, subset: v2, port: {number: 8080}}}]"


def virtual(*rules: str, beside: str = "") -> Imported:
    text = HEAD + "".join(f"  - {rule}\n" for rule in rules)
    return bring(text, beside) if beside else bring(text)


def test_namespaces_and_ports_are_part_of_a_target() -> None:
    service = only(virtual(f"{{route: {V1}}}"))
    assert service.versions["v1"].targets == ("http://shop-v1.prod:8080",)


def test_header_rules_before_all_others_become_flags_in_their_order() -> None:
    service = only(
        virtual(
            f'{{match: [{{headers: {{x-beta: {{exact: "true"}}}}}}], route: {V2}, name: beta}}',
            f"{{match: [{{headers: {{x-office: {{}}}}}}], route: {V1}}}",
            f"{{match: [{{uri: {{prefix: /api}}}}], route: {V2}}}",
            f"{{route: {V1}}}",
        )
    )
    assert service.flags is not None
    assert [(flag.name, flag.version) for flag in service.flags] == [("beta", "v2"), ("rule-1", "v1")]
    assert service.flags[1].when.header["x-office"].present is True
    assert [route.match.path.prefix for route in service.routes if route.match.path] == ["/api"]
    assert service.rolling is not None


def test_a_rule_that_cannot_be_said_whole_is_left_out_rather_than_widened() -> None:
    found = virtual(
        f"{{match: [{{sourceLabels: {{app: web}}, uri: {{prefix: /a}}}}], route: {V2}}}", f"{{route: {V1}}}"
    )
    assert only(found).routes == ()
    assert verdict(found, "spec.http[0].match[0].uri.prefix") == "dropped"


def test_what_a_rule_above_takes_is_never_reached() -> None:
    found = virtual(f"{{route: {V1}}}", f"{{match: [{{uri: {{prefix: /a}}}}], route: {V2}}}")
    assert only(found).routes == ()
    assert verdict(found, "spec.http[1]") == "dropped"


def test_a_different_order_of_asking_is_remarked() -> None:
    found = virtual(
        f"{{match: [{{uri: {{prefix: /a}}}}], route: {V1}}}", f"{{match: [{{uri: {{exact: /a/b}}}}], route: {V2}}}"
    )
    assert "rule-1 now comes before rule-0" in remarks(found)


def test_retries_count_all_tries_and_a_timeout_is_the_whole_exchange() -> None:
    service = only(
        virtual(
            f"{{route: {V1}, timeout: 10s, "
            "retries: {attempts: 2, perTryTimeout: 2s, retryOn: 'gateway-error,connect-failure'}}"
        )
    )
    assert service.timeouts is not None
    assert service.timeouts.request == 10.0
    assert service.retries is not None
    assert (service.retries.attempts, service.retries.per_try) == (3, 2.0)
    assert service.retries.on == ("502", "503", "504", "connect")


def test_three_destinations_share_by_their_weights() -> None:
    destinations = ", ".join(
        f"{{destination: {{host: shop, subset: v{n}}}, weight: {w}}}" for n, w in ((1, 80), (2, 15), (3, 5))
    )
    service = only(virtual(f"{{route: [{destinations}]}}"))
    assert service.canary is not None
    assert service.canary.weights == {"v1": 80.0, "v2": 15.0, "v3": 5.0}


def test_half_a_mirror_is_half_a_shadow() -> None:
    found = virtual(f"{{route: {V1}, mirror: {{host: shop, subset: v2}}, mirrorPercentage: {{value: 50}}}}")
    (shadow,) = only(found).shadow or ()
    assert (shadow.version, shadow.percent) == ("v2", 50.0)
    assert verdict(found, "spec.http[0].mirrorPercentage.value") == "taken over"


def test_routes_do_not_inherit_the_mirror_of_the_rule_for_all_others() -> None:
    service = only(
        virtual(
            f"{{match: [{{uri: {{prefix: /api}}}}], route: {V1}}}",
            f"{{route: {V1}, mirror: {{host: shop, subset: v2}}}}",
        )
    )
    assert service.shadow is None
    assert [route.name for route in service.routes] == ["rule-0", "everything-else"]
    assert service.routes[0].shadow is None


def test_a_destination_rule_says_who_the_subsets_are_and_how_to_ask_them() -> None:
    rule = """
    apiVersion: networking.istio.io/v1
    kind: DestinationRule
    metadata: {name: shop, namespace: prod}
    spec:
      host: shop
      trafficPolicy:
        loadBalancer: {consistentHash: {httpHeaderName: x-user}}
        outlierDetection: {consecutive5xxErrors: 7, baseEjectionTime: 30s}
        tls: {mode: ISTIO_MUTUAL}
      subsets:
      - {name: v1, labels: {version: v1}}
    """
    found = virtual(f"{{route: {V1}}}", beside=rule)
    service = only(found)
    assert service.balance == "hash"
    assert service.identity == ("header:x-user",)
    assert (service.eject.after, service.eject.for_) == (7, 30.0)
    assert verdict(found, "spec.trafficPolicy.tls.mode") == "no counterpart"
    assert "no DestinationRule here" not in remarks(found)


def test_a_given_target_replaces_the_guessed_one() -> None:
    found = bring(HEAD + f"  - {{route: {V1}}}\n", targets={"shop/v1": "http://10.0.0.7:80"})
    assert only(found).versions["v1"].targets == ("http://10.0.0.7:80",)


def test_methods_parameters_and_exceptions_come_along() -> None:
    service = only(
        virtual(
            "{match: [{uri: {regex: '/v[12]/.*'}, method: {regex: 'GET|POST'}, queryParams: {debug: {exact: '1'}}, "
            f"withoutHeaders: {{x-no: {{}}}}}}], route: {V2}}}",
            f"{{route: {V1}}}",
        )
    )
    match = service.routes[0].match
    assert match.path is not None
    assert match.path.regex == "/v[12]/.*"
    assert match.method == ("GET", "POST")
    assert match.query["debug"].exact == "1"
    assert match.not_ is not None
    assert match.not_.header["x-no"].present is True


def test_faults_and_cors_have_no_counterpart() -> None:
    found = virtual(f"{{route: {V1}, fault: {{delay: {{fixedDelay: 7s}}}}, corsPolicy: {{allowMethods: [GET]}}}}")
    assert verdict(found, "spec.http[0].fault.delay.fixedDelay") == "no counterpart"
    assert verdict(found, "spec.gateways[0]") == "no counterpart"


def test_a_redirect_and_a_rewrite_stay_what_they_are() -> None:
    service = only(
        virtual(
            "{match: [{uri: {prefix: /old}}], redirect: {uri: /new, redirectCode: 308}}",
            f"{{match: [{{uri: {{prefix: /api}}}}], rewrite: {{uri: /v2}}, route: {V2}}}",
            f"{{route: {V1}}}",
        )
    )
    redirect, rewrite = service.routes[0].redirect, service.routes[1].rewrite
    assert redirect is not None
    assert (redirect.path, redirect.status) == ("/new", 308)
    assert rewrite is not None
    assert rewrite.prefix == "/v2"
