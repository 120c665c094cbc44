"""A progress bar for uploading and parsing: ``tqdm``'s, in a terminal or a notebook."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Protocol, TypeVar

from .errors import ConfigurationError, InvalidRequestError
from .models import ParseProgress, UploadProgress

__all__ = ["Progress", "reporting"]

Progress = Callable[[ParseProgress | UploadProgress], object]
"""A callback that is told how far it is, at least once a look."""


class Staged(Protocol):
    """How far a stage of the work is."""

    @property
    def stage(self) -> str: ...
    @property
    def total(self) -> int: ...
    @property
    def fraction(self) -> float: ...


State = TypeVar("State", bound=Staged)


@contextmanager
def reporting(
    progress: Callable[[State], object] | bool | None,
) -> Iterator[Callable[[State], object] | None]:
    """The callback to report to: one's own, a bar for ``True``, none for ``None`` or ``False``.

    Raises ``ConfigurationError`` if ``tqdm`` is not installed.
    """
    if progress is True:
        with _Bar() as bar:
            yield bar.show
    elif progress is None or progress is False:
        yield None
    elif callable(progress):
        yield progress
    else:
        raise InvalidRequestError(f"progress={progress!r}: give True for a bar, or a function")


class _Bar:
    """One bar for each stage: the files uploaded, then the mean of the documents' progress."""

    def __init__(self) -> None:
        try:
            from tqdm.auto import tqdm
        except ImportError:
            raise ConfigurationError(
                "progress=True needs tqdm (pip install tqdm); or give a function to be told"
            ) from None
        self._make: Any = tqdm
        self._bar: Any = None
        self._stage = ""

    def __enter__(self) -> _Bar:
        return self

    def __exit__(self, *error: object) -> None:
        if self._bar is not None:
            self._bar.close()

    def show(self, state: Staged) -> None:
        """Draw this state."""
        if state.stage != self._stage:
            self.__exit__()
            self._stage = state.stage
            self._bar = self._make(total=state.total, desc=state.stage, unit="file")
        done = round(state.fraction * state.total, 2)
        self._bar.n = int(done) if done.is_integer() else done
        self._bar.refresh()
