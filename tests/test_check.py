import asyncio
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.loop import play
from agent.policies.scripted import scripted
from agent.render import Rendered, render
from agent.trace import every_image
from envs.episode import Episode, Reply
from rl.check import INVARIANTS, Broken, checked, feature_counter, sampled
from tests.conftest import needs
from tests.sampled import ANSWER, call, changed, names, told, with_opening, with_reply, with_turn, written
from tools.tool import Spot

needs("torch", "torchvision", "transformers")


def test_a_whole_rollout_breaks_nothing(good):
    """Four images, four turns, two looks in one of them; every token was drawn by a real model."""
    episode, out = good.episode, good.rendered
    assert episode.stop == "answered"
    assert episode.verdict is not None
    assert [len(turn.images) for turn in episode.turns] == [1, 0, 2, 0]
    assert len(out.images) == 4
    assert [turn.reply.model_version for turn in episode.turns] == ["step 0", "step 0", "step 1", "step 1"]
    assert sum(out.mask) == episode.num_tokens > 100
    assert good.found() == checked(episode, good.chat, good.features) == []


@pytest.mark.parametrize("turns", [0, 1, 2, 3])
def test_a_rollout_that_was_broken_off_breaks_nothing(good, turns):
    begun = good.episode.model_copy(update={"turns": good.episode.turns[:turns], "stop": None, "verdict": None})
    assert good.found(episode=begun) == []
    limited = begun.model_copy(update={"stop": "turn_limit"})
    assert good.found(episode=limited) == []


def test_a_reply_of_no_tokens_breaks_nothing(good):
    """There was no room left for one."""
    empty = Reply(text="", finish="context", model_version="step 1")
    full = with_turn(good.episode, 4, reply=empty, acts=()).model_copy(update={"stop": "token_limit"})
    assert good.found(episode=full) == []


def test_what_nobody_sampled_breaks_nothing(make_env, question, chat):
    """Its tokens are those of its words; no model has a version, and no token a log-probability."""
    episode = asyncio.run(play(make_env(), scripted(["no call", call(chat, question.images[0]), ANSWER]), question))
    assert not sampled(episode)
    assert checked(episode, chat, lambda image: len(chat.image(image)) - 2) == []


def test_features_are_those_that_the_vision_tower_makes(good):
    import torch

    from agent.session import load_model

    model, processor = load_model(good.folder)
    for image in every_image(good.episode):
        seen = processor(images=[good.chat.picture(image)], return_tensors="pt")
        with torch.no_grad():
            made = model.get_image_features(seen["pixel_values"], seen["image_grid_thw"]).pooler_output
        assert len(made[0]) == good.features(image)


class Counted:
    """An image processor that makes six features of everything, and counts how often."""

    merge_size = 2

    def __init__(self):
        self.calls = 0

    def __call__(self, images, return_tensors):
        self.calls += len(images)
        return {"image_grid_thw": np.array([[1, 4, 6]])}


def test_features_are_counted_once_for_each_hash(good):
    counted = Counted()
    features = feature_counter(good.chat, counted)
    image = good.episode.opening.images[0]
    assert [features(image), features(image.model_copy())] == [6, 6]
    assert counted.calls == 1


def test_counts_are_forgotten_before_they_fill_the_memory(good):
    counted = Counted()
    features = feature_counter(good.chat, counted, most=2)
    first, second, third, _ = good.episode.images.values()
    for image, calls in ((first, 1), (second, 2), (first, 2), (third, 3), (third, 3), (first, 4)):
        features(image)
        assert counted.calls == calls


LENGTHS = {
    "an id too few": lambda out: replace(out, ids=out.ids[:-1]),
    "a flag too many": lambda out: replace(out, mask=[*out.mask, 0]),
    "a logprob too few": lambda out: replace(out, logprobs=out.logprobs[1:]),
    "no prompt": lambda out: replace(out, prompt=0),
    "a prompt past the end": lambda out: replace(out, prompt=len(out.ids) + 1),
}


@pytest.mark.parametrize("harm", LENGTHS)
def test_lengths_that_differ_are_found(good, harm):
    assert names(good.found(LENGTHS[harm](good.rendered))) == ["lengths"]


