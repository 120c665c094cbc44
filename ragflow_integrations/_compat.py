"""Pairs of names that differ only by spelling, so that the generated sync twins stay readable."""

from __future__ import annotations

import asyncio
import time

__all__ = ["asleep", "sleep"]

asleep = asyncio.sleep
sleep = time.sleep
