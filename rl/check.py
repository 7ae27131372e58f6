"""What must hold of every rollout, before anything is learned from it.

The tokens, the pixels and the log-probabilities that a trainer is given are compared with the record, each in a way of
its own, so that a fault of `agent.render`, of a chat, of an engine or of a disk is met here and not in a loss. Turns
are counted from 1; tokens are counted from 0, from the beginning of the episode where nothing else is said.
"""

import math
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from functools import cache
from itertools import groupby
from typing import Any, NamedTuple

from agent.render import Chat, Rendered, render
from agent.trace import every_image
from envs.episode import Episode, Reply
from tools.image import Image, pixel_hash

HAIR = 1e-6
"""How far above 0 the rounding of an engine may bring a log-probability."""
STEP = re.compile(r"step (\d+)")
"""The name of a model that is being trained."""
RAISED = (ValueError, KeyError, OSError)
"""What comes of a record that contradicts itself."""
UNREADABLE = (ValueError, OSError, SyntaxError)
"""What comes of a picture's file that is broken."""

Features = Callable[[Image], int]
"""How many features the vision tower makes of an image."""


class Broken(NamedTuple):
    """An invariant that does not hold."""

    invariant: str
    says: str
    """The first place where it does not: what is there, and what was expected."""


class Case(NamedTuple):
    """What is looked at."""

    episode: Episode
    rendered: Rendered
    chat: Chat
    features: Features

    def again(self, **changes: Any) -> Rendered:
        """The episode rendered once more, with some of it changed."""
        return render(self.episode.model_copy(update=changes), self.chat)


class Invariant(NamedTuple):
    name: str
    problems: Callable[[Case], Iterator[str]]
    """Every place where it does not hold."""
    after: tuple[str, ...] = ()
    """Those without which this one means nothing: where one is broken, this one is not judged."""


def broken(episode: Episode, rendered: Rendered, chat: Chat, features: Features) -> list[Broken]:
    """The invariants that do not hold of an episode that was rendered by this chat."""
    case = Case(episode, rendered, _remembering(chat), features)
    found: dict[str, str] = {}
    for one in INVARIANTS:
        says = "" if found.keys() & set(one.after) else _first(one.problems, case)
        if says:
            found[one.name] = says
    return [Broken(name, says) for name, says in found.items()]


def checked(episode: Episode, chat: Chat, features: Features) -> list[Broken]:
    """Render an episode, and give the invariants that do not hold; "render" is one where it cannot be rendered."""
    try:
        rendered = render(episode, chat)
    except RAISED as error:
        return [Broken("render", _raised(error))]
    return broken(episode, rendered, chat, features)


def broken_pixels(episode: Episode) -> list[Broken]:
    """The invariant of the pixels alone: of an episode that nobody sampled, no other need hold."""
    says = next(_unlike(_named(episode)), "")
    return [Broken("pixels", says)] if says else []


def sampled(episode: Episode) -> bool:
    """Whether a model wrote tokens of it that were kept."""
    return any(turn.reply.token_ids for turn in episode.turns)


def feature_counter(chat: Chat, processor: Any, most: int = 100_000) -> Features:
    """Count the features that the vision tower makes of an image as the model's image processor prepares it.

    Counted once for each hash of pixels; up to `most` counts are remembered.
    """
    known: dict[str, int] = {}

    def features(image: Image) -> int:
        name = image.hash or image.id
        if name not in known:
            if len(known) == most:
                known.clear()
            seen = processor(images=[chat.picture(image)], return_tensors="pt")
            known[name] = int(seen["image_grid_thw"].prod()) // processor.merge_size**2
        return known[name]

    return features


def _remembering(chat: Chat) -> Chat:
    """The same chat; what it is given twice, it encodes once. An episode is rendered anew for each of its turns."""
    return replace(chat, encode=cache(chat.encode), quote=cache(chat.quote))


def _first(problems: Callable[[Case], Iterator[str]], case: Case) -> str:
    try:
        return next(problems(case), "")
    except RAISED as error:
        return _raised(error)


def _raised(error: Exception) -> str:
    return f"cannot be judged: {type(error).__name__}: {error}"


def _lengths(case: Case) -> Iterator[str]:
    """Ids, mask and logprobs are equally long, and the prompt lies within."""
    out = case.rendered
    length = len(out.ids)
    if not length == len(out.mask) == len(out.logprobs):
        yield f"{length} ids, {len(out.mask)} of the mask and {len(out.logprobs)} logprobs, expected as many of each"
    if not 0 < out.prompt <= length:
        yield f"the prompt ends at token {out.prompt}, expected from 1 to {length}, where the ids end"


def _pixels(case: Case) -> Iterator[str]:
    """The pixels shown are those of the record, and so are those that are learned from."""
    yield from _unlike(_named(case.episode))
    yield from _unlike((f"image {number} of those rendered", i) for number, i in enumerate(case.rendered.images))


