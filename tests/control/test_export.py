"""What is exported reads as a person would have written it."""

from __future__ import annotations

from control.fake_planes import rules
from proxy.conditions import Text, When
from proxy.control.export import as_written, as_yaml
from proxy.rules import Eject, Rules, Service, Timeouts, Version
from proxy.strategies.flags import Flag
from proxy.strategies.rolling import Rolling


def test_defaults_are_left_out_and_keys_keep_the_order_of_the_reference() -> None:
    text = as_yaml(rules())
    assert text.startswith("services:\n  shop:\n    hosts:\n    - shop.example\n    versions:\n      blue:\n")
    assert "    routes:\n    - name: api\n      canary:\n        stable: blue\n" in text
    assert "failover" not in text


def test_names_that_python_reserves_are_written_as_in_the_file() -> None:
    when = When(header={"x-beta": Text(exact="true")}, not_=When(method=("GET",)), percent=2.5)
    blog = Service(
        name="blog",
        hosts=("*",),
        versions={"v1": Version(targets=("http://a:1",))},
        rolling=Rolling(version="v1"),
        flags=(Flag(name="beta", when=when, version="v1"),),
        timeouts=Timeouts(connect=0.25, response=5.0),
        eject=Eject(for_=20.0),
    )
    assert as_written(Rules(services={"blog": blog}))["services"] == {
        "blog": {
            "hosts": ["*"],
            "versions": {"v1": {"targets": ["http://a:1"]}},
            "rolling": {"version": "v1"},
            "flags": [
                {
                    "name": "beta",
                    "when": {"header": {"x-beta": {"exact": "true"}}, "percent": 2.5, "not": {"method": ["GET"]}},
                    "version": "v1",
                }
            ],
            "timeouts": {"connect": 0.25, "response": 5},
            "eject": {"for": 20},
        }
    }
