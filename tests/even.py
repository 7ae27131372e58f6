from envs.episode import Episode, Truth


def even(episode: Episode, truth: Truth) -> float:
    """A reward that any two episodes differ in: the share of even tokens. A model that knows nothing earns no other."""
    told = [token % 2 for turn in episode.turns for token in turn.reply.token_ids]
    return 1 - sum(told) / max(len(told), 1)
