"""The local engine's HTTP API: RAGFlow v0.27's routes, codes, messages and streams over ``local.engine``."""

from .app import build_app

__all__ = ["build_app"]
