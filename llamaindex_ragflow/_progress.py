"""How far parsing is: an event for whoever listens, and a bar for whoever wants to see it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from tqdm.auto import tqdm

import ragflow_integrations

from .events import ParseProgress, dispatcher

__all__ = ["State", "reported"]

State = ragflow_integrations.ParseProgress | ragflow_integrations.UploadProgress


@contextmanager
def reported(show: bool) -> Iterator[Callable[[State], None]]:
    """What a ``progress`` callback of the client has to do; the bar is of the stage that is under way."""
    bars: dict[str, tqdm[None]] = {}

    def report(state: State) -> None:
        if isinstance(state, ragflow_integrations.ParseProgress):
            dispatcher.event(ParseProgress.of(state))
        if show:
            bar = bars.get(state.stage) or bars.setdefault(state.stage, tqdm(desc=state.stage))
            bar.total, bar.n = state.total, state.finished
            bar.refresh()

    try:
        yield report
    finally:
        for bar in bars.values():
            bar.close()
