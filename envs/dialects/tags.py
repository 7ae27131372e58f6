"""Actions between tags, as Qwen models already write them.

<think>The nodule is small.</think><tool_call>{"name": "zoom", "arguments": {...}}</tool_call>
<think>Its edge is smooth.</think><answer>benign</answer>

A reply may hold several tool calls; they are carried out in order. The thought may be left out.
"""

import json
import re
from types import SimpleNamespace
from typing import Any

from envs.dialects import Dialect, Parsed, mended_json, not_json, tool_call
from envs.episode import Action, Answer, Malformed, Phase, Span, ToolCall

HOW = (
    "Write your reasoning between <think> and </think>, then either one or more tool calls, each written as "
    '<tool_call>{"name": "...", "arguments": {...}}</tool_call>, or your final answer as <answer>...</answer>.'
)
FORM = "write <think>...</think> and then <tool_call>...</tool_call> or <answer>...</answer>"
CALL = 'a tool call is {"name": "...", "arguments": {...}} in JSON'

_PIECE = re.compile(r"\s*<(think|tool_call|answer)>(.*?)</\1>\s*", re.DOTALL)
_ORDER = re.compile(r"(think )?((tool_call )+|answer )")
_TAG = re.compile(r"<(/?)(think|tool_call|tool|answer)>", re.IGNORECASE)
_FENCE = re.compile(r"```(?:json|tool_call)?\s*(\{[^`]*\})\s*```")
_BOXED = re.compile(r"\\boxed\{([^{}]*)\}")
_BARE = re.compile(r"\{\s*[\"']name[\"']\s*:")


def strict(text: str) -> Parsed:
    pieces, end = [], 0
    while match := _PIECE.match(text, end):
        pieces.append((match[1], match[2], match.start(2), match.end(2)))
        end = match.end()
    if end != len(text) or not _ORDER.fullmatch("".join(f"{kind} " for kind, *_ in pieces)):
        return Parsed(actions=(Malformed(problem=FORM),))
    return _parsed(pieces, _loaded)


def repairing(text: str) -> Parsed:
    """Also reads unclosed tags, fenced or bare JSON, JSON with slips, words around the tags, and \\boxed{}."""
    exact = strict(text)
    if exact.understood:
        return exact
    pieces = _loose_pieces(text)
    if any(kind == "tool_call" for kind, *_ in pieces):  # what follows a call was written before its result was seen
        pieces = [piece for piece in pieces if piece[0] != "answer"]
    return _parsed(pieces, _mended) if any(kind != "think" for kind, *_ in pieces) else exact


def write(thought: str, actions: tuple[ToolCall | Answer, ...]) -> str:
    """The text of a turn. Raises ValueError where a thought or an answer holds one of the tags."""
    free = [thought, *(action.text for action in actions if isinstance(action, Answer))]
    if held := next((tag[0] for text in free for tag in _TAG.finditer(text)), None):
        raise ValueError(f"a thought or an answer cannot hold the tag {held}")
    said = f"<think>{thought}</think>" if thought else ""
    return said + "\n".join(_written(action) for action in actions)


def tags() -> Dialect:
    """The default dialect."""
    return SimpleNamespace(how=HOW, strict=strict, repairing=repairing, write=write)


def _written(action: ToolCall | Answer) -> str:
    if isinstance(action, Answer):
        return f"<answer>{action.text}</answer>"
    call = {"name": action.name, "arguments": action.arguments}
    body = json.dumps(call, ensure_ascii=False).replace("</", "<\\/")  # a string that holds a tag does not end the call
    return f"<tool_call>{body}</tool_call>"


def _parsed(pieces: list[tuple[str, str, int, int]], load: Any) -> Parsed:
    thoughts = [body.strip() for kind, body, *_ in pieces if kind == "think"]
    actions = [_action(kind, body, load) for kind, body, *_ in pieces if kind != "think"]
    phases: dict[str, Phase] = {"think": "think", "tool_call": "act", "answer": "answer"}
    spans = tuple(Span(phase=phases[kind], start=start, end=end) for kind, _, start, end in pieces)
    answers = [action for action in actions if isinstance(action, Answer)]
    return Parsed(thought="\n".join(thoughts), actions=tuple(answers[-1:] or actions), spans=spans)


def _action(kind: str, body: str, load: Any) -> Action:
    if kind == "answer":
        boxed = _BOXED.search(body) if load is _mended else None
        return Answer(text=(boxed[1] if boxed else body).strip())
    call = load(body)
    if not isinstance(call, dict) or call.keys() != {"name", "arguments"}:
        return Malformed(problem=CALL)
    if not isinstance(call["name"], str) or not isinstance(call["arguments"], dict):
        return Malformed(problem=CALL)
    return tool_call(call["name"], call["arguments"], CALL)


def _loaded(body: str) -> Any:
    try:
        return json.loads(body, parse_constant=not_json)
    except (ValueError, RecursionError):
        return None


def _mended(body: str) -> Any:
    """A call written with slips, or under another key."""
    call = mended_json(body)
    if isinstance(call, list) and len(call) == 1:
        call = call[0]
    if isinstance(call, dict) and isinstance(call.get("function"), dict):
        call = call["function"]
    if not isinstance(call, dict):
        return None
    arguments = call.get("arguments", call.get("parameters", {}))
    if isinstance(arguments, str):
        arguments = mended_json(arguments)
    return {"name": call.get("name"), "arguments": arguments}


def _loose_pieces(text: str) -> list[tuple[str, str, int, int]]:
    """Pieces that begin with an opening tag and end at their closing tag, at the next opening one, or with the text.

    What a closed thought only mentions is no piece of its own.
    """
    tags = [*_TAG.finditer(text)]
    last_end = max((tag.start() for tag in tags if tag[1] and tag[2].lower() == "think"), default=-1)
    pieces: list[tuple[str, str, int, int]] = []
    end = 0
    for n, tag in enumerate(tags):
        if tag[1] or tag.start() < end:
            continue
        kind = "tool_call" if tag[2].lower() == "tool" else tag[2].lower()
        stop = tags[n + 1].start() if n + 1 < len(tags) else len(text)
        if kind == "think" and tag.end() <= last_end:
            stop = next(t.start() for t in tags[n + 1 :] if t[1] and t[2].lower() == "think")
        pieces.append((kind, text[tag.end() : stop], tag.end(), stop))
        end = stop
    if all(kind == "think" for kind, *_ in pieces):
        pieces += _untagged(text, end)
    return [piece for piece in pieces if piece[1].strip()]


def _untagged(text: str, begin: int) -> list[tuple[str, str, int, int]]:
    """A call or an answer written without its tags."""
    if fenced := _FENCE.search(text, begin):
        return [("tool_call", fenced[1], fenced.start(1), fenced.end(1))]
    if bare := _BARE.search(text, begin):
        return [("tool_call", text[bare.start() :], bare.start(), len(text))]
    if boxed := _BOXED.search(text, begin):
        return [("answer", boxed[1], boxed.start(1), boxed.end(1))]
    return []
