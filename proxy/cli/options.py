"""What most verbs share: where the admin API is, how to answer, how long to wait."""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import wraps
from typing import Literal, ParamSpec, TypeVar, get_args

import click

from proxy import units
from proxy.cli.client import DEFAULT_ADMIN, Client

P = ParamSpec("P")
R = TypeVar("R")

Output = Literal["table", "json", "yaml"]


class Duration(click.ParamType[float]):
    """Seconds, written as in the rules: 250ms, 5s, 1m30s or a bare number."""

    name = "duration"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> float:
        if isinstance(value, str) and value.replace(".", "", 1).isdigit():
            return float(value)
        try:
            return units.seconds(value)
        except ValueError as error:
            self.fail(str(error), param, ctx)


DURATION = Duration()
_ADMIN = re.compile(r"unix:.+|(?:http://)?(?:\[[^\]]+\]|[^:/\s]+):\d{1,5}/?")


def with_output(function: Callable[P, R]) -> Callable[P, R]:
    """`--output`, given as `output`."""
    choice = click.Choice(get_args(Output))
    return click.option("--output", "-o", type=choice, default="table", show_default=True, help="How to answer.")(
        function
    )


def with_client(function: Callable[..., R]) -> Callable[..., R]:
    """`--admin` and `--token`, given together as a Client, the first argument."""

    @click.option(
        "--admin",
        envvar="SHUNT_ADMIN",
        default=DEFAULT_ADMIN,
        show_default=True,
        show_envvar=True,
        help="The admin API: host:port or unix:/path.",
    )
    @click.option("--token", envvar="SHUNT_ADMIN_TOKEN", default="", show_envvar=True, help="Its bearer token.")
    @wraps(function)
    def called(**options: object) -> R:
        admin = str(options.pop("admin"))
        if not _ADMIN.fullmatch(admin):
            wrong = f"{admin!r} is not an address such as {DEFAULT_ADMIN} or unix:/run/shunt.sock"
            raise click.BadParameter(wrong, param_hint="--admin")
        client = Client(admin, str(options.pop("token")))
        return function(client, **options)

    return called


def with_why(function: Callable[P, R]) -> Callable[P, R]:
    """`--why`, given as `why`."""
    return click.option("--why", "-m", default="", help="The reason, for the ledger.")(function)


def with_expecting(function: Callable[P, R]) -> Callable[P, R]:
    """`--expecting`, given as `expecting`."""
    help_text = "Refuse unless this is the present revision."
    return click.option("--expecting", type=click.IntRange(min=0), help=help_text)(function)
