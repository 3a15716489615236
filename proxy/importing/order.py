"""Order: the sources ask their rules from the top, Shunt the most specific first; where that differs it is said."""

from __future__ import annotations

from proxy.importing.draft import Draft
from proxy.importing.manifest import Json


def warn_of_order(draft: Draft) -> None:
    """Remark each route that Shunt asks before one that the source asked first."""
    ranks = [_rank(route.get("match")) for route in draft.routes]
    for later in range(len(ranks)):
        passed = [draft.routes[earlier]["name"] for earlier in range(later) if ranks[later] < ranks[earlier]]
        if passed:
            draft.origin.remark(
                f"Shunt asks the most specific route first: {draft.routes[later]['name']} now comes before "
                f"{', '.join(map(str, passed))}; that matters for requests that match both"
            )


def _rank(match: Json) -> tuple[int, int, bool, int, int]:
    """The order of Gateway API: exact path, longest prefix, expression, no path; method, headers, parameters."""
    if not isinstance(match, dict):
        return 3, 0, True, 0, 0
    alternatives = match.get("any")
    if isinstance(alternatives, list) and alternatives:
        return min(_rank(each) for each in alternatives)
    path, header, query = match.get("path"), match.get("header"), match.get("query")
    place, length = 3, 0
    if isinstance(path, dict):
        prefix = path.get("prefix")
        place = 0 if "exact" in path else 1 if "prefix" in path else 2
        length = -len(prefix) if isinstance(prefix, str) else 0
    return (
        place,
        length,
        "method" not in match,
        -len(header) if isinstance(header, dict) else 0,
        -len(query) if isinstance(query, dict) else 0,
    )
