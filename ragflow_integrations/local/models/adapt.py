"""What a caller may hand over as a model, by the methods it has; no framework is imported for it."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

from .base import ModelMistake

__all__ = ["class_beside", "label", "methods", "said"]


def methods(model: object, *names: str) -> bool:
    """Whether the object has all these methods."""
    return all(callable(getattr(model, name, None)) for name in names)


def label(model: Any) -> str:
    """A name for a model object: its class and the model that it runs, or a function's own name."""
    running = next(
        (text for key in ("model_name", "model") if isinstance(text := getattr(model, key, 0), str)), ""
    )
    own = getattr(model, "__qualname__", None) or type(model).__name__
    return f"{own}:{running}" if running else str(own)


def class_beside(model: object, name: str) -> Callable[..., Any]:
    """The framework's class ``name``, from the modules (or their packages) in which the model's base classes stand.

    A model's methods want its framework's message and document classes, and whoever made the model has
    imported them.
    """
    for base in reversed(type(model).__mro__):
        for module in (base.__module__, base.__module__.rpartition(".")[0]):
            found = getattr(sys.modules.get(module), name, None)
            if found is not None:
                return found  # type: ignore[no-any-return]
    raise ModelMistake(f"{label(model)} is made in an unknown way: no {name} beside its base classes")


def said(error: Exception) -> str:
    """An exception of somebody's model, as short as a message may be."""
    return f"{type(error).__name__}: {error}"[:300]
