"""A rollout that a tiny model sampled, and ways to change some of it."""

import asyncio

from agent.chats import chat_for
from agent.loop import play
from agent.render import render
from envs.env import ReadingEnv
from envs.tasks.discs import discs
from rl.check import broken, feature_counter
from tests.conftest import needs

needs("torch", "torchvision", "transformers")

ANSWER = "<think>Seen.</think><answer>9 mm</answer>"


def call(chat, image, name="zoom", shift=0):
    """The words that look at the middle half of img0, in the family's own numbers."""
    width, height = chat.canvas(image)
    box = [width // 4 + shift, height // 4, width * 3 // 4, height * 3 // 4]
    return f'<tool_call>{{"name": "{name}", "arguments": {{"image": "img0", "box": {box}}}}}</tool_call>'


def session_of(folder, wanted):
    """The model in a folder; while there are `wanted` tokens, it finds each in turn irresistible."""
    from agent.session import Session, load_model

    def pushed(module, inputs, logits):
        if wanted:
            logits = logits.clone()
            logits[..., wanted.pop(0)] += 1e4
        return logits

    model, processor = load_model(folder)
    model.lm_head.register_forward_hook(pushed)
    return Session(model, processor, chat_for(folder))


def rollout(folder, question, truth):
    """Sampled by the model in a folder: a look, twelve tokens of chance, two looks at once, the answer."""
    from agent.policies.local import of_session

    wanted = []
    session = session_of(folder, wanted)
    chat, image = session.chat, question.images[0]
    twice = call(chat, image, "crop", 4) + call(chat, image, "crop", 8)
    said = {0: call(chat, image), 2: f"<think>Again.</think>{twice}", 3: ANSWER}

    async def policy(episode):
        turn = len(episode.turns)
        wanted[:] = [*chat.encode(said[turn]), chat.end] if turn in said else []
        write = of_session(session, f"step {turn // 2}", 1.0, max_new_tokens=500 if turn in said else 12)
        return await write(episode)

    env = ReadingEnv([(question, truth)], tools=["zoom", "crop"])
    return asyncio.run(play(env, policy, question, seed=0))


class Rollout:
    """An episode, and all that it is checked with; nothing of it is changed by those who break it."""

    def __init__(self, folder):
        from transformers import AutoImageProcessor

        question, truth = next(discs("test"))
        self.folder = folder
        self.episode = rollout(folder, question, truth)
        self.chat = chat_for(folder)
        self.features = feature_counter(self.chat, AutoImageProcessor.from_pretrained(folder))

    @property
    def rendered(self):
        return render(self.episode, self.chat)

    def found(self, rendered=None, episode=None, chat=None, features=None):
        """What is broken, once some of it is another; tokens are those of the episode where they are not given."""
        episode, chat = episode or self.episode, chat or self.chat
        return broken(episode, rendered or render(episode, chat), chat, features or self.features)


def names(found):
    return [one.invariant for one in found]


def with_turn(episode, number, **changes):
    """The episode with another turn in the place of turn `number`, counted from 1."""
    turns = list(episode.turns)
    turns[number - 1] = turns[number - 1].model_copy(update=changes)
    return episode.model_copy(update={"turns": tuple(turns)})


def with_reply(episode, number, **changes):
    return with_turn(episode, number, reply=episode.turns[number - 1].reply.model_copy(update=changes))


def with_opening(episode, image):
    """The episode with another image in the place of img0."""
    return episode.model_copy(update={"opening": episode.opening.model_copy(update={"images": (image,)})})


def changed(values, place, value):
    return [*values[:place], value, *values[place + 1 :]]


def written(out):
    """Where the tokens lie that the policy wrote."""
    return [place for place, flag in enumerate(out.mask) if flag]


def told(episode, number, logprobs):
    """The episode with other log-probabilities in turn `number`, also those that a record refuses."""
    return with_reply(episode, number, logprobs=tuple(logprobs))
