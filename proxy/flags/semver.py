"""Semantic versions (semver.org 2.0.0): precedence, not text, decides."""

from __future__ import annotations

import re
from typing import NamedTuple

_NUMBER = r"(0|[1-9][0-9]*)"
_IDENTIFIER = r"(?:0|[1-9][0-9]*|[0-9]*[a-zA-Z-][0-9a-zA-Z-]*)"
_VERSION = re.compile(
    rf"{_NUMBER}\.{_NUMBER}\.{_NUMBER}(?:-({_IDENTIFIER}(?:\.{_IDENTIFIER})*))?(?:\+[0-9a-zA-Z-]+(?:\.[0-9a-zA-Z-]+)*)?"
)
_PARTIAL = re.compile(r"[vV]?([^-+]*)(.*)", re.DOTALL)
_MAX_LENGTH = 256

Identifier = tuple[int, int, str]
"""A prerelease identifier as it sorts: numbers before words (semver §11.4)."""


class Semver(NamedTuple):
    """A version as it sorts: a release stands after its prereleases; build metadata does not count."""

    major: int
    minor: int
    patch: int
    is_release: bool
    prerelease: tuple[Identifier, ...]

    @classmethod
    def parse(cls, written: str) -> Semver:
        """A version from `1.2.3-rc.1+build`, with or without `v`; missing parts are 0. ValueError otherwise."""
        if len(written) > _MAX_LENGTH:
            raise ValueError(f"a version of {len(written)} characters")
        partial = _PARTIAL.fullmatch(written)
        core, rest = (partial[1], partial[2]) if partial else (written, "")
        found = _VERSION.fullmatch(core + ".0" * (2 - core.count(".")) + rest)
        if found is None:
            raise ValueError(f"{written!r} is not a version such as 1.2.3")
        major, minor, patch, prerelease = found.groups()
        identifiers = tuple(map(_identifier, prerelease.split("."))) if prerelease else ()
        return cls(int(major), int(minor), int(patch), not prerelease, identifiers)


def _identifier(written: str) -> Identifier:
    return (0, int(written), "") if written.isdigit() else (1, 0, written)


def compares(left: Semver, operator: str, right: Semver) -> bool | None:
    """Whether `left operator right` holds; `^` same major, `~` same major and minor; None if unknown."""
    match operator:
        case "=":
            return left == right
        case "!=":
            return left != right
        case "<":
            return left < right
        case "<=":
            return left <= right
        case ">":
            return left > right
        case ">=":
            return left >= right
        case "^":
            return left.major == right.major
        case "~":
            return left[:2] == right[:2]
    return None