def test_lengths_are_told(good):
    out = good.rendered
    length = len(out.ids)
    (found,) = good.found(replace(out, mask=out.mask[:-2]))
    assert found.says == f"{length} ids, {length - 2} of the mask and {length} logprobs, expected as many of each"
    (found,) = good.found(replace(out, prompt=length + 1))
    assert found.says == f"the prompt ends at token {length + 1}, expected from 1 to {length}, where the ids end"


def without(out, place):
    """The tokens without the one at a place."""
    kept = [n for n in range(len(out.ids)) if n != place]
    parts = ([values[n] for n in kept] for values in (out.ids, out.mask, out.logprobs))
    return Rendered(*parts, images=out.images, prompt=out.prompt - (place < out.prompt))


def test_an_image_token_too_few_is_found(good):
    """Where the images of a whole batch would be dropped."""
    out, pad = good.rendered, good.chat.pad
    made = good.features(out.images[0])
    (found,) = good.found(without(out, out.ids.index(pad)))
    first = out.ids.index(pad)
    assert found == (
        "images",
        f"img0 (opening): {made - 1} tokens from token {first} on, expected {made}, its features",
    )


def test_an_image_token_too_many_is_found_where_it_is(good):
    """Not one elsewhere that makes up for it."""
    out, pad = good.rendered, good.chat.pad
    last = len(out.ids) - 1 - out.ids[::-1].index(pad)
    moved = without(out, out.ids.index(pad))
    more = Rendered(
        *([*values[:last], values[last - 1], *values[last:]] for values in (moved.ids, moved.mask, moved.logprobs)),
        images=moved.images,
        prompt=moved.prompt,
    )
    assert more.ids.count(pad) == out.ids.count(pad)
    assert names(good.found(more)) == ["images"]


@pytest.mark.parametrize("name", ["img0 (opening)", "img1 (turn 1)", "img3 (turn 3)"])
def test_a_tower_that_makes_other_features_of_an_image_is_found(good, name):
    odd = list(good.episode.images.values())[int(name[3])]
    (found,) = good.found(features=lambda image: good.features(image) + (image.hash == odd.hash))
    assert found.invariant == "images"
    assert found.says.startswith(f"{name}: ")
    assert found.says.endswith(f" expected {good.features(odd) + 1}, its features")


IMAGES = {
    "one too few": lambda images: images[:-1],
    "one too many": lambda images: [*images, images[0]],
    "none": lambda images: [],
    "two exchanged, of one size": lambda images: [*images[:2], images[3], images[2]],
}


@pytest.mark.parametrize("harm", IMAGES)
def test_images_that_are_not_those_shown_are_found(good, harm):
    out = good.rendered
    assert good.features(out.images[2]) == good.features(out.images[3])
    assert names(good.found(replace(out, images=IMAGES[harm](out.images)))) == ["images"]


def test_an_image_that_the_record_never_showed_is_found_with_its_tokens(good):
    out = good.rendered
    out.add(good.chat.image(out.images[0]))
    out.images.append(out.images[0])
    assert names(good.found(out)) == ["images"]


def test_images_are_told_with_their_tokens(good):
    out = good.rendered
    features = [good.features(image) for image in out.images]
    (found,) = good.found(replace(out, images=out.images[:-1]))
    assert found.says == (
        f"{sum(features)} tokens in 4 groups stand for 3 images of {sum(features[:-1])} features, "
        "expected a group for each image, and at most the 4 of the record"
    )


@pytest.mark.parametrize("step", [-1, 1])
def test_a_bracket_that_is_none_is_found(good, step):
    out, pad = good.rendered, good.chat.pad
    at = out.ids.index(pad) - 1 if step < 0 else len(out.ids) - out.ids[::-1].index(pad)
    assert out.ids[at] in good.chat.banned
    (found,) = good.found(replace(out, ids=changed(out.ids, at, good.chat.end)))
    assert found.invariant == "images"
    assert "stand around its tokens" in found.says


