"""ViTAR's way: one JSON object with a thought and a list of actions, the last of which may be `Terminate`.

{"thought": "...", "actions": [{"name": "mark", "arguments": {"image": "img0", "boxes": [[10, 20, 60, 80]]}}]}
{"thought": "...", "actions": [{"name": "Terminate", "arguments": {"answer": "benign"}}]}
"""

import json
import re
from types import SimpleNamespace
from typing import Any

from envs.dialects import Dialect, Parsed, mended_json, not_json, tool_call
from envs.episode import Action, Answer, Malformed, Span, ToolCall

HOW = (
    'Reply with one JSON object: {"thought": "your reasoning", "actions": [{"name": "...", "arguments": {...}}]}. '
    'To give your final answer use the action {"name": "Terminate", "arguments": {"answer": "..."}}.'
)
FORM = 'write one JSON object {"thought": "...", "actions": [{"name": "...", "arguments": {...}}]}'
END = 'the final answer is {"name": "Terminate", "arguments": {"answer": "..."}}, and nothing follows it'

_OBJECT = re.compile(r"\{.*", re.DOTALL)


def strict(text: str) -> Parsed:
    try:
        said = json.loads(text, parse_constant=not_json)
    except (ValueError, RecursionError):
        return _malformed(FORM)
    if not isinstance(said, dict) or said.keys() != {"thought", "actions"} or not isinstance(said["thought"], str):
        return _malformed(FORM)
    return _parsed(text, said["thought"], said["actions"])


def repairing(text: str) -> Parsed:
    """Also reads fenced JSON, JSON with slips, a missing thought, one action outside a list, `ans` and numbers."""
    exact = strict(text)
    found = _OBJECT.search(text)
    if exact.understood or found is None:
        return exact
    said = mended_json(found[0])
    if isinstance(said, list):
        said = next((part for part in said if isinstance(part, dict)), None)
    if not isinstance(said, dict):
        return exact
    actions = said.get("actions", [said] if "name" in said else [])
    actions = [actions] if isinstance(actions, dict) else actions
    thought = said.get("thought", "")
    return _parsed(text, thought if isinstance(thought, str) else "", _mended(actions))


def write(thought: str, actions: tuple[ToolCall | Answer, ...]) -> str:
    return json.dumps({"thought": thought, "actions": [_written(action) for action in actions]}, ensure_ascii=False)


def vitar() -> Dialect:
    """The dialect of ViTAR's released system."""
    return SimpleNamespace(how=HOW, strict=strict, repairing=repairing, write=write)


def _written(action: ToolCall | Answer) -> dict[str, Any]:
    if isinstance(action, Answer):
        return {"name": "Terminate", "arguments": {"answer": action.text}}
    return {"name": action.name, "arguments": action.arguments}


def _malformed(problem: str) -> Parsed:
    return Parsed(actions=(Malformed(problem=problem),))


def _parsed(text: str, thought: str, actions: Any) -> Parsed:
    if not isinstance(actions, list) or not actions:
        return _malformed(FORM)
    read = tuple(_action(action) for action in actions)
    if any(isinstance(action, Answer) for action in read[:-1]):
        return _malformed(END)
    return Parsed(thought=thought.strip(), actions=read, spans=_spans(text, read))


def _action(action: Any) -> Action:
    if not isinstance(action, dict) or action.keys() != {"name", "arguments"}:
        return Malformed(problem=FORM)
    name, arguments = action["name"], action["arguments"]
    if not isinstance(name, str) or not isinstance(arguments, dict):
        return Malformed(problem=FORM)
    if name != "Terminate":
        return tool_call(name, arguments, FORM)
    if arguments.keys() != {"answer"} or not isinstance(arguments["answer"], str):
        return Malformed(problem=END)
    return Answer(text=arguments["answer"])


def _mended(actions: Any) -> Any:
    if not isinstance(actions, list):
        return actions
    mended = [_mended_action(action) for action in actions]
    ends = [n for n, action in enumerate(mended) if isinstance(action, dict) and action.get("name") == "Terminate"]
    return [mended[ends[0]]] if ends and ends[0] == 0 else mended[: ends[0]] if ends else mended


def _mended_action(action: Any) -> Any:
    if not isinstance(action, dict) or not isinstance(action.get("name"), str):
        return action
    name, arguments = action["name"], action.get("arguments", {})
    if name.casefold() == "terminate" and isinstance(arguments, dict):
        answer = arguments.get("answer", arguments.get("ans"))
        return {"name": "Terminate", "arguments": {"answer": str(answer)}} if answer is not None else action
    return {"name": name, "arguments": arguments}


def _spans(text: str, actions: tuple[Action, ...]) -> tuple[Span, ...]:
    """The thought is what stands before the key "actions"; the rest is the action."""
    cut = text.find('"actions"')
    if cut < 0:
        return ()
    last = actions[-1]
    phase = "answer" if isinstance(last, Answer) else "act"
    return (Span(phase="think", start=0, end=cut), Span(phase=phase, start=cut, end=len(text)))
