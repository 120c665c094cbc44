"""Which components may run now, and which have to wait for others that run now or after these."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from .loops import Container

if TYPE_CHECKING:
    from .canvas import Canvas

__all__ = ["is_early"]


def is_early(canvas: Canvas, identifier: str, wave: Sequence[str], done: Sequence[str]) -> bool:
    """Whether a component has to wait for what the others of a wave will lead to, or for the end of a round."""
    others = [each for each in wave if each != identifier]
    parent = canvas.parent_of(identifier)
    if isinstance(parent, Container) and identifier == parent.start.id:
        return any(parent in canvas.parents_of(each) for each in others)
    needed = {name.partition("@")[0] for name in canvas.component(identifier).needs()}
    missing = needed - _made(canvas, identifier, done) - {identifier}
    return bool(missing) and _lead_to(missing, canvas, others, besides=identifier)


def _made(canvas: Canvas, identifier: str, done: Sequence[str]) -> set[str]:
    """What has run, in this round if it is in the same one, and has come to its end if it goes in rounds."""
    inside: set[str] = set()
    parent = canvas.parent_of(identifier)
    if isinstance(parent, Container) and parent.start.id in done:
        inside = {each.id for each in canvas.inside_of(parent.id)}
        begun = len(done) - 1 - list(reversed(done)).index(parent.start.id)
        recent = set(done[begun:])
    else:
        recent = set(done)
    made = recent | (set(done) - inside)
    around = {each.id for each in canvas.parents_of(identifier)}
    return {each for each in made if each in around or not _is_running(canvas, each)}


def _is_running(canvas: Canvas, identifier: str) -> bool:
    component = canvas.component(identifier)
    return isinstance(component, Container) and component.next is not None and not component.over


def _lead_to(wanted: set[str], canvas: Canvas, start: Sequence[str], *, besides: str) -> bool:
    """Whether a way leads to one of these, and not through ``besides``."""
    if not wanted.isdisjoint(start):
        return True  # most often: what is needed runs beside it
    reached = {besides}
    ahead = list(start)
    while ahead:
        identifier = ahead.pop()
        if identifier in wanted:
            return True
        if identifier not in reached and identifier in canvas.components:
            reached.add(identifier)
            ahead += canvas.components[identifier].node.get("downstream") or ()
            ahead += [each.id for each in canvas.parents_of(identifier)]
    return False
