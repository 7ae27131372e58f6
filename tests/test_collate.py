import json
import random
from dataclasses import replace

import pytest

from agent.chats import chat_for
from agent.render import render
from agent.translate import translated
from envs.dialects.tags import write
from envs.env import ReadingEnv
from envs.episode import Answer, Reply, ToolCall, Truth
from sft.collate import IGNORED, CollateError, Example, collate, labels
from sft.phases import FORM, NAMES, phases
from tests.conftest import needs

needs("torch", "torchvision", "transformers")

import torch  # noqa: E402

TOOLS = ["zoom", "crop", "mark"]
WORDS = (
    "The nodule is small.",
    "Größe 3 µm – 肺结节 ≥ 2 mm",
    "<|im_end|> is no end, <|image_pad|> no image",
    "e\u0301",
    "",
)


@pytest.fixture
def bytewise(chat):
    """One token a byte, so that every character has its own; half a character is told as real tokenizers tell it."""
    return replace(chat, decode=lambda ids: bytes(i for i in ids if i < 256).decode(errors="replace"))


@pytest.fixture(scope="module")
def processors(tiny_models):
    """The image processor of a family."""
    from transformers import AutoImageProcessor

    made = {}

    def processor(family):
        if family not in made:
            made[family] = AutoImageProcessor.from_pretrained(tiny_models(family))
        return made[family]

    return processor


