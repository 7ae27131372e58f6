"""A reader that knows the truth: the ceiling of an evaluation, and a check that the right answer is graded right.

It looks where the evidence is, with the tools at hand, and answers what is true. It is the only policy that is given
the truth, by the one argument that no other policy takes.
"""

from collections.abc import Callable

from agent.arms import around
from agent.loop import Policy, PolicyError
from envs.answers import written
from envs.episode import Action, Answer, Episode, Reply, ToolCall, Truth
from tools.image import Image, Place
from tools.lookup import find


def oracle(truth_of: Callable[[str], Truth] | None = None, dialect: str = "tags") -> Policy:
    """A policy that answers with the truth; `truth_of` gives it for the id of a question.

    Raises PolicyError without it: where there is no known truth, nobody can know it.
    """
    if truth_of is None:
        raise PolicyError("oracle knows the truth, which only an evaluation has; use it with `overread eval`")
    write = find("envs.dialects", dialect)().write

    async def policy(episode: Episode) -> Reply:
        truth = truth_of(episode.question.id)
        refused = [act.action for turn in episode.turns for act in turn.acts if act.refused]
        call = _look(episode, truth) if not refused else None
        if refused and isinstance(refused[-1], Answer) and not episode.tool_calls:  # a tool must be used first
            call = ToolCall(name="zoom", arguments={"image": "img0", "box": episode.images["img0"].box.numbers})
        if call is not None:
            return Reply(text=write("The evidence lies here.", (call,)))
        return Reply(text=write("I know the truth.", (_answer(episode, truth),)))

    return policy


def _look(episode: Episode, truth: Truth) -> ToolCall | None:
    """The next view of the evidence: first its plane, then the place itself; None where all has been seen."""
    done = [call.name for call in episode.tool_calls]
    if not truth.regions or "zoom" in done or "zoom" not in episode.tools:
        return None
    place = truth.regions[0]
    name, image = _view(episode, place)
    if (image.axis, image.index) != (place.axis, place.index):
        tool = "frame" if image.data.axes == "tyx" else "slice"
        return _opening(tool, name, image, place) if tool in episode.tools and tool not in done else None
    part = image.from_source.box(around(place, image, None)).intersection(image.box)
    return None if part is None else ToolCall(name="zoom", arguments={"image": name, "box": part.numbers, "factor": 4})


def _opening(tool: str, name: str, image: Image, place: Place) -> ToolCall:
    axis = {"axis": str(place.axis)} if tool == "slice" and place.axis != image.axis else {}
    return ToolCall(name=tool, arguments={"image": name, "index": place.index, **axis})


def _answer(episode: Episode, truth: Truth) -> Action:
    if episode.question.kind not in ("boxes", "points"):
        return Answer(text=truth.answer)
    return Answer(text=written([(*_view(episode, place), place) for place in truth.regions]))


def _view(episode: Episode, place: Place) -> tuple[str, Image]:
    """The first view of the plane of a place, or of its source."""
    of_source = [(name, image) for name, image in episode.images.items() if image.source == place.source]
    of_plane = [(n, i) for n, i in of_source if (i.axis, i.index) == (place.axis, place.index)]
    return (of_plane or of_source)[0]
