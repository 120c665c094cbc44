"""Agents, their sessions and what they say, as one tenant sees them."""

from __future__ import annotations

import json
import time
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, Unpack

from .. import agent_sessions, agents, datasets
from ..agent import Canvas, Event, NotRunnable, Question, run
from ..agent.component import END_OF_THINKING, START_OF_THINKING
from ..agent.problems import WRONG_KINDS
from ..problems import Missing, Refused
from ..store import Paging, Row
from .chunks import ChunkCalls
from .documents import DocumentCalls
from .memories import MemoryCalls
from .part import or_none

__all__ = ["AgentCalls", "AgentRun"]


@dataclass(frozen=True)
class AgentRun:
    """A turn of a conversation with an agent, which runs while its events are read.

    ``stop`` has it end soon, from any thread, with ``AgentFailed``; then it is not kept.
    """

    session_id: str
    events: Iterator[Event]
    stop: Callable[[], None] = lambda: None


class AgentCalls(ChunkCalls, DocumentCalls, MemoryCalls):
    """The calls about agents; ``Missing`` if the tenant has no agent or session with an id."""

    def create_agent(self, fields: Mapping[str, Any], *, taken: str) -> Row:
        """A new agent (``title dsl``); ``Refused`` with the text ``taken`` if another has its title."""
        with self._shared.store.write() as db:
            return agents.create(db, self.tenant_id, fields, taken)

    def get_agent(self, agent_id: str) -> Row | None:
        """One agent with its DSL, or None."""
        with self._shared.store.read() as db:
            return or_none(agents.get, db, self.tenant_id, agent_id)

    def list_agents(self, **filters: Unpack[agents.Filters]) -> tuple[list[Row], int]:
        """One page of agents, and how many fit."""
        with self._shared.store.read() as db:
            return agents.listed(db, self.tenant_id, **filters)

    def update_agent(self, agent_id: str, fields: Mapping[str, Any], *, taken: str | None) -> Row:
        """Change an agent; a new DSL is kept as a version. ``taken`` None: titles may be there twice."""
        with self._shared.store.write() as db:
            return agents.update(db, self.tenant_id, agent_id, fields, taken)

    def delete_agent(self, agent_id: str) -> None:
        """Delete an agent with its versions and sessions."""
        with self._shared.store.write() as db:
            agents.delete(db, self.tenant_id, agent_id)

    def reset_agent(self, agent_id: str) -> Row:
        """Put an agent's DSL back to its first values, and return it."""
        with self._shared.store.write() as db:
            agent = agents.get(db, self.tenant_id, agent_id)
            canvas = self._canvas(agent["dsl"], agent_id, task_id=agent_id)
            canvas.reset()
            fields = {"dsl": canvas.dsl()}
            return dict(agents.update(db, self.tenant_id, agent_id, fields, None)["dsl"])

    def tag_agent(self, agent_id: str, names: str) -> None:
        """Give an agent tags, separated by commas, in place of its old ones."""
        with self._shared.store.write() as db:
            agents.tag(db, self.tenant_id, agent_id, names)

    def agent_tags(self, category: str | None = None) -> list[tuple[str, int]]:
        """All tags and how many agents have each."""
        with self._shared.store.read() as db:
            return agents.tags(db, self.tenant_id, category)

    def agent_versions(self, agent_id: str) -> list[Row]:
        """The versions of an agent, without their DSL."""
        with self._shared.store.read() as db:
            agents.get(db, self.tenant_id, agent_id)
            return agents.versions(db, agent_id)

    def agent_version(self, agent_id: str, version_id: str) -> Row:
        """One version with its DSL."""
        with self._shared.store.read() as db:
            agents.get(db, self.tenant_id, agent_id)
            return agents.version(db, agent_id, version_id)

    def canvas_of(self, agent: Row) -> Canvas:
        """An agent's canvas, to look at."""
        return self._canvas(agent["dsl"], agent["id"], task_id=agent["id"])

    def create_agent_session(
        self, agent_id: str, *, user_id: str, name: str | None, exp_user_id: str | None, release: bool = False
    ) -> Row:
        """A new session, which begins with the agent's prologue; of the published version with ``release``."""
        with self._shared.store.write() as db:
            agent = agents.get(db, self.tenant_id, agent_id)
            dsl = agents.released(db, agent_id) if release else agent["dsl"]
            if dsl is None:
                raise Refused("No available published version")
            canvas = self._canvas(dsl, agent_id, task_id=agent_id)
            canvas.reset()
            return agent_sessions.create(
                db,
                self.tenant_id,
                agent_id,
                user_id=user_id,
                exp_user_id=exp_user_id,
                name=name,
                messages=[{"role": "assistant", "content": canvas.begin.params["prologue"]}],
                dsl=canvas.dsl(),
                version_title=agents.version_title(db, agent_id, release=release),
            )

    def get_agent_session(self, session_id: str) -> Row | None:
        """One session of any of the tenant's agents, or None."""
        with self._shared.store.read() as db:
            return or_none(agent_sessions.get, db, self.tenant_id, session_id)

    def list_agent_sessions(
        self, agent_id: str, **filters: Unpack[agent_sessions.Filters]
    ) -> tuple[list[Row], int]:
        """One page of an agent's sessions, and how many fit."""
        with self._shared.store.read() as db:
            agents.get(db, self.tenant_id, agent_id)
            return agent_sessions.listed(db, agent_id, **filters)

    def agent_session_names(self, agent_id: str, exp_user_id: str) -> list[Row]:
        """Ids and names of somebody's sessions with an agent."""
        with self._shared.store.read() as db:
            agents.get(db, self.tenant_id, agent_id)
            return agent_sessions.names(db, agent_id, exp_user_id)

    def agent_session_ids(self, agent_id: str) -> list[str]:
        """The ids of all sessions of an agent."""
        with self._shared.store.read() as db:
            agents.get(db, self.tenant_id, agent_id)
            return agent_sessions.ids(db, agent_id)

    def delete_agent_sessions(self, agent_id: str, ids: Sequence[str]) -> list[str]:
        """Delete sessions of an agent; which of them there were."""
        with self._shared.store.write() as db:
            agents.get(db, self.tenant_id, agent_id)
            return agent_sessions.delete(db, agent_id, ids)

    def ask_agent(
        self,
        agent_id: str,
        question: Question,
        *,
        session: Row | None = None,
        source: Literal["agent", "workflow"] = "agent",
        name: str | None = None,
        release: bool = False,
    ) -> AgentRun:
        """A turn with an agent, in a new session if none is given; it is kept when its events are exhausted.

        What is wrong with the agent's DSL is said at once (``Refused``), a component's failure in the middle of the
        events (``AgentFailed``); then the turn is not kept.
        """
        told = self._told(question, source if session is None else session["source"])
        begun = session or self._begun(agent_id, question, told, source=source, name=name, release=release)
        canvas = self._canvas(begun["dsl"], agent_id, task_id=begun["id"], custom_header="")
        if session is not None and session["source"] == "workflow":
            self._keep(session["id"], [told])
        return AgentRun(begun["id"], self._run(canvas, question, begun, told), canvas.stop)

    def dataset_called(self, name_or_id: str) -> str:
        """The id of the dataset with this name or id; ``Missing`` if there is none."""
        page: Paging = {"page": 1, "page_size": 1, "orderby": "create_time", "desc": True}
        with self._shared.store.read() as db:
            named, _ = datasets.listed(db, self.tenant_id, **page, name=name_or_id)
            found = named or datasets.listed(db, self.tenant_id, **page, id=name_or_id)[0]
        if found:
            return str(found[0]["id"])
        raise Missing(f"Dataset({name_or_id}) does not exist.")

    def _begun(
        self, agent_id: str, question: Question, told: Row, *, source: str, name: str | None, release: bool
    ) -> Row:
        with self._shared.store.write() as db:
            agent = agents.get(db, self.tenant_id, agent_id)
            dsl = agents.released(db, agent_id) if release else agent["dsl"]
            if dsl is None:
                raise Refused("No available published version")
            canvas = self._canvas(dsl, agent_id, task_id=agent_id)
            canvas.reset()
            kept = source == "workflow"
            return agent_sessions.create(
                db,
                self.tenant_id,
                agent_id,
                user_id=question.user_id,
                exp_user_id=question.user_id if kept else None,
                name=name,
                source=source,
                messages=[told] if kept else [],
                dsl=canvas.dsl(),
                version_title=agents.version_title(db, agent_id, release=release),
            )

    def _run(self, canvas: Canvas, question: Question, session: Row, told: Row) -> Iterator[Event]:
        said = ""
        for event in run(canvas, question):
            said += _said(event)
            yield {**event, "session_id": session["id"]}
        answer = {"role": "assistant", "content": said, "created_at": time.time(), "id": told["id"]}
        reference = canvas.reference
        if session["source"] == "workflow":
            self._keep(session["id"], [answer], reference=reference, dsl=canvas.dsl())
        else:
            dsl = json.dumps(canvas.dsl(), ensure_ascii=False)
            self._keep(session["id"], [told, answer], reference=reference, dsl=dsl, changes={"errors": ""})

    def _keep(self, session_id: str, messages: Sequence[Row], **more: Any) -> None:
        with self._shared.store.write() as db:
            agent_sessions.append(db, session_id, messages, **more)

    def _canvas(
        self, dsl: Row | str, agent_id: str, *, task_id: str, custom_header: str | None = None
    ) -> Canvas:
        plain = json.loads(dsl) if isinstance(dsl, str) else dsl
        if not isinstance(plain, dict):
            raise NotRunnable("the agent's DSL is no JSON object")
        try:
            return Canvas(plain, self, agent_id=agent_id, task_id=task_id, custom_header=custom_header)
        except WRONG_KINDS:
            raise NotRunnable("a part of the agent's DSL is of the wrong kind") from None

    def _told(self, question: Question, source: str) -> Row:
        """The message that the user's turn is kept as."""
        message: Row = {"role": "user", "content": question.query, "id": str(uuid.uuid4()), "files": []}
        return {**message, "created_at": time.time()} if source == "workflow" else message


def _said(event: Event) -> str:
    if event["event"] != "message":
        return ""
    data = event["data"]
    mark = (
        START_OF_THINKING
        if data.get("start_to_think")
        else END_OF_THINKING
        if data.get("end_to_think")
        else ""
    )
    return f"{data['content']}{mark}"
