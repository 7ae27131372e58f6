"""A vision tower learns where things lie, from a start in which they stand out."""

import math

import pytest

from tests.conftest import needs

needs("torch", "torchvision", "transformers")

from agent.chats.qwen import Limits  # noqa: E402
from agent.session import load_model  # noqa: E402  (after the check that it can be)
from sft.places import SPLIT, SPREAD, batch, scored, spread_positions, told, whiten  # noqa: E402
from sft.settings import Data  # noqa: E402
from sft.sources import opened  # noqa: E402
from sft.tower import MOST, looked_at  # noqa: E402

SIZES = Limits(patch=32, min_pixels=32**2, max_pixels=128**2)
"""Of the images of a tiny Qwen3-VL."""


TARGETS = ("holds", "place", "told_of", "rank", "digits", "kind", "half_angle")


def seen(family: str, count: int, sizes: Limits = SIZES):
    source = opened(Data(task={"name": family, "count": count}), {}, seed=0)
    return [look for number in range(count) for look in looked_at(source, number, sizes, (number,))]


@pytest.fixture(scope="module")
def tiny(tiny_models):
    model, processor = load_model(tiny_models("qwen3_vl"), "cpu", "float32")
    return model.model.visual, processor


def test_a_look_has_a_target_for_every_feature_of_the_tower(tiny):
    tower, processor = tiny
    given = batch(seen("count", 2) + seen("measure", 6), processor)
    features = tower(given["pixel_values"], grid_thw=given["image_grid_thw"]).pooler_output
    assert len(features) == len(given["holds"]) == len(given["place"]) == len(given["kind"]) == len(given["half_angle"])


def test_what_is_told_exactly_costs_nearly_nothing_and_is_measured_as_right(tiny):
    import torch

    given = batch(seen("count", 3) + seen("measure", 9), tiny[1])
    holds, place, told_of, rank, digits, kind, half = (given[key] for key in TARGETS)
    which = torch.nn.functional.one_hot(kind.clamp(min=0), 4) * 40.0
    turned = torch.stack([half.cos(), half.sin()], dim=-1).nan_to_num()
    ranked = torch.nn.functional.one_hot(rank.clamp(min=0), MOST) * 40.0
    said = torch.nn.functional.one_hot(digits.clamp(min=0), 10).flatten(1) * 40.0
    exact = torch.cat([holds * 80 - 40, place.nan_to_num(), told_of, which, turned, ranked, said], dim=-1)
    found = scored(exact, holds, place, told_of, rank, digits, kind, half)
    assert float(found["loss"]) < 1e-6
    assert (
        float(found["found"])
        == float(found["right"])
        == float(found["type"])
        == float(found["rank"])
        == float(found["digits"])
        == 1
    )
    assert float(found["off_told"]) == 0
    assert float(found["off_in_token"]) == pytest.approx(0, abs=1e-6)
    assert float(found["off_degrees"]) == pytest.approx(0, abs=1e-3)
    worse = scored(exact.roll(1, dims=0), holds, place, told_of, rank, digits, kind, half)
    assert float(worse["loss"]) > 1


def test_views_without_types_or_angles_give_a_finite_loss_that_is_learned_from(tiny):
    import torch

    tower, processor = tiny
    first = [look for look in seen("count", 4) if look.view.pixels.shape == (128, 128)]
    given, head = batch(first, processor), torch.nn.Linear(64, sum(SPLIT))
    pixels = {name: given.pop(name) for name in ("pixel_values", "image_grid_thw")}
    found = scored(told(tower, head, **pixels), **given)
    assert math.isfinite(float(found["loss"].detach()))
    found["loss"].backward()
    assert all(torch.isfinite(p.grad).all() for p in tower.parameters() if p.grad is not None)
    assert tower.patch_embed.proj.weight.grad.abs().sum() > 0


def test_a_whitened_tower_begins_with_patches_that_spread_alike_in_every_direction():
    import torch
    import transformers

    processor = transformers.Qwen2VLImageProcessor(patch_size=4, merge_size=2, temporal_patch_size=2)
    shape = {"depth": 1, "hidden_size": 32, "intermediate_size": 32, "num_heads": 1, "patch_size": 4}
    config = transformers.Qwen3VLConfig(vision_config=shape | {"deepstack_visual_indexes": []}).vision_config
    tower = transformers.AutoModel.from_config(config)
    drawn = tower.patch_embed.proj.weight[16:].clone()
    whiten(tower, seen("count", 6), processor)
    patches = batch(seen("count", 6), processor)["pixel_values"]
    white = tower.patch_embed(patches)[:, :16].detach()
    spread = torch.cov(white.T)
    assert torch.allclose(white.mean(dim=0), torch.zeros(16), atol=1e-4)
    assert torch.allclose(spread.diag(), torch.full((16,), SPREAD**2), rtol=0.5)
    assert float((spread - spread.diag().diag()).abs().max()) < 0.1 * SPREAD**2
    assert torch.equal(tower.patch_embed.proj.weight[16:], drawn)


def test_positions_that_begin_as_sines_tell_where_a_token_lies(tiny):
    import torch

    tower, _ = tiny
    spread_positions(tower)
    table = tower.pos_embed.weight.detach().double()
    side = math.isqrt(len(table))
    rows, columns = torch.meshgrid(torch.arange(side), torch.arange(side), indexing="ij")
    where = torch.stack([columns.flatten(), rows.flatten()], dim=1) / side
    known = torch.cat([table, torch.ones(len(table), 1).double()], dim=1)
    linear = torch.linalg.pinv(known) @ where.double()
    assert float((known @ linear - where).abs().max()) < 0.02
