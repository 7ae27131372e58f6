"""What all layouts share when they are written: which episodes they hold, their images, their files."""

import json
import os
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

from agent.coordinates import Coordinates, in_pixels, moved
from agent.png import png
from agent.translate import translated
from envs.dialects.tags import tags
from envs.episode import Act, Answer, Episode, ToolCall, Turn
from envs.row_questions import ALPHABET
from envs.rows import DataError
from sft.formats.reading import MARK, PLACES
from tools.image import Image
from tools.lookup import find
from tools.tool import Tool

AS_SHOWN = in_pixels(lambda image: (image.width, image.height))
"""Places in px of the pictures written."""
UNSAMPLED: dict[str, Any] = {"token_ids": (), "logprobs": ()}
"""What lets a reply be written anew."""


def written(
    episodes: Iterable[Episode], path: Path, images: Path, record: Callable[[Episode, list[str]], dict[str, Any]]
) -> int:
    """Write what `record` makes of each episode and the names of its images: a list (.json), or a line each (.jsonl).

    Gives how many. The file is there once all is written. Raises DataError for an episode that the layout cannot hold,
    and where the names of the images would lead out of the file's folder.
    """
    if path.suffix not in (".json", ".jsonl"):
        raise DataError(f"{path}: traces are written to a .json or a .jsonl file")
    if not images.resolve().is_relative_to(path.parent.resolve()):
        raise DataError(f"{images}: the images must lie below {path.parent}, where the traces are")
    images.mkdir(parents=True, exist_ok=True)
    below = images.resolve().relative_to(path.parent.resolve()).as_posix()
    begin, between, end = ("[\n", ",\n", "\n]\n") if path.suffix == ".json" else ("", "\n", "\n")
    part, count = path.with_suffix(".part"), 0
    with open(part, "w", encoding="utf-8") as file:
        for episode in episodes:
            shown = [image.shown() for image in episode.images.values()]
            line = json.dumps(record(episode, [f"{below}/{image.hash}.png" for image in shown]), ensure_ascii=False)
            for image in shown:
                _keep(image, images / f"{image.hash}.png")
            file.write((between if count else begin) + line)
            count += 1
        file.write(end if count else "[]\n" if begin else "")
    os.replace(part, path)
    return count


def turns(
    episode: Episode, coordinates: Coordinates, held: Mapping[str, set[str]] | None = None, most_images: int = 1
) -> tuple[Turn, ...]:
    """The turns with their places in other coordinates. Raises DataError for what the layout cannot hold.

    `held` names the arguments that it has room for, by tool; None where it holds every tool and every refusal.
    """
    if episode.answer is None:
        raise cannot(episode, "it has not stopped with an answer")
    if episode.question.kind in PLACES:
        raise cannot(episode, f"there is no room for the truth of a {episode.question.kind} question, which is places")
    if len(episode.opening.images) > most_images:
        raise cannot(episode, f"{len(episode.opening.images)} images come with its question; there is room for one")
    if MARK in episode.question.text:
        raise cannot(episode, f"its question holds {MARK}, which stands for a picture")
    for number, turn in enumerate(episode.turns, start=1):
        for act in turn.acts:
            _check(episode, number, act, held)
    plain = tuple(t.model_copy(update={"reply": t.reply.model_copy(update=UNSAMPLED)}) for t in episode.turns)
    tools = {name: Tool(find("tools", name)) for name in episode.tools}
    return translated(episode.model_copy(update={"turns": plain}), coordinates, tools, tags()).turns


def about(episode: Episode, names: list[str]) -> dict[str, Any]:
    """What a record of any layout says of the question; other readers pass over the keys that they do not know."""
    question = episode.question
    return {
        "id": question.id.removeprefix(f"{question.origin}/"),
        "question": question.text,
        "question_type": question.kind,
        **({"options": list(question.choices)} if question.choices else {}),
        "answer": episode.truth.answer if episode.truth else episode.answer,
        "images": names,
    }


def asked(episode: Episode) -> str:
    """The question and its choices."""
    question = episode.question
    options = [f"({letter}) {text}" for letter, text in zip(ALPHABET, question.choices, strict=False)]
    return "\n".join([question.text, *(["Options: " + "\n".join(options)] if options else [])])


def words(act: Act, coordinates: Coordinates) -> str:
    """What a call was answered with, in words, places in the coordinates of the layout."""
    views = {image.id: image for image in act.observation.images}

    def place(spot: Any) -> Any:
        image = views.get(spot.image)
        return spot.shape if image is None else moved(spot.shape, image, coordinates.canvas(image))

    return act.observation.words(place)


def cannot(episode: Episode, why: str) -> DataError:
    return DataError(f"episode {episode.id or episode.question.id}: {why}")


def _check(episode: Episode, number: int, act: Act, held: Mapping[str, set[str]] | None) -> None:
    action = act.action
    if not isinstance(action, ToolCall | Answer):
        raise cannot(episode, f"turn {number} could not be read, and only calls and answers are written")
    if held is None or isinstance(action, Answer):
        return
    if action.name not in held:
        raise cannot(episode, f"turn {number} calls {action.name!r}; there is room for: {', '.join(held)}")
    if odd := [name for name in action.arguments if name not in held[action.name]]:
        known = ", ".join(sorted(held[action.name]))
        raise cannot(episode, f"turn {number}: there is no room for {odd[0]!r} of {action.name}, only for: {known}")
    if act.refused:
        raise cannot(episode, f"turn {number}: {action.name} was refused, and only what was carried out is written")


def _keep(image: Image, file: Path) -> None:
    if not file.exists():
        part = file.with_suffix(".part")
        part.write_bytes(png(image.pixels))
        os.replace(part, file)  # nobody ever takes half an image for a whole one
