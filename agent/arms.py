"""The arms of an evaluation: one policy, and one way in which all questions are put to it.

tools   none       no tools                       image   real      the study
        auto       tools, as it likes                     blank     nothing to see: is the answer in the words?
        forced     no answer before a tool call           shuffled  the study of another question
        oracle     no tools, but the evidence shown       blur/1 .. noise/3  corrupted
        noisy      the same, shown beside its place
views   real, or what tools show is: blank, shuffled (of another question), elsewhere (another part of the plane)
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal

import numpy as np

from agent.alterations import altered, blank, corruption, elsewhere, of, view_of
from envs.env import ReadingEnv
from envs.episode import Question, Truth
from tools.geometry import Box, Frozen
from tools.image import Image, Place

Tools = Literal["none", "auto", "forced", "oracle", "noisy"]
Views = Literal["real", "blank", "shuffled", "elsewhere"]
MARGIN = 1.0
"""How much is shown around the evidence on each side, as a share of its size."""
LEAST_PX = 16
"""The evidence is shown with at least so many px of the source in each direction."""


class Arm(Frozen):
    """One way of putting the questions to one policy."""

    policy: str
    tools: Tools = "auto"
    image: str = "real"
    views: Views = "real"
    seed: int = 0

    @property
    def name(self) -> str:
        """As it is called in a report: "qwen, tools none", "qwen, image blank"."""
        usual = Arm(policy=self.policy)
        said = [f"{f} {getattr(self, f)}" for f in ("tools", "image", "views", "seed") if self._is_told(f, usual)]
        return ", ".join([self.policy, *said])

    def _is_told(self, field: str, usual: "Arm") -> bool:
        return bool(getattr(self, field) != getattr(usual, field))


def environment(
    arm: Arm, settings: Mapping[str, Any], tasks: Sequence[tuple[Question, Truth]], others: Mapping[str, Question]
) -> ReadingEnv:
    """An environment for these questions. `others`: for a source, the question whose study stands in for it."""
    table = dict(settings)
    if arm.tools in ("none", "oracle", "noisy"):
        table["tools"] = ()
    if arm.tools == "forced":
        table["tool_use"] = "forced"
    seen: dict[str, Callable[[Image], Image] | None] = {
        "real": None,
        "blank": lambda image: view_of(image, blank, "blank"),
        "shuffled": lambda image: view_of(image, of(others[image.source].images[0]), "shuffled"),
        "elsewhere": elsewhere,
    }
    return ReadingEnv(tasks, seen=seen[arm.views], **table)


def put(arm: Arm, question: Question, truth: Truth, other: Question) -> Question:
    """The question as this arm puts it."""
    if arm.image == "blank":
        question = altered(question, blank, "blank")
    elif arm.image == "shuffled":
        question = altered(question, of(other.images[0]), "shuffled")
    elif arm.image != "real":
        name, _, level = arm.image.partition("/")
        question = altered(question, corruption(name, int(level)), arm.image, arm.seed)  # type: ignore[arg-type]
    if arm.tools in ("oracle", "noisy"):
        rng = np.random.default_rng([arm.seed, int(question.study.id[:8], 16)])
        shown = evidence(question, truth, rng if arm.tools == "noisy" else None)
        question = question.model_copy(update={"images": (*question.images, *shown)})
    return question


def evidence(question: Question, truth: Truth, rng: np.random.Generator | None = None) -> tuple[Image, ...]:
    """Close views of where the evidence lies; with `rng` each is shifted by up to its own size."""
    views = []
    for place in truth.regions:
        first = next((image for image in question.images if image.source == place.source), None)
        if first is None:
            continue
        whole = first if (first.axis, first.index) == (place.axis, place.index) else _plane(first, place)
        part = around(place, whole, rng)
        views.append(whole.look(window=part))
    return tuple(views)


def around(place: Place, image: Image, rng: np.random.Generator | None = None) -> Box:
    """Whole px of the plane around a place, with a margin."""
    height, width = image.data.plane_shape(image.axis)
    shape = place.shape
    middle = shape.center if isinstance(shape, Box) else shape
    w, h = (shape.width, shape.height) if isinstance(shape, Box) else (0.0, 0.0)
    x, y = middle.x, middle.y
    w, h = max(w * (1 + 2 * MARGIN), LEAST_PX), max(h * (1 + 2 * MARGIN), LEAST_PX)
    if rng is not None:
        x, y = x + rng.uniform(-w, w), y + rng.uniform(-h, h)
    x0, y0 = min(max(round(x - w / 2), 0), width - 1), min(max(round(y - h / 2), 0), height - 1)
    return Box(
        x0=x0, y0=y0, x1=min(max(round(x + w / 2), x0 + 1), width), y1=min(max(round(y + h / 2), y0 + 1), height)
    )


def _plane(first: Image, place: Place) -> Image:
    """The plane of a place, in the greys of the first view."""
    return Image.of(first.data, place.axis, place.index, limit=first.limit, grey=first.grey)
