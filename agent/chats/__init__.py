"""One file for each family of models: how it is written to. The file is called as `model_type` in its config.json."""

import json
from pathlib import Path

from agent.loop import PolicyError
from agent.render import Chat
from tools.lookup import find, names


def chat_for(folder: str | Path) -> Chat:
    """How the model in a folder is written to. Raises PolicyError for no model, or one of an unknown family."""
    path = Path(folder) / "config.json"
    if not path.is_file():
        raise PolicyError(f"{folder} is not a model's folder: it holds no config.json")
    try:
        family = json.loads(path.read_text(encoding="utf-8"))["model_type"]
    except (ValueError, KeyError, TypeError):
        raise PolicyError(f"{path} does not say what model it is: no 'model_type'") from None
    if family not in names("agent.chats"):
        known = ", ".join(names("agent.chats"))
        raise PolicyError(f"{folder} holds a {family!r} model; the families known are: {known}")
    chat: Chat = find("agent.chats", family)(Path(folder))
    return chat
