"""A vision tower's own tokens are asked where things lie: the head that asks, its loss, and how the tower begins.

The head is a single linear map, so that what it can tell lies open in the tokens for a language model to read, too.
"""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from agent.chats.qwen import picture
from envs.phantoms.lesions import KINDS
from sft.tower import MOST, THINGS, UNKNOWN, Look

SPLIT = (len(THINGS), 4, 2, len(KINDS), 2, MOST, 8 * 10)
"""What the head tells of a token: what it holds, where, where what it tells of is, of which type, half an angle as
(cosine, sine), which of all in reading order it is, and the digits of the place it tells of."""
RARE = 5.0
"""How much more a token that holds something counts: few do."""
BETA = 0.02
"""Below this error, as a share of the view, the loss is quadratic (smooth L1)."""
WEIGHTS = (5.0, 10.0, 15.0, 1.0, 4.0, 1.0, 2.0)
"""Of the parts of the loss, in the order of `SPLIT`; found by trial on made-up films."""
FLOOR = 1e-3
"""The least variance of a direction that is whitened, as a share of the mean: less is noise."""
SPREAD = 0.5
"""The standard deviation of a whitened patch."""
MEASURES = (
    "loss", "found", "right", "off_in_token", "off_in_view", "off_told", "type", "off_degrees", "rank", "digits",
)  # fmt: skip
"""What `scored` tells. Of what holds something, the share that is found, and of what is found, the share that is so."""


def begin(tower: Any, looks: Sequence[Look], processor: Any) -> None:
    """Give a tower whose weights were only drawn a start from which places can be learned.

    What its middle layers hand to the language model (the deepstack of Qwen3-VL) starts at nothing: they are not
    asked, and what was only drawn would hide the tokens.
    """
    whiten(tower, looks, processor)
    if hasattr(tower, "pos_embed"):  # Qwen2.5-VL has relative positions alone
        spread_positions(tower)
    for merger in getattr(tower, "deepstack_merger_list", ()):
        nn.init.zeros_(merger.linear_fc2.weight)
        nn.init.zeros_(merger.linear_fc2.bias)


def head_for(model: Any) -> nn.Linear:
    """A new head for the vision tower of a whole model."""
    return nn.Linear(model.config.get_text_config().hidden_size, sum(SPLIT))


def told(tower: Any, head: nn.Linear, pixel_values: Tensor, image_grid_thw: Tensor) -> Tensor:
    """[n, sum(SPLIT)] what a head tells of the n tokens that a tower makes of some views."""
    features = tower(pixel_values.to(tower.dtype), grid_thw=image_grid_thw).pooler_output.float()
    return head(F.rms_norm(features, features.shape[-1:]))


def scored(
    told: Tensor,
    holds: Tensor,
    place: Tensor,
    told_of: Tensor,
    rank: Tensor,
    digits: Tensor,
    kind: Tensor,
    half_angle: Tensor,
) -> dict[str, Tensor]:
    """The loss, and how well each thing is told, of what the head tells of n tokens of all views in order.

    `told` is [n, sum(SPLIT)]; `holds` [n, things], `place` [n, 4], `told_of` [n, 2], `rank` [n] and `digits` [n, 8] are
    those of a `Look`, `kind` and `half_angle` [n] are repeated for each token of a view.
    """
    held, where, after, which, turned, ranked, written = told.split(SPLIT, dim=-1)
    there, typed, open_ = ~place[:, 0].isnan(), kind != UNKNOWN, ~half_angle.isnan()
    counted = rank != UNKNOWN
    direction = torch.stack([half_angle.cos(), half_angle.sin()], dim=-1)
    each = written.unflatten(-1, (8, 10))
    rare = torch.full((len(THINGS),), RARE, device=told.device)
    parts = (
        F.binary_cross_entropy_with_logits(held, holds, pos_weight=rare) * len(THINGS),
        F.smooth_l1_loss(where[there], place[there], beta=BETA, reduction="sum") / max(4 * int(there.sum()), 1),
        F.smooth_l1_loss(after, told_of, beta=BETA),
        F.cross_entropy(which[typed], kind[typed], reduction="sum") / max(int(typed.sum()), 1),
        F.smooth_l1_loss(turned[open_], direction[open_], beta=BETA, reduction="sum") / max(2 * int(open_.sum()), 1),
        F.cross_entropy(ranked[counted], rank[counted], reduction="sum") / max(int(counted.sum()), 1),
        F.cross_entropy(each.flatten(0, 1), digits.flatten()),
    )
    with torch.no_grad():
        found = (held > 0) & (holds > 0)
        off = (where[there] - place[there]).abs()
        measures = {
            "found": found.sum() / holds.sum().clamp(min=1),
            "right": found.sum() / (held > 0).sum().clamp(min=1),
            "off_in_token": off[:, :2].mean(),
            "off_in_view": off[:, 2:].mean(),
            "off_told": (after - told_of).abs().mean(),
            "type": (which[typed].argmax(-1) == kind[typed]).float().mean(),
            "off_degrees": (torch.atan2(turned[open_, 1], turned[open_, 0]) - half_angle[open_]).abs().mean()
            * (2 * 180 / math.pi),
            "rank": (ranked[counted].argmax(-1) == rank[counted]).float().mean(),
            "digits": (each.argmax(-1) == digits).float().mean(),
        }
    return {"loss": sum(weight * part for weight, part in zip(WEIGHTS, parts, strict=True)), **measures}


