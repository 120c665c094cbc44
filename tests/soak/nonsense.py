"""What real servers were recorded to be sent, with nonsense in some places."""

from __future__ import annotations

import copy
import json
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from hypothesis import strategies as st

from tests.protocol.recorded import exchanges

__all__ = ["Recorded", "odd_texts", "odd_values", "spoilt"]

Json = Any

_TEXTS = [
    *("", " ", "\0", "x" * 300, "9" * 30, "-1", "1e999", "NaN", "null", "\u202e", "%00", "'\"`;--"),
    *("../../x", "0" * 32, "{}", "[[", "\U0001f980"),
]
_VALUES = [
    *(0, -1, 2**63, 10**30, 0.5, 1e308, True, False, None, "\ud83d"),
    *([], {}, [[]], [None], [""], {"": None}, ["x"] * 101),
]
odd_texts: st.SearchStrategy[str] = st.sampled_from(_TEXTS) | st.text(
    st.characters(codec="utf-8"), max_size=9
)
odd_values: st.SearchStrategy[Json] = st.recursive(
    odd_texts | st.sampled_from(_VALUES),
    lambda each: st.lists(each, max_size=3) | st.dictionaries(odd_texts, each, max_size=3),
    max_leaves=5,
)


@dataclass(frozen=True)
class Recorded:
    """The bodies and the queries that were sent to one route."""

    bodies: Sequence[Json]
    queries: Sequence[Json]

    @classmethod
    def of(cls, version: str, method: str, path: str) -> Recorded:
        """Those of a version (``0.27``); of a route that was never asked, those of all routes with this verb."""
        place = re.compile(re.sub(r"\\{\w+\\}", "[^/:]+", re.escape(path)))
        verb = [each for each in exchanges(f"v{version}") if each.method == method]
        here = [each for each in verb if place.fullmatch(each.path)] or verb
        return cls(_distinct(each.request_body for each in here), _distinct(each.query for each in here))


def _distinct(values: Iterable[Json]) -> list[Json]:
    """Each object once, and the empty one."""
    kept = {json.dumps(each): each for each in values if isinstance(each, dict) and "multipart" not in each}
    return list(({"{}": {}} | kept).values())


def spoilt(values: Sequence[Json], odd: st.SearchStrategy[Json]) -> st.SearchStrategy[Json]:
    """One of the objects, in which up to two of the things in it are ``odd``."""

    @st.composite
    def drawn(draw: st.DrawFn) -> Json:
        value = copy.deepcopy(values[draw(st.integers(0, len(values) - 1))])
        for _ in range(draw(st.integers(0, 2))):
            places = list(_places(value))
            if places:
                holder, key = places[draw(st.integers(0, len(places) - 1))]
                holder[key] = copy.deepcopy(draw(odd))
        return value

    return drawn()


def _places(value: Json) -> Iterator[tuple[Any, Any]]:
    """Where something is in a value: the object or list, and its key there."""
    if isinstance(value, dict | list):
        for key, each in value.items() if isinstance(value, dict) else enumerate(value):
            yield value, key
            yield from _places(each)
