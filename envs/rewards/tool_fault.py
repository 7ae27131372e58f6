"""Did the policy call tools that can do what it asks?"""

from envs.episode import Episode, ToolCall, Truth


def tool_fault(episode: Episode, truth: Truth) -> float:
    """The share of tool calls that were carried out; 1 where there were none, so that no call is made for its sake."""
    refused = [act.refused for turn in episode.turns for act in turn.acts if isinstance(act.action, ToolCall)]
    return 1 - sum(refused) / max(len(refused), 1)
