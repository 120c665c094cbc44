"""Reading a listing to its end: what is asked for, and that every row comes once."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ragflow_integrations.models import DocumentFields, MemoryMessage, Page
from ragflow_integrations.protocol.bulk import PAGE
from ragflow_integrations.protocol.paging import Pages

Held = list[int]
Change = Callable[[Held], Held]


def rows(numbers: list[int]) -> list[DocumentFields]:
    return [DocumentFields(id=f"d{number}") for number in numbers]


def read(
    held: Held,
    *,
    counted: bool = True,
    keep: Callable[[int], bool] = lambda _: True,
    changes: list[Change] | None = None,
) -> tuple[list[str], list[int]]:
    """The ids that come and the pages that are asked for, of a server whose rows change after each page."""
    pages, ids, asked, pending = Pages(), list[str](), list[int](), list(changes or [])
    while pages.next is not None:
        asked.append(pages.next)
        start = (pages.next - 1) * PAGE
        shown = [number for number in held[start : start + PAGE] if keep(number)]
        ids += [row.id for row in pages.new(Page(rows(shown), len(held) if counted else None))]
        if pending:
            held = pending.pop(0)(held)
    return ids, asked


def named(numbers: list[int]) -> list[str]:
    return [f"d{number}" for number in numbers]


@pytest.mark.parametrize(
    ("size", "counted", "asked"),
    [
        (0, True, [1]),
        (0, False, [1]),
        (99, False, [1]),
        (100, True, [1]),
        (100, False, [1, 2]),
        (101, True, [1, 2]),
        (250, False, [1, 2, 3]),
    ],
)
def test_no_request_too_many(size: int, counted: bool, asked: list[int]) -> None:
    """One more than needed only where a full page is the last of a listing that has no total."""
    assert read(list(range(size)), counted=counted) == (named(list(range(size))), asked)


def test_short_pages_in_between() -> None:
    """Servers take rows out of a finished page, all of them perhaps: what the next pages have comes as well."""
    ids, asked = read(list(range(350)), keep=lambda number: number % 7 == 0 and not 100 <= number < 200)
    assert ids == named([n for n in range(350) if n % 7 == 0 and not 100 <= n < 200])
    assert asked == [1, 2, 3, 4]


@pytest.mark.parametrize("counted", [True, False])
def test_rows_come_in_before(counted: bool) -> None:
    """What moved to the next page comes once."""
    ids, _ = read(list(range(150)), counted=counted, changes=[lambda held: [-2, -1, *held]])
    assert ids == named(list(range(150)))


@pytest.mark.parametrize("gone", [1, 99, 100, 101, 199])
def test_rows_vanish_before(gone: int) -> None:
    """What moved to a page that was read comes all the same."""
    ids, _ = read(list(range(450)), changes=[lambda held: held, lambda held: held[gone:]])
    assert set(named(list(range(gone, 450)))) <= set(ids)
    assert len(set(ids)) == len(ids)


def test_deleting_while_reading() -> None:
    """Who deletes each page's rows before asking for the next gets all of them."""
    held, pages, seen = list(range(450)), Pages(), list[str]()
    while pages.next is not None:
        start = (pages.next - 1) * PAGE
        got = [row.id for row in pages.new(Page(rows(held[start : start + PAGE]), len(held)))]
        seen += got
        held = [number for number in held if f"d{number}" not in got]
    assert sorted(seen) == sorted(named(list(range(450))))


@pytest.mark.parametrize("total", [None, 100, 700])
def test_a_server_that_repeats_itself(total: int | None) -> None:
    """The same page again and again comes to an end, its rows once."""
    pages, got, asked = Pages(), list[str](), 0
    while pages.next is not None:
        got += [row.id for row in pages.new(Page(rows(list(range(PAGE))), total))]
        asked += 1
    assert got == named(list(range(PAGE)))
    assert asked == {None: 2, 100: 1, 700: 7}[total]


def test_rows_without_an_id() -> None:
    """They cannot be told apart, so each comes; messages of a memory are told by their own number."""
    assert len(Pages().new(Page([*rows([1]), DocumentFields(), DocumentFields()]))) == 3
    pages = Pages()
    assert len(pages.new(Page([MemoryMessage(message_id=0), MemoryMessage(message_id=1)] * 50))) == 2


@given(st.integers(0, 420), st.lists(st.tuples(st.integers(0, 450), st.integers(0, 3)), max_size=6))
def test_others_change_the_listing(size: int, changes: list[tuple[int, int]]) -> None:
    """Whatever vanishes and comes in: an end, nothing twice, and what was there all the time is not missing."""
    fresh = iter(range(1000, 2000))

    def changed(at: int, added: int) -> Change:
        return lambda held: [*[next(fresh) for _ in range(added)], *held[:at], *held[at + 5 :]]

    stayed = list(range(size))
    for at, added in changes:
        if added:
            continue
        stayed = stayed[:at] + stayed[at + 5 :]
    ids, asked = read(list(range(size)), changes=[changed(at, 0) for at, added in changes if not added])
    assert len(ids) == len(set(ids))
    assert set(named(stayed)) <= set(ids)
    ids, asked = read(list(range(size)), changes=[changed(*each) for each in changes])
    assert len(ids) == len(set(ids))
    assert len(asked) < 40