def batch(looks: Sequence[Look], processor: Any) -> dict[str, Tensor]:
    """Tensors of some views, as `told` and `scored` take them, prepared by the model's own image processor."""
    seen = [processor(images=[picture(look.view)], return_tensors="pt") for look in looks]
    sizes = torch.tensor([len(look.holds) for look in looks])
    return {
        "pixel_values": torch.cat([one["pixel_values"] for one in seen]),
        "image_grid_thw": torch.cat([one["image_grid_thw"] for one in seen]),
        "holds": torch.from_numpy(np.concatenate([look.holds for look in looks])),
        "place": torch.from_numpy(np.concatenate([look.place for look in looks])),
        "told_of": torch.from_numpy(np.concatenate([look.told_of for look in looks])),
        "rank": torch.from_numpy(np.concatenate([look.rank for look in looks])),
        "digits": torch.from_numpy(np.concatenate([look.digits for look in looks])),
        "kind": torch.tensor([look.kind for look in looks]).repeat_interleave(sizes),
        "half_angle": torch.tensor([look.half_angle for look in looks]).repeat_interleave(sizes),
    }


@torch.no_grad()
def spread_positions(tower: Any) -> None:
    """Let the position embeddings of a tower begin as sines and cosines across and down the view.

    So where a token lies is told from the start, as strongly as what it shows. Of a square grid of positions, as
    Qwen3-VL has it, a quarter of the features each: sine and cosine across, sine and cosine down; of whole and half
    waves (the two-dimensional embedding of arXiv:2111.06377, A.1, with these wavelengths).
    """
    table = tower.pos_embed.weight  # [side * side, D]
    side, waves = math.isqrt(table.shape[0]), table.shape[1] // 4
    along = (torch.arange(side, dtype=torch.float32) + 0.5) / side * math.pi
    turns = along[:, None] * torch.linspace(0.5, side / 2, waves)  # [side, waves]
    one = torch.cat([turns.sin(), turns.cos()], dim=1)  # [side, 2 waves]
    across, down = one.expand(side, -1, -1), one[:, None].expand(-1, side, -1)
    table[:, : 4 * waves] = SPREAD * torch.cat([across, down], dim=-1).reshape(side * side, -1).to(table)


@torch.no_grad()
def whiten(tower: Any, looks: Sequence[Look], processor: Any) -> None:
    """Let the first map of a tower begin as a whitening of grey patches: what is rare in them then stands out.

    A nodule of 2 px adds little to a patch, whose greys mostly go up and down together. Whitened (ZCA), all directions
    have the same spread, and what is a bright point in the patch is a bright point in the feature. The idea for first
    layers: arXiv:2404.00498, 3.2. Features beyond the pixels of a patch keep the values they were drawn with.
    """
    weight, bias = tower.patch_embed.proj.weight, tower.patch_embed.proj.bias  # [D, 3, frames, P, P], [D]
    features, copies, pixels = weight.shape[0], weight.shape[1] * weight.shape[2], weight.shape[3] * weight.shape[4]
    if features < pixels:
        return
    shown = batch(looks, processor)["pixel_values"].view(-1, copies, pixels).double().mean(dim=1)  # of all colours
    mean = shown.mean(dim=0)
    variances, directions = torch.linalg.eigh(torch.cov(shown.T))
    scale = SPREAD / (variances + FLOOR * variances.mean()).sqrt()
    white = (directions * scale) @ directions.T  # [pixels, pixels]
    weight[:pixels] = (white / copies)[:, None, None].view(pixels, 1, 1, *weight.shape[3:]).to(weight)
    bias[:pixels] = -(white @ mean).to(bias)
