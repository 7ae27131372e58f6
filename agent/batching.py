"""Replies written side by side: a model writes several in little more time than one."""

import asyncio
from collections.abc import Callable, Sequence
from concurrent.futures import Future, InvalidStateError, ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, Literal

from agent.render import Rendered
from agent.sampling import draw
from agent.session import Session

Finish = Literal["stop", "length", "context"]


@dataclass(frozen=True)
class Sampling:
    """How tokens are drawn, and how many."""

    temperature: float
    top_p: float
    new_tokens: int
    """Of a reply, at most."""
    context: int
    """Of a whole episode, at most."""


@dataclass
class Draft:
    """A reply that is being written."""

    prompt: Rendered
    generator: Any
    """Of torch: what its tokens are drawn with."""
    say: Callable[[int], None]
    """Told of every token but the one that ends it."""
    ids: list[int] = field(default_factory=list)
    logprobs: list[float] = field(default_factory=list)
    finish: Future[Finish] = field(default_factory=Future)
    """How it ended; cancelled where nobody waits for it any more."""


class Batcher:
    """Writes what is waited for, up to `batch` replies side by side, in a thread of its own."""

    def __init__(self, session: Session, sampling: Sampling, batch: int):
        self.session, self.sampling, self.batch = session, sampling, batch
        self._worker = ThreadPoolExecutor(max_workers=1, thread_name_prefix="local policy")
        self._waiting: list[Draft] = []

    async def write(self, draft: Draft) -> Finish:
        """Write a draft to its end, and say how it ended."""
        self._waiting.append(draft)
        self._worker.submit(self._write_waiting)
        return await asyncio.wrap_future(draft.finish)

    def _write_waiting(self) -> None:
        """Write the first that wait; it is called once for each, so often they have been written already."""
        drafts = self._waiting[: self.batch]
        del self._waiting[: len(drafts)]
        try:
            self._write(drafts)
        except Exception as error:  # whoever waits is told
            for draft in drafts:
                with suppress(InvalidStateError):  # it was written already, or given up
                    draft.finish.set_exception(error)

    def _write(self, drafts: Sequence[Draft]) -> None:
        rows = [draft for draft in drafts if not self._over(draft)]
        if not rows:
            return
        logits = self.session.read([draft.prompt for draft in rows])
        while rows:
            for draft, scores in zip(rows, logits, strict=True):
                self._add(draft, scores)
            going = [row for row, draft in enumerate(rows) if not self._over(draft)]
            if 0 < len(going) < len(rows):
                self.session.keep(going)
            rows = [rows[row] for row in going]
            if rows:
                logits = self.session.go_on([draft.ids[-1] for draft in rows])

    def _add(self, draft: Draft, scores: Any) -> None:
        how, chat = self.sampling, self.session.chat
        token, logprob = draw(scores, draft.generator, how.temperature, how.top_p, chat.banned)
        draft.ids.append(token)
        draft.logprobs.append(logprob)
        if token != chat.end:
            draft.say(token)

    def _over(self, draft: Draft) -> bool:
        """Whether a draft is at its end; who waits for it is told."""
        how, left = self.sampling, self.sampling.context - len(draft.prompt.ids)
        if draft.ids and draft.ids[-1] == self.session.chat.end:
            end: Finish = "stop"
        elif len(draft.ids) >= left:
            end = "context"
        elif len(draft.ids) >= how.new_tokens:
            end = "length"
        else:
            return draft.finish.cancelled()
        with suppress(InvalidStateError):  # given up in this moment
            draft.finish.set_result(end)
        return True
