"""Draw the next token."""

from collections.abc import Sequence
from typing import Any


def draw(
    logits: Any, generator: Any, temperature: float = 1.0, top_p: float = 1.0, banned: Sequence[int] = ()
) -> tuple[int, float]:
    """The token drawn from `logits` (vocabulary,), and its log-probability.

    Tokens are drawn at `temperature` (0: the likeliest) among those that are not `banned` and make up the first
    `top_p` of the probability. The log-probability is that of the model as it is, log_softmax(logits / temperature)
    over the whole vocabulary (at temperature 0, of the logits): what a trainer computes again.
    """
    import torch

    logprobs = torch.log_softmax(logits.float().cpu() / (temperature or 1.0), dim=-1)
    allowed = logprobs.clone()
    allowed[list(banned)] = -torch.inf
    if temperature:
        # Gumbel-max: one number of noise a token, so that a rounding error elsewhere does not change the draw
        noise = torch.empty_like(allowed).exponential_(generator=generator)
        allowed = _nucleus(allowed, top_p) - noise.log()
    token = int(allowed.argmax())
    return token, float(logprobs[token])


def _nucleus(logprobs: Any, top_p: float) -> Any:
    """The likeliest tokens that make up `top_p` of the probability; the others are made impossible."""
    import torch

    if top_p >= 1.0:
        return logprobs
    probabilities, order = torch.softmax(logprobs, dim=-1).sort(descending=True)
    before = probabilities.cumsum(0) - probabilities
    return logprobs.index_fill(0, order[before >= top_p], -torch.inf)
