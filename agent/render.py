"""The one place where an episode becomes tokens.

Sampling, SFT and GRPO all call `render`, so a policy is trained on exactly the tokens it saw and wrote. Sampled
tokens are copied from the episode; only words that nobody sampled are tokenized, piece by piece, so that each
prompt begins with the last.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from agent.conversation import Part, Quote, conversation
from agent.coordinates import Coordinates
from envs.episode import Episode, Reply
from tools.image import Image
from tools.tool import Size


@dataclass(frozen=True)
class Chat:
    """How a family of models is written to: its markers, its images, its way to write places."""

    encode: Callable[[str], list[int]]
    """Our own words, and replies: `<tool_call>` and its like become the family's tokens; special tokens never."""
    quote: Callable[[str], list[int]]
    """Words of others: plain text throughout, whatever stands in them."""
    decode: Callable[[Sequence[int]], str]
    """Every token as text, special ones too."""
    open: Callable[[str], list[int]]
    """The header of a message of this role: system, user, assistant."""
    end: int
    """Ends every message, and is the last token that a policy samples."""
    gap: tuple[int, ...]
    """What stands between `end` and the next header."""
    image: Callable[[Image], list[int]]
    """An image's tokens: `pad` once for each feature of the vision tower, between its brackets."""
    pad: int
    banned: tuple[int, ...]
    """Tokens that a policy must never sample: they would stand for images that are not there."""
    picture: Callable[[Image], Any]
    """The pixels as a PIL image, RGB, ready for the model's own image processor."""
    coordinates: Coordinates

    def canvas(self, image: Image) -> Size:
        """(width, height) of an image in the coordinates that the family writes."""
        return self.coordinates.canvas(image)


@dataclass
class Rendered:
    """An episode as a model takes it; L tokens."""

    ids: list[int] = field(default_factory=list)  # [L]
    mask: list[int] = field(default_factory=list)  # [L] 1 where the policy wrote the token
    logprobs: list[float] = field(default_factory=list)  # [L] as sampled; 0.0 where mask is 0, or unknown
    images: list[Image] = field(default_factory=list)  # in the order of their tokens
    prompt: int = 0  # tokens before the first reply

    def add(self, ids: Sequence[int], written: bool = False, logprobs: Sequence[float] = ()) -> None:
        self.ids += ids
        self.mask += [int(written)] * len(ids)
        self.logprobs += logprobs or [0.0] * len(ids)


def render(episode: Episode, chat: Chat) -> Rendered:
    """All of an episode so far, ending where the policy is to write next, or with its last reply where it stopped."""
    out = Rendered()
    replied = False
    for said in conversation(episode, chat.coordinates):
        if isinstance(said, Reply):
            out.prompt = out.prompt or len(out.ids)
            _write(out, chat, said)
            replied = True
            continue
        if replied:
            _close(out, chat)
        out.add(chat.open(said.role))
        for part in said.parts:
            _tell(out, chat, part)
        out.add([chat.end, *chat.gap])
        if said.role == "user":
            out.add(chat.open("assistant"))
    out.prompt = out.prompt or len(out.ids)
    return out


def _tell(out: Rendered, chat: Chat, part: Part) -> None:
    if isinstance(part, Image):
        out.add(chat.image(part))
        out.images.append(part)
    else:
        out.add(chat.quote(part.text) if isinstance(part, Quote) else chat.encode(part))


def _write(out: Rendered, chat: Chat, reply: Reply) -> None:
    """A reply as it was sampled; one that nobody sampled is tokenized, and ends if its writer meant it to."""
    if reply.token_ids or reply.finish != "stop":
        out.add(reply.token_ids or chat.encode(reply.text), written=True, logprobs=reply.logprobs)
    else:
        out.add([*chat.encode(reply.text), chat.end], written=True)


def _close(out: Rendered, chat: Chat) -> None:
    """What the policy did not write of the end of its message: also `end`, where it was cut off before that."""
    ended = out.mask[-1] == 1 and out.ids[-1] == chat.end
    out.add(chat.gap if ended else [chat.end, *chat.gap])