WRITTEN = {
    "a token of a reply is not marked": lambda out: replace(out, mask=changed(out.mask, written(out)[3], 0)),
    "the last token of a reply is not marked": lambda out: replace(out, mask=changed(out.mask, written(out)[-1], 0)),
    "a boundary is marked": lambda out: replace(out, mask=changed(out.mask, out.prompt - 1, 1)),
    "an image's token is marked": lambda out: replace(out, mask=changed(out.mask, out.prompt // 2, 1)),
    "the mask is neither 0 nor 1": lambda out: replace(out, mask=changed(out.mask, written(out)[3], 2)),
    "nothing is marked": lambda out: replace(out, mask=[0] * len(out.mask)),
    "everything is marked": lambda out: replace(out, mask=[1] * len(out.mask)),
    "a token is another": lambda out: replace(out, ids=changed(out.ids, written(out)[3], out.ids[0])),
}


@pytest.mark.parametrize("harm", WRITTEN)
def test_a_mask_that_is_not_that_of_the_replies_is_found(good, harm):
    assert names(good.found(WRITTEN[harm](good.rendered))) == ["written"]


def test_a_mask_is_told_by_turn_and_token(good):
    out, replies = good.rendered, [turn.reply.token_ids for turn in good.episode.turns]
    at = written(out)[len(replies[0]) + 2]
    other = replies[1][2] + 1
    (found,) = good.found(replace(out, ids=changed(out.ids, at, other)))
    said = f"turn 2: token {at}, marked as written, is {other}, expected {replies[1][2]}, token 2 of its reply"
    assert found == Broken("written", said)
    last = written(out)[len(replies[0]) + len(replies[1]) - 1]
    (found,) = good.found(replace(out, mask=changed(out.mask, last, 0)))
    said = f"turn 2: token {last}, marked as written, is missing, expected {replies[1][-1]}, token 11 of its reply"
    assert found == Broken("written", said)
    (found,) = good.found(replace(out, mask=[*out.mask[:at], *[0] * (len(out.ids) - at)]))
    assert found.invariant == "written"


def test_a_marker_of_an_image_that_was_written_is_found(good):
    reply = good.episode.turns[1].reply
    for token in good.chat.banned:
        ids = tuple(changed(reply.token_ids, 5, token))
        (found,) = good.found(episode=with_reply(good.episode, 2, token_ids=ids))
        banned = ", ".join(map(str, good.chat.banned))
        assert found == ("banned", f"turn 2: token 5 of its reply is {token}, expected none of {banned}")


def behind(out):
    """The place of the first token behind the first reply."""
    return out.mask.index(0, out.prompt)


PREFIX = {
    "a token of the opening": lambda out: replace(out, ids=changed(out.ids, 3, out.ids[3] + 1)),
    "a boundary": lambda out: replace(out, ids=changed(out.ids, behind(out), out.ids[behind(out)] + 1)),
    "a token of what came back": lambda out: replace(out, ids=changed(out.ids, behind(out) + 6, out.ids[0])),
    "a token is missing": lambda out: without(out, 3),
    "a token came after all": lambda out: replace(
        out, ids=[*out.ids, out.ids[0]], mask=[*out.mask, 0], logprobs=[*out.logprobs, 0.0]
    ),
    "the prompt is too short": lambda out: replace(out, prompt=out.prompt - 1),
    "the prompt is too long": lambda out: replace(out, prompt=out.prompt + 1),
}


@pytest.mark.parametrize("harm", PREFIX)
def test_tokens_that_the_policy_was_not_given_are_found(good, harm):
    assert names(good.found(PREFIX[harm](good.rendered))) == ["prefix"]


def test_a_mask_that_is_right_but_for_its_place_is_found(good):
    """The policy wrote a line break, and one stands before it: either could be marked."""
    newline = good.rendered.ids[good.rendered.prompt - 1]
    episode = with_reply(good.episode, 2, token_ids=(newline,), logprobs=(-0.5,), text="\n", finish="length")
    out = render(episode, good.chat)
    at = out.logprobs.index(-0.5)
    assert out.ids[at - 1] == out.ids[at]
    for values in (out.mask, out.logprobs):
        values[at - 1], values[at] = values[at], values[at - 1]
    (found,) = good.found(out, episode)
    assert found == ("prefix", f"turn 2: its reply begins at token {at - 1}, expected {at}, after its prompt")


class Revised(Episode):
    """An episode that is told otherwise once it has gone on."""

    def __getattribute__(self, name):
        found = super().__getattribute__(name)
        return f"{found} {len(self.turns)} turns were taken." if name == "system" else found


def test_a_beginning_that_changes_as_the_episode_goes_on_is_found(good):
    (found,) = good.found(episode=Revised.model_construct(**dict(good.episode)))
    assert found.invariant == "prefix"
    assert found.says.endswith("which it was when turn 1 was to be written")


def test_a_token_that_differs_is_told_by_turn_and_place(good):
    out = good.rendered
    (found,) = good.found(replace(out, ids=changed(out.ids, 3, out.ids[3] + 1)))
    says = f"token 3 is {out.ids[3] + 1}, expected {out.ids[3]}, which it was when turn 1 was to be written"
    assert found == Broken("prefix", says)
    later = behind(out)
    (found,) = good.found(replace(out, ids=changed(out.ids, later, out.ids[later] + 1)))
    assert found.says.endswith("which it was when turn 2 was to be written")


LOGPROBS = {
    "is not a number": (float("nan"), "nan"),
    "is endless": (-float("inf"), "-inf"),
    "is more than certain": (2e-6, "2e-06"),
}


@pytest.mark.parametrize("harm", LOGPROBS)
def test_a_logprob_that_is_none_is_found(good, harm):
    value, said = LOGPROBS[harm]
    odd = told(good.episode, 2, changed(good.episode.turns[1].reply.logprobs, 4, value))
    (found,) = good.found(episode=odd)
    place = written(good.rendered)[good.episode.turns[0].reply.num_tokens + 4]
    says = f"turn 2: the logprob of token {place} is {said}, expected a number of at most 0"
    assert found == Broken("logprobs", says)


def test_a_logprob_that_rounding_brought_above_0_is_let_pass(good):
    assert good.found(episode=told(good.episode, 2, changed(good.episode.turns[1].reply.logprobs, 4, 1e-6))) == []


def test_sampled_tokens_without_logprobs_are_found(good):
    (found,) = good.found(episode=told(good.episode, 3, ()))
    count = good.episode.turns[2].reply.num_tokens
    assert found == ("logprobs", f"turn 3: 0 logprobs, expected {count}, one for each token")


def test_a_logprob_at_the_wrong_place_is_found(good):
    out = good.rendered
    at = out.prompt - 1
    (found,) = good.found(replace(out, logprobs=changed(out.logprobs, at, -0.5)))
    assert found == ("logprobs", f"the logprob of token {at} is -0.5, expected 0.0, as the record has it")
    place = next(n for n in written(out) if out.logprobs[n] < -0.5)
    assert names(good.found(replace(out, logprobs=changed(out.logprobs, place, -0.25)))) == ["logprobs"]


def pixels_of(image, pixels):
    """The same record of an image, over other pixels."""
    other = image.model_copy()
    other._pixels = pixels
    return other


def test_other_pixels_are_found(good):
    image = good.episode.opening.images[0]
    other = pixels_of(image, changed(image.pixels.ravel(), 0, 255 - image.pixels[0, 0]))
    other._pixels = np.array(other._pixels, np.uint8).reshape(image.pixels.shape)
    (found,) = good.found(episode=with_opening(good.episode, other))
    assert found.invariant == "pixels"
    assert found.says.startswith("the pixels of img0 (opening) have the hash ")
    assert found.says.endswith(f", expected {image.hash}")


def test_other_pixels_are_found_also_where_they_are_only_learned_from(good):
    out = good.rendered
    other = pixels_of(out.images[1], 255 - out.images[1].pixels)
    (found,) = good.found(replace(out, images=changed(out.images, 1, other)))
    assert found.invariant == "pixels"
    assert found.says.startswith("the pixels of image 1 of those rendered have the hash ")


def test_pixels_without_a_hash_are_found(good):
    bare = good.episode.opening.images[0].model_copy(update={"hash": ""})
    (found,) = good.found(episode=with_opening(good.episode, bare))
    assert found.invariant == "pixels"
    assert found.says.endswith("expected one, and its record has none")


def test_pixels_of_another_size_than_the_record_are_found(good):
    """Its hash fits: the record is at odds with itself."""
    image = good.episode.opening.images[0]
    narrow = image.model_copy(update={"width": image.width - 1})
    (found,) = good.found(episode=with_opening(good.episode, narrow))
    assert found == ("pixels", "img0 (opening) is 256 x 256 px, expected 255 x 256, as its record says")


class Leaky(Episode):
    """An episode that tells its truth as soon as it has one."""

    def __getattribute__(self, name):
        found = super().__getattribute__(name)
        return f"{found} {self.truth.answer}" if name == "system" and self.truth else found


def test_a_truth_that_reaches_the_tokens_is_found(good):
    leaky = Leaky.model_construct(**dict(good.episode))
    (found,) = good.found(episode=leaky)
    assert found.invariant == "truth"
    assert found.says.endswith(", which it is without the truth")
    assert good.found(episode=leaky.model_copy(update={"truth": None})) == []


def test_a_reply_whose_tokens_say_something_else_is_found(good):
    """As where the tokens on disk are of another episode, or the model is another."""
    ids = good.episode.turns[1].reply.token_ids
    other = good.chat.encode("Z")[0]
    assert other != ids[3]
    (one,) = good.found(episode=with_reply(good.episode, 2, token_ids=(*ids[:3], other, *ids[4:])))
    assert one.invariant == "text"
    assert one.says.startswith("turn 2: its tokens say something else than its text from byte ")
    assert names(good.found(episode=with_reply(good.episode, 2, text="Another."))) == ["text"]


def test_a_turn_that_does_not_say_who_wrote_it_is_found(good):
    (found,) = good.found(episode=with_reply(good.episode, 2, model_version=""))
    assert found == ("version", "turn 2 has no model_version, expected the name of the model that wrote it")


@pytest.mark.parametrize(
    ("versions", "wrong"),
    [
        (("step 3", "step 2", "step 3", "step 3"), 2),
        (("step 9", "step 10", "step 10", "step 9"), 4),
        (("step 2", "pocket", "step 1", "step 2"), 3),
        (("step 0", "step 0", "step 7", "step 7"), None),
        (("pocket", "a-model", "pocket", "pocket"), None),
    ],
)
def test_an_episode_that_goes_back_to_an_older_model_is_found(good, versions, wrong):
    episode = good.episode
    for number, version in enumerate(versions, start=1):
        episode = with_reply(episode, number, model_version=version)
    found = good.found(episode=episode)
    assert names(found) == (["version"] if wrong else [])
    assert all(one.says.startswith(f"turn {wrong} was written by {versions[wrong - 1]!r}, expected") for one in found)


def test_an_episode_that_cannot_be_rendered_is_broken_in_words(good):
    act = good.episode.turns[0].acts[0]
    image = good.episode.opening.images[0]
    lost = act.observation.model_copy(update={"text": "{0}", "spots": (Spot(image="img9", shape=image.box),)})
    episode = with_turn(good.episode, 1, acts=(act.model_copy(update={"observation": lost}),))
    assert checked(episode, good.chat, good.features) == [("render", "cannot be judged: KeyError: 'img9'")]


def test_a_tower_that_refuses_an_image_is_told(good):
    def features(image):
        raise ValueError("absolute aspect ratio must be smaller than 200, got 256")

    (found,) = good.found(features=features)
    assert found == ("images", "cannot be judged: ValueError: absolute aspect ratio must be smaller than 200, got 256")


def test_every_invariant_has_a_name_and_rests_on_those_before_it():
    known = []
    for one in INVARIANTS:
        assert set(one.after) <= set(known)
        known.append(one.name)
    assert sorted(known) == [
        "banned", "images", "lengths", "logprobs", "pixels", "prefix", "text", "truth", "version", "written",
    ]  # fmt: skip


PLACES = st.integers(0, 10**6)
FAMILIES = st.sampled_from(["qwen2_5_vl", "qwen3_vl"])


@given(family=FAMILIES, places=st.sets(PLACES, min_size=1, max_size=4))
def test_whatever_is_flipped_in_the_mask_is_found(rollouts, family, places):
    good = rollouts(family)
    out = good.rendered
    for place in {place % len(out.mask) for place in places}:
        out.mask[place] = 1 - out.mask[place]
    assert good.found(out)


@given(family=FAMILIES, one=PLACES, other=PLACES)
def test_whatever_tokens_are_exchanged_it_is_found(rollouts, family, one, other):
    good = rollouts(family)
    out = good.rendered
    one, other = one % len(out.ids), other % len(out.ids)
    out.ids[one], out.ids[other] = out.ids[other], out.ids[one]
    assert bool(good.found(out)) == (out.ids[one] != out.ids[other])


@given(family=FAMILIES, place=PLACES, by=st.floats(-9, -1e-3))
def test_whatever_logprob_is_another_it_is_found(rollouts, family, place, by):
    good = rollouts(family)
    out = good.rendered
    out.logprobs[place % len(out.ids)] += by
    assert names(good.found(out)) == ["logprobs"]


@given(family=FAMILIES, place=PLACES)
def test_whatever_token_is_left_out_it_is_found(rollouts, family, place):
    good = rollouts(family)
    out = good.rendered
    assert good.found(without(out, place % len(out.ids)))
