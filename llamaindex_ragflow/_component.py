"""Components of LlamaIndex, which are pydantic models, that reach RAGFlow."""

from __future__ import annotations

from typing import Any

from llama_index.core.schema import BaseComponent
from pydantic import BaseModel, ConfigDict, PrivateAttr, SecretStr

from ragflow_integrations import AsyncRAGFlow, RAGFlow, Scope

from ._client import Connected, Connection
from ._run import OfRun

__all__ = ["ConnectedComponent"]


class ConnectedComponent(Connected, BaseComponent):
    """Fields are what it does; how it reaches the server is its own, and in no dump of it."""

    model_config = ConfigDict(extra="forbid")

    _connection: Connection = PrivateAttr()

    def __init__(
        self,
        *,
        client: RAGFlow | None = None,
        async_client: AsyncRAGFlow | None = None,
        base_url: str | None = None,
        api_key: SecretStr | str | None = None,
        timeout: float | None = 60.0,
        max_retries: int = 2,
        scope: Scope | OfRun[Scope] | None = None,
        **fields: Any,
    ) -> None:
        super().__init__(**fields)
        self._connection = Connection(client, async_client, base_url, api_key, timeout, max_retries, scope)

    def __getstate__(self) -> dict[Any, Any]:
        """As it is: LlamaIndex leaves out what cannot be pickled, and would make another connection then."""
        return BaseModel.__getstate__(self)

    def __setstate__(self, state: dict[Any, Any]) -> None:
        BaseModel.__setstate__(self, state)
