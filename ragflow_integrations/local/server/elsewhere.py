"""What a RAGFlow server has and the local engine has not: each path says so, by the feature's name."""

from __future__ import annotations

from collections.abc import Mapping

__all__ = ["ELSEWHERE", "V024_ELSEWHERE"]

_AGENT, _DATASET = "/agents/{agent_id}", "/datasets/{dataset_id}"
_DOCUMENT = f"{_DATASET}/documents/{{document_id}}"

ELSEWHERE: Mapping[str, str] = {
    "/agentbots/{agent_id}/logs": "logs of agents",
    "/agents/attachments": "files in agents",
    "/agents/download": "files in agents",
    "/agents/prompts": "RAGFlow's prompts for agents",
    "/agents/rerun": "runs of parts of a dataflow",
    "/agents/test_db_connection": "connections of agents to databases",
    f"{_AGENT}/components/{{component_id}}/debug": "runs of single components",
    f"{_AGENT}/logs": "logs of agents",
    f"{_AGENT}/webhook": "webhooks of agents",
    "/auth": "user accounts (its API keys are under /system/tokens)",
    "/chat-channels": "chat channels",
    "/chat/audio": "speech",
    "/compilation-template-groups": "compilation templates",
    "/compilation-templates": "compilation templates",
    "/connectors": "connectors to other systems",
    f"{_DATASET}/artifacts": "wikis",
    f"{_DATASET}/embedding/check": "checks of a changed embedding model",
    f"{_DATASET}/navigation": "navigation trees",
    f"{_DATASET}/skills": "skills",
    f"{_DOCUMENT}/structure": "structures",
    "/documents/artifact": "files in agents",
    "/documents/upload": "files in conversations",
    "/folders/{folder_id}/changes": "versions of files",
    "/folders/{folder_id}/commits": "versions of files",
    "/langfuse": "tracing by Langfuse",
    "/llm/aimlapi": "models that are configured over HTTP",
    "/mcp": "MCP servers for its agents",
    "/models/default": "models that are configured over HTTP",
    "/providers": "models that are configured over HTTP",
    "/system/config/log": "log levels that are set over HTTP",
    "/system/gaussdb": "GaussDB",
    "/system/oceanbase": "OceanBase",
    "/system/stats": "statistics of usage",
    "/tasks": "tasks by their ids",
    "/tenants": "teams",
    "/users": "user accounts (its API keys are under /system/tokens)",
    "/workspace-files": "versions of files",
}
"""Where a feature's paths begin, under ``/api/v1``, and what the feature is called."""

V024_ELSEWHERE: Mapping[str, str] = {
    "/file/download": "files in agents",
    "/sequence2txt": "speech",
    "/tts": "speech",
    "/webhook": "webhooks of agents",
    "/webhook_test": "webhooks of agents",
    "/webhook_trace": "webhooks of agents",
}
"""The same of v0.24's API; its web application's own routes are not told apart."""
