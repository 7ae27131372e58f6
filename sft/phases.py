"""Which phase of reading each token belongs to, and how well each phase is learned."""

from collections.abc import Iterator, Sequence
from typing import Any, get_args
from unicodedata import normalize

from agent.render import Chat, Rendered
from envs.episode import Episode, Phase, Reply, Turn

NAMES: tuple[str, ...] = (*get_args(Phase), "form")
"""What the policy writes: "form" is the tags, and the token that ends a reply. Number 0 is what it did not write."""
FORM = len(NAMES)
LONGEST = 4
"""Tokens that one character may be spread over: no character is longer than 4 bytes."""


def phases(episode: Episode, rendered: Rendered, chat: Chat) -> list[int]:
    """[L] the phase of every token of a rendered episode; a token is of the phase that its first character is of."""
    found = [0] * len(rendered.ids)
    written = [turn for turn in episode.turns if _wrote(turn.reply)]
    for (start, stop), turn in zip(_replies(rendered.mask), written, strict=True):
        found[start:stop] = _of_reply(turn, rendered.ids[start:stop], chat)
    return found


def _wrote(reply: Reply) -> bool:
    return bool(reply.token_ids or reply.text or reply.finish == "stop")


def _replies(mask: Sequence[int]) -> Iterator[tuple[int, int]]:
    """Where each reply begins and ends: two are never next to each other."""
    start = None
    for place, written in enumerate([*mask, 0]):
        if written and start is None:
            start = place
        elif not written and start is not None:
            yield start, place
            start = None


def _of_reply(turn: Turn, ids: Sequence[int], chat: Chat) -> list[int]:
    found: list[int] = []
    at = 0
    marks = _marks(turn)
    for group, text in _characters(ids, chat):
        phase = next((phase for start, stop, phase in marks if start <= at < stop), FORM)
        found += [FORM if token == chat.end else phase for token in group]
        at += len(text)
    return found


def _marks(turn: Turn) -> list[tuple[int, int, int]]:
    """The spans of a reply in its text as tokenizers see it, which is composed (NFC)."""
    text = turn.reply.text

    def composed(place: int) -> int:
        return len(normalize("NFC", text[:place]))

    return [(composed(span.start), composed(span.end), NAMES.index(span.phase) + 1) for span in turn.spans]


def _characters(ids: Sequence[int], chat: Chat) -> Iterator[tuple[list[int], str]]:
    """Tokens with the characters that they write, as few together as make whole ones."""
    waiting: list[int] = []
    for token in ids:
        waiting.append(token)
        text = chat.decode(waiting)
        if not text.endswith("\ufffd") or len(waiting) >= LONGEST:
            yield waiting, text
            waiting = []
    if waiting:
        yield waiting, chat.decode(waiting)


def tallied(phase: Any, logprobs: Any, best: Any) -> Any:
    """[phases + 1, 3] sums over [B, L - 1] tokens: their losses, how many were the likeliest, how many there are."""
    import torch

    each = torch.stack([-logprobs.double(), best.double(), torch.ones_like(logprobs, dtype=torch.float64)], -1)
    sums = torch.zeros(FORM + 1, 3, dtype=torch.float64, device=phase.device)
    return sums.index_add_(0, phase.flatten(), each.flatten(0, 1).detach())


def told(sums: Sequence[Sequence[float]]) -> dict[str, Any]:
    """Mean loss and accuracy (the share of tokens that were the likeliest) over all, and of each phase."""
    loss, right, tokens = (sum(column) for column in zip(*sums[1:], strict=True))
    by_phase = {name: _means(*row) for name, row in zip(NAMES, sums[1:], strict=True) if row[2]}
    return {**_means(loss, right, tokens), "phases": by_phase}


def _means(loss: float, right: float, tokens: float) -> dict[str, Any]:
    many = max(tokens, 1)
    return {"loss": round(loss / many, 6), "accuracy": round(right / many, 6), "learned": int(tokens)}