def _unlike(images: Iterable[tuple[str, Image]]) -> Iterator[str]:
    """Which images have other pixels than their record says, or none."""
    for name, image in images:
        try:
            pixels = image.pixels
        except UNREADABLE as error:
            yield f"{name} cannot be read: {error}"
            continue
        (height, width), found = pixels.shape[:2], pixel_hash(pixels)
        if (width, height) != (image.width, image.height):
            yield f"{name} is {width} x {height} px, expected {image.width} x {image.height}, as its record says"
        if found != image.hash:
            yield f"the pixels of {name} have the hash {found}, expected {image.hash or 'one, and its record has none'}"


def _banned(case: Case) -> Iterator[str]:
    """No reply holds a token that would stand for an image."""
    for number, reply in _replies(case.episode):
        for place, token in enumerate(reply.token_ids):
            if token in case.chat.banned:
                allowed = ", ".join(map(str, case.chat.banned))
                yield f"turn {number}: token {place} of its reply is {token}, expected none of {allowed}"


def _text(case: Case) -> Iterator[str]:
    """The words of a reply are those of its tokens, without the one that ends it."""
    for number, reply in _replies(case.episode):
        ids = reply.token_ids[:-1] if reply.finish == "stop" else reply.token_ids
        told = case.chat.decode(ids) if reply.token_ids else reply.text
        if told != reply.text:
            at = _apart([*told.encode()], [*reply.text.encode()])
            yield f"turn {number}: its tokens say something else than its text from byte {at} on: {told[:40]!r} ..."


def _version(case: Case) -> Iterator[str]:
    """Every turn says which model wrote it, and none was written by an older one than the turn before."""
    newest = 0
    for number, reply in _replies(case.episode) if sampled(case.episode) else ():
        if not reply.model_version:
            yield f"turn {number} has no model_version, expected the name of the model that wrote it"
        step = STEP.fullmatch(reply.model_version)
        if step and int(step[1]) < newest:
            yield f"turn {number} was written by {reply.model_version!r}, expected 'step {newest}' or later, as before"
        newest = max(newest, int(step[1])) if step else newest


def _truth(case: Case) -> Iterator[str]:
    """Without the truth, and what was judged by it, the tokens are the same."""
    known, unknown = case.again().ids, case.again(truth=None, verdict=None).ids
    at = _apart(known, unknown)
    if at is not None:
        yield f"token {at} is {_token(known, at)}, expected {_token(unknown, at)}, which it is without the truth"


def _written(case: Case) -> Iterator[str]:
    """The mask is 1 where a reply stands, token by token, and 0 elsewhere."""
    out, replies, runs = case.rendered, list(_spoken(case)), _runs(case.rendered.mask)
    for place, value in enumerate(out.mask):
        if value not in (0, 1):
            yield f"the mask is {value} at token {place}, expected 0 or 1"
    for (number, _, tokens), run in zip(replies, runs, strict=False):
        at = _apart(tokens, out.ids[run])
        if at is not None:
            found, expected = _token(out.ids[run], at), _token(tokens, at)
            yield (
                f"turn {number}: token {run.start + at}, marked as written, is {found}, expected {expected}, "
                f"token {at} of its reply"
            )
    if len(replies) != len(runs):
        yield f"{len(runs)} stretches of tokens are marked as written, expected {len(replies)}, one for each reply"


def _logprobs(case: Case) -> Iterator[str]:
    """Every sampled token has the log-probability that it was sampled with; every other token has 0.0."""
    out = case.rendered
    expected = [0.0] * len(out.ids)
    for (number, reply, _), run in zip(_spoken(case), _runs(out.mask), strict=True):
        if not reply.token_ids:
            continue
        if len(reply.logprobs) != len(reply.token_ids):
            yield f"turn {number}: {len(reply.logprobs)} logprobs, expected {len(reply.token_ids)}, one for each token"
            return
        for place, value in enumerate(reply.logprobs, run.start):
            if not math.isfinite(value) or value > HAIR:
                yield f"turn {number}: the logprob of token {place} is {value}, expected a number of at most 0"
        expected[run] = reply.logprobs
    at = _apart(expected, out.logprobs)
    if at is not None:
        yield f"the logprob of token {at} is {out.logprobs[at]}, expected {expected[at]}, as the record has it"


def _images(case: Case) -> Iterator[str]:
    """Each image of the record has as many tokens, between its brackets, as the vision tower makes features of it."""
    out, named = case.rendered, list(_named(case.episode))
    groups = _runs([token == case.chat.pad for token in out.ids])
    if not len(groups) == len(out.images) <= len(named):
        tokens, features = out.ids.count(case.chat.pad), sum(map(case.features, out.images))
        yield (
            f"{tokens} tokens in {len(groups)} groups stand for {len(out.images)} images of {features} features, "
            f"expected a group for each image, and at most the {len(named)} of the record"
        )
        return
    for (name, shown), image, group in zip(named, out.images, groups, strict=False):
        yield from _image(case, name, shown, image, group)