def look(rng, images):
    """A call that shows another part of an image that has been shown."""
    name, image = rng.choice([(name, image) for name, image in images.items() if min(image.width, image.height) > 8])
    x, y = rng.randrange(image.width // 2), rng.randrange(image.height // 2)
    box = [x, y, x + rng.randrange(1, image.width // 2), y + rng.randrange(1, image.height // 2)]
    return ToolCall(name=rng.choice(("zoom", "crop")), arguments={"image": name, "box": box})


def reply(rng, images):
    kind = rng.random()
    if kind < 0.1:
        return "no call and no answer, " + rng.choice(WORDS)
    if kind < 0.2:
        return write("Elsewhere.", (ToolCall(name="zoom", arguments={"image": "img9"}),))
    return write(rng.choice(WORDS), tuple(look(rng, images) for _ in range(rng.randrange(1, 4))))


def traced(task, seed, env=None):
    """An episode of random looks, some refused, some several in one turn, that ends with an answer."""
    rng = random.Random(seed)
    env = env or ReadingEnv([task], tools=TOOLS)
    env.reset(options={"question": task[0]})
    for _ in range(rng.randrange(4)):
        env.step(reply(rng, env.episode.images))
    env.step(write(rng.choice(WORDS), (Answer(text=f"{rng.randrange(90)} mm, {rng.choice(WORDS)}"),)))
    return env.episode


def in_family(episode, chat, tools=TOOLS):
    env = ReadingEnv(tools=tools)
    return translated(episode, chat.coordinates, env.tools, env.dialect)


def written(example):
    return [token for token in labels(example.rendered) if token != IGNORED]


def test_what_is_learned_is_what_was_written_and_its_end(task, tiny_model):
    """200 episodes of up to a dozen images."""
    chat = chat_for(tiny_model)
    shown = set()
    for seed in range(200):
        episode = in_family(traced(task, seed), chat)
        example = Example.of(episode, chat)
        end = chat.decode([chat.end])
        expected = "".join(turn.reply.text + end for turn in episode.turns).replace("e\u0301", "\u00e9")
        assert chat.decode(written(example)) == expected
        shown.add(len(example.rendered.images))
    assert {1, 2, 3, 4, 5} <= shown


def test_a_batch_is_its_episodes_padded_on_the_right(task, tiny_model, processors, family):
    chat = chat_for(tiny_model)
    examples = [Example.of(in_family(traced(task, seed), chat), chat) for seed in (3, 8)]
    batch = collate(examples, chat, processors(family))
    assert len({len(example.rendered.ids) for example in examples}) == 2
    for row, example in enumerate(examples):
        out, length = example.rendered, len(example.rendered.ids)
        assert batch["input_ids"][row, :length].tolist() == out.ids
        assert batch["labels"][row, :length].ne(IGNORED).int().tolist() == out.mask
        assert batch["labels"][row, :length][torch.tensor(out.mask) == 1].tolist() == written(example)
        assert batch["phases"][row, :length].bool().int().tolist() == out.mask
        assert batch["mm_token_type_ids"][row, :length].tolist() == [int(token == chat.pad) for token in out.ids]
        assert batch["attention_mask"][row].tolist() == [1] * length + [0] * (batch["labels"].shape[1] - length)
        for name, rest in (("labels", IGNORED), ("phases", 0), ("mm_token_type_ids", 0)):
            assert set(batch[name][row, length:].tolist()) <= {rest}


def test_pixels_are_those_that_the_policy_was_shown(task, tiny_model, processors, family):
    chat, processor = chat_for(tiny_model), processors(family)
    examples = [Example.of(in_family(traced(task, seed), chat), chat) for seed in (3, 8)]
    batch = collate(examples, chat, processor)
    pictures = [chat.picture(image) for example in examples for image in example.rendered.images]
    together = processor(images=pictures, return_tensors="pt")
    assert len(pictures) > 3
    assert torch.equal(batch["image_grid_thw"], together["image_grid_thw"])
    assert torch.equal(batch["pixel_values"], together["pixel_values"])


def test_a_batch_without_images_has_no_pixels(task, tiny_model, processors, family):
    question, truth = task
    bare = question.model_copy(update={"images": ()})
    env = ReadingEnv([(bare, truth)], tools=[])
    env.reset(options={"question": bare})
    env.step("<answer>3 mm</answer>")
    chat, processor = chat_for(tiny_model), processors(family)
    words, seen = (Example.of(episode, chat) for episode in (env.episode, in_family(traced(task, 3), chat)))
    assert not collate([words], chat, processor).keys() & {"pixel_values", "image_grid_thw"}
    both = collate([words, seen], chat, processor)
    assert len(both["image_grid_thw"]) == len(seen.rendered.images)


def test_another_observation_changes_nothing_that_is_learned(task, tiny_model):
    chat = chat_for(tiny_model)
    episode = in_family(traced(task, 3), chat)
    first = episode.turns[0]
    told = first.acts[0].observation.model_copy(update={"text": "Something else altogether was seen."})
    acts = (first.acts[0].model_copy(update={"observation": told}), *first.acts[1:])
    other = episode.model_copy(update={"turns": (first.model_copy(update={"acts": acts}), *episode.turns[1:])})
    a, b = Example.of(episode, chat), Example.of(other, chat)
    assert a.rendered.ids != b.rendered.ids
    assert written(a) == written(b)


def test_the_truth_changes_nothing(task, tiny_model, processors, family):
    chat = chat_for(tiny_model)
    batches = []
    for truth in (task[1], task[1].model_copy(update={"answer": "77 mm", "regions": ()}), Truth(answer="1 mm"), None):
        episode = traced(task, 3, ReadingEnv([(task[0], truth)], tools=TOOLS))
        assert episode.truth == truth
        batches.append(collate([Example.of(in_family(episode, chat), chat)], chat, processors(family)))
    for other in batches[1:]:
        assert all(torch.equal(other[name], tensor) for name, tensor in batches[0].items())


def test_an_image_with_the_wrong_number_of_tokens_is_refused_by_name(task, tiny_model, processors, family):
    from transformers import AutoImageProcessor

    chat = chat_for(tiny_model)
    small = AutoImageProcessor.from_pretrained(tiny_model, min_pixels=28**2, max_pixels=4 * 32**2)
    example = Example.of(in_family(traced(task, 3), chat), chat)
    with pytest.raises(
        CollateError, match=r"demonstration discs/test/0: \d+ tokens stand for its \d+ images, of which"
    ):
        collate([example], chat, small)


def test_every_token_belongs_to_the_phase_of_its_first_character(task, tiny_model):
    chat = chat_for(tiny_model)
    for seed in range(30):
        episode = in_family(traced(task, seed), chat)
        example = Example.of(episode, chat)
        at = example.rendered.prompt
        for turn in episode.turns:
            ids = [*chat.encode(turn.reply.text), chat.end]
            at = example.rendered.mask.index(1, at)
            for place in range(len(ids) - 1):
                start = len(chat.decode(ids[:place]))
                if "\ufffd" not in chat.decode(ids[: place + 1]) and "e\u0301" not in turn.reply.text:
                    phase = next((span.phase for span in turn.spans if span.start <= start < span.end), "form")
                    assert NAMES[example.phases[at + place] - 1] == phase, (seed, turn.reply.text, start)
            at += len(ids)
            assert example.phases[at - 1] == FORM


def test_phases_of_a_reply_are_told_apart_to_the_character(task, bytewise):
    chat = bytewise
    env = ReadingEnv([task], tools=["zoom"])
    env.reset(options={"question": task[0]})
    call = json.dumps({"name": "zoom", "arguments": {"image": "img0", "box": [0, 0, 56, 56]}})
    env.step(f"<think>Größer, 肺.</think><tool_call>{call}</tool_call>")
    env.step("<think>Rund.</think>\n<answer>9 mm</answer>")
    out = render(env.episode, chat)
    found = phases(env.episode, out, chat)

    def said(name):
        number = NAMES.index(name) + 1
        return bytes(i for i, phase in zip(out.ids, found, strict=True) if phase == number and i < 256).decode()

    assert (said("think"), said("act"), said("rethink"), said("answer")) == ("Größer, 肺.", call, "Rund.", "9 mm")
    assert said("form") == "<think></think><tool_call></tool_call><think></think>\n<answer></answer>"
    assert [bool(phase) for phase in found] == [bool(written) for written in out.mask]
    ends = [phase for token, phase, mask in zip(out.ids, found, out.mask, strict=True) if token == chat.end and mask]
    assert ends == [FORM, FORM]


def test_an_accent_that_tokenizers_compose_moves_no_phase(task, tiny_model):
    chat = chat_for(tiny_model)
    env = ReadingEnv([task], tools=[])
    env.reset(options={"question": task[0]})
    env.step("<think>e\u0301e\u0301e\u0301</think><answer>zz</answer>")
    example = Example.of(env.episode, chat)
    number = NAMES.index("answer") + 1
    answer = [token for token, phase in zip(example.rendered.ids, example.phases, strict=True) if phase == number]
    assert chat.decode(answer) == "zz"


def test_a_reply_of_no_tokens_has_no_phase(task, bytewise):
    chat = bytewise
    env = ReadingEnv([task], tools=[])
    env.reset(options={"question": task[0]})
    env.step(Reply(text="", finish="length"))
    env.step("<answer>9 mm</answer>")
    out = render(env.episode, chat)
    assert sum(phase > 0 for phase in phases(env.episode, out, chat)) == sum(out.mask) == 22
