"""Read one streamed chat completion, and say in words what a server did in place of one."""

import asyncio
import json
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from pydantic import BaseModel, ConfigDict, ValidationError


class Unanswered(Exception):
    """What a server did in place of answering, in words that follow its name."""


class _Read(BaseModel):
    model_config = ConfigDict(from_attributes=True)


class _Function(_Read):
    name: str | None = None
    arguments: str | None = None


class _Call(_Read):
    index: int
    function: _Function


class _Delta(_Read):
    content: str | None = None
    reasoning_content: str | None = None
    reasoning: str | None = None
    """The same, as newer servers call it."""
    tool_calls: list[_Call] | None = None
    """Calls that the server has taken out of the text."""


class _Choice(_Read):
    delta: _Delta
    finish_reason: str | None = None


class _Usage(_Read):
    completion_tokens: int = 0


class _Chunk(_Read):
    choices: list[_Choice] | None
    usage: _Usage | None = None
    model: str | None = None


@dataclass
class Draft:
    """A reply as far as it has come."""

    thought: str = ""
    """What came apart from the reply, as reasoning."""
    reply: str = ""
    calls: dict[int, tuple[str, str]] = field(default_factory=dict)
    """Tool and arguments of the calls that came apart from the reply, by number."""
    finish: str = ""
    """Why it ended; empty: it has not."""
    num_tokens: int = 0
    """As the server counts them; 0: it does not say."""
    model: str = ""

    @property
    def text(self) -> str:
        """The whole reply; thoughts and calls that came apart from it are put back between their tags."""
        thought = f"<think>{self.thought}</think>" if self.thought and "<think>" not in self.reply else ""
        return thought + self.reply + "".join(_put_back(*call) for call in self.calls.values())

    def add(self, chunk: _Chunk) -> str:
        """Take in what comes next; returns the new words."""
        self.model = chunk.model or self.model
        self.num_tokens = chunk.usage.completion_tokens if chunk.usage else self.num_tokens
        if not chunk.choices:  # as in the last chunk, which counts the tokens
            return ""
        delta = chunk.choices[0].delta
        thought, reply = delta.reasoning_content or delta.reasoning or "", delta.content or ""
        self.thought, self.reply = self.thought + thought, self.reply + reply
        self.finish = chunk.choices[0].finish_reason or self.finish
        return thought + reply + "".join(map(self._call, delta.tool_calls or []))

    def _call(self, part: _Call) -> str:
        name, arguments = self.calls.get(part.index, ("", ""))
        more = part.function.name or "", part.function.arguments or ""
        self.calls[part.index] = (name + more[0], arguments + more[1])
        return "".join(more)


def _put_back(name: str, arguments: str) -> str:
    """A call between its tags; `arguments` are JSON as the model wrote it, or nothing."""
    call = f'{{"name": {json.dumps(name, ensure_ascii=False)}, "arguments": {arguments.strip() or "{}"}}}'
    body = call.replace("</", "<\\/")  # a string that holds a tag does not end the call
    return f"<tool_call>{body}</tool_call>"


async def read_stream(
    client: Any, request: dict[str, Any], first_token_s: float, on_text: Callable[[str], None] | None = None
) -> Draft:
    """Ask, and read the reply to its end. Raises Unanswered, or the error of openai's that no reply began with."""
    import openai

    silent = Unanswered(f"said nothing for {first_token_s:g} s; is it overloaded? Else raise first_token_s")
    draft, first_word_by = Draft(), asyncio.get_running_loop().time() + first_token_s
    try:
        async with asyncio.timeout_at(first_word_by):
            stream = await _opened(client, request)
    except TimeoutError:
        raise silent from None
    kind = stream.response.headers.get("content-type", "a body of no type")
    if not kind.startswith("text/event-stream"):
        await stream.close()
        raise Unanswered(f"answered with {kind} in place of a stream of events; does base_url end in /v1?")
    try:
        async with stream, asyncio.timeout_at(first_word_by) as silence:
            async for event in stream:
                if words := draft.add(_Chunk.model_validate(event)):
                    silence.reschedule(None)
                    if on_text:
                        on_text(words)
    except (TimeoutError, openai.APITimeoutError):
        raise silent from None
    except (json.JSONDecodeError, UnicodeDecodeError, ValidationError) as error:
        why = " ".join(str(error).split())[:100]
        raise Unanswered(f"sent what is no chat completion ({why}); does it speak OpenAI's protocol?") from None
    except openai.APIConnectionError:
        raise Unanswered("broke off before the end of its reply; see its log, then ask again") from None
    if not draft.finish:
        raise Unanswered("broke off before the end of its reply; see its log, then ask again")
    return draft


async def _opened(client: Any, request: dict[str, Any]) -> Any:
    """The stream of a request; with a count of tokens, where the server can give one."""
    import openai

    ask = client.chat.completions.create
    try:
        return await ask(**request, stream=True, stream_options={"include_usage": True})
    except (openai.BadRequestError, openai.UnprocessableEntityError) as error:
        if "stream_options" not in str(error):
            raise
        return await ask(**request, stream=True)


def told(error: Exception, request: dict[str, Any], api_key_env: str) -> str:
    """An error of openai's, in words that follow the server's name."""
    import openai

    says = " ".join(str(error).split())[:300]
    match error:
        case openai.APITimeoutError():
            return "did not answer in time; is it overloaded? Else raise first_token_s"
        case openai.APIConnectionError():
            return f"cannot be reached ({error.__cause__ or error}); is it running, and is base_url right?"
        case openai.AuthenticationError() | openai.PermissionDeniedError():
            return f"refuses the key ({error.status_code}); put one that may use {request['model']!r} in {api_key_env}"
        case openai.NotFoundError():
            return f"has no model {request['model']!r}, or base_url lacks its /v1: {says}"
        case openai.RateLimitError():
            return f"is too busy, or a quota is used up; wait, or raise retries: {says}"
        case openai.APIStatusError() if error.status_code < 500:
            return f"refuses the request: {says}"
        case _:
            return f"failed; see its log: {says}"