def _image(case: Case, name: str, shown: Image, image: Image, group: slice) -> Iterator[str]:
    """What is wrong with one image, whose record is `shown`, and with its tokens."""
    ids, tokens, features = case.rendered.ids, group.stop - group.start, case.features(image)
    if image.hash != shown.hash:
        yield f"the pixels given for {name} have the hash {image.hash}, expected {shown.hash}, which was shown"
    if tokens != features:
        yield f"{name}: {tokens} tokens from token {group.start} on, expected {features}, its features"
    first, *_, last = case.chat.image(image)
    around = [*ids[group.start - 1 : group.start], *ids[group.stop : group.stop + 1]]
    if around != [first, last]:
        yield f"{name}: {around} stand around its tokens from token {group.start} on, expected {[first, last]}"


def _prefix(case: Case) -> Iterator[str]:
    """What the policy was given before each turn is the beginning of the whole, and its reply follows at once."""
    out, begins = case.rendered, dict(_beginnings(case))
    for number in range(1, len(case.episode.turns) + 1):
        prompt = case.again(turns=case.episode.turns[: number - 1], stop=None).ids
        at = _apart(prompt, out.ids[: len(prompt)])
        if at is not None:
            found, expected = _token(out.ids, at), _token(prompt, at)
            yield f"token {at} is {found}, expected {expected}, which it was when turn {number} was to be written"
        if begins.get(number, len(prompt)) != len(prompt):
            yield f"turn {number}: its reply begins at token {begins[number]}, expected {len(prompt)}, after its prompt"
        if number == 1 and out.prompt != len(prompt):
            yield f"the prompt ends at token {out.prompt}, expected {len(prompt)}, before turn 1"
    whole = case.again().ids
    at = _apart(whole, out.ids)
    if at is not None:
        yield f"token {at} is {_token(out.ids, at)}, expected {_token(whole, at)}, as the episode is rendered anew"


INVARIANTS = (
    Invariant("lengths", _lengths),
    Invariant("pixels", _pixels),
    Invariant("banned", _banned),
    Invariant("text", _text, after=("banned",)),
    Invariant("version", _version),
    Invariant("truth", _truth),
    Invariant("written", _written, after=("lengths",)),
    Invariant("logprobs", _logprobs, after=("lengths", "written")),
    Invariant("images", _images, after=("lengths", "written", "banned", "pixels")),
    Invariant("prefix", _prefix, after=("lengths", "written", "images")),
)


def _replies(episode: Episode) -> Iterator[tuple[int, Reply]]:
    """Each reply, and the number of its turn."""
    return ((number, turn.reply) for number, turn in enumerate(episode.turns, start=1))


def _spoken(case: Case) -> Iterator[tuple[int, Reply, list[int]]]:
    """Each reply with tokens, and those: as sampled; of one that nobody sampled, its words and its end."""
    for number, reply in _replies(case.episode):
        end = [case.chat.end] if reply.finish == "stop" else []
        tokens = [*reply.token_ids] or [*case.chat.encode(reply.text), *end]
        if tokens:
            yield number, reply, tokens


def _beginnings(case: Case) -> Iterator[tuple[int, int]]:
    """Each turn whose reply has tokens, and where they begin."""
    for (number, _, _), run in zip(_spoken(case), _runs(case.rendered.mask), strict=True):
        yield number, run.start


def _named(episode: Episode) -> Iterator[tuple[str, Image]]:
    """Every image that was shown, and what it is called in a sentence."""
    whence = ["opening"] * len(episode.opening.images)
    for number, turn in enumerate(episode.turns, start=1):
        whence += [f"turn {number}"] * len(turn.images)
    for number, (place, image) in enumerate(zip(whence, every_image(episode), strict=True)):
        yield f"img{number} ({place})", image


def _runs(flags: Iterable[int]) -> list[slice]:
    """The stretches, as long as they go, of what is not 0."""
    runs, at = [], 0
    for flag, stretch in groupby(flags, bool):
        start, at = at, at + len(list(stretch))
        if flag:
            runs.append(slice(start, at))
    return runs


def _apart(one: list[Any], other: list[Any]) -> int | None:
    """The first place where two differ, in what they hold or in that they end; None where they do not."""
    if one == other:
        return None
    pairs = zip(one, other, strict=False)
    return next((place for place, (a, b) in enumerate(pairs) if a != b), min(len(one), len(other)))


def _token(ids: Sequence[int], at: int) -> str:
    return str(ids[at]) if at < len(ids) else "missing"
