"""References to variables in texts: ``{component@output}``, ``{sys.query}``, ``{env.name}``."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from typing import Any

from .limits import joined

__all__ = ["as_text", "braced", "is_reference", "names", "parts", "replaced", "stripped"]

_NAME = r"[\w:-]+@[\w.-]+|sys\.[\w.]+|env\.[\w.]+"
_REFERENCE = re.compile(rf"\{{{{?\s*({_NAME})\s*\}}\}}?")
_ALONE = re.compile(rf"\{{{{?\s*({_NAME})\s*\}}\}}?|({_NAME})")


def names(text: str) -> list[str]:
    """The variables that a text refers to, each once."""
    return list(dict.fromkeys(found[1] for found in _REFERENCE.finditer(text)))


def parts(text: str) -> Iterator[tuple[str, bool]]:
    """A text in pieces: literal ones, and names of variables (True)."""
    end = 0
    for found in _REFERENCE.finditer(text):
        if text[end : found.start()]:
            yield text[end : found.start()], False
        yield found[1], True
        end = found.end()
    if text[end:]:
        yield text[end:], False


def replaced(text: str, value_of: Callable[[str], str]) -> str:
    """The text with a value for each reference; ``AgentFailed`` if that makes it too long."""
    filled = (value_of(piece) if is_name else piece for piece, is_name in parts(text))
    return joined(filled, "a text with its variables filled in")


def is_reference(text: str) -> bool:
    """Whether a text is one reference and nothing else; the braces may be missing."""
    return _ALONE.fullmatch(text.strip()) is not None


def stripped(text: str) -> str:
    """The name in a text that is one reference."""
    return text.strip().strip("{} \t")


def braced(name: str) -> str:
    """The reference to a variable whose name may stand in braces or not."""
    return f"{{{stripped(name)}}}"


def as_text(value: Any) -> str:
    """A value as it stands in a text: nothing for None, JSON for what is neither."""
    if value is None:
        return ""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
