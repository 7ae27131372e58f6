"""Honest readers of the made-up families: they see pixels and words, never a truth.

A reader works on what its `Eyes` show it. With tools they act in a real environment; without, the same reader gets by
with the first views, enlarged, and with the best constant where a scale is missing.
"""

import json
import re
from collections.abc import Callable
from typing import Any, NamedTuple

import cv2
import numpy as np

from envs.dialects import tags
from envs.env import ReadingEnv
from envs.episode import Act, Answer, Episode, Question, ToolCall
from tools.geometry import Box
from tools.image import Image

KINDS = ("solid", "cavitated", "stellate", "clustered")
PATCH = 32
"""Side of a close look at a lesion, which fills half of it, px."""
USUAL_MM = 0.3
"""What a reader without a ruler takes a pixel of a source to be: about the middle of what is usual."""


class Eyes:
    """How a reader looks at one question."""

    def __init__(self, env: ReadingEnv, question: Question, tools: bool):
        self.env, self.question, self.tools = env, question, tools
        env.reset(options={"question": question})

    @property
    def images(self) -> list[Image]:
        return list(self.env.episode.images.values())

    def use(self, *calls: tuple[str, dict[str, Any]]) -> tuple[Act, ...]:
        """Call tools, all in one turn."""
        assert self.tools, "this reader has no tools"
        self.env.step(tags.write("", tuple(ToolCall(name=name, arguments=given) for name, given in calls)))
        acts = self.env.episode.turns[-1].acts
        assert not any(act.refused for act in acts), acts
        return acts

    def answer(self, text: str) -> Episode:
        self.env.step(tags.write("", (Answer(text=text),)))
        return self.env.episode

    def close(self, places: list[tuple[int, Box]], factor: float) -> list[np.ndarray]:
        """Parts of views (number, box) at `factor` times their size: cut from the source, or only blown up."""
        if self.tools:
            calls = [("zoom", {"image": f"img{n}", "box": box.numbers, "factor": factor}) for n, box in places]
            return [act.observation.images[0].pixels for act in self.use(*calls)] if calls else []
        cut = [(self.images[n].pixels, box) for n, box in places]
        parts = [pixels[int(box.y0) : int(box.y1), int(box.x0) : int(box.x1)] for pixels, box in cut]
        return [cv2.resize(part, None, fx=factor, fy=factor, interpolation=cv2.INTER_CUBIC) for part in parts]


class Spot(NamedTuple):
    x: int
    y: int
    """The middle of 2 by 2 bright px."""


def spots(pixels: np.ndarray) -> list[Spot]:
    """Small bright spots of a view, each 2 by 2 px; what stands out less by far is background."""
    values = pixels.astype(np.float32)
    stands_out = cv2.blur(values, (2, 2), anchor=(1, 1)) - cv2.blur(values, (6, 6), anchor=(3, 3))
    stands_out[0], stands_out[:, 0] = -np.inf, -np.inf  # no middle of 2 by 2 px
    found, heights = [], []
    while len(found) < 12:
        y, x = np.unravel_index(np.argmax(stands_out), stands_out.shape)
        found.append(Spot(int(x), int(y)))
        heights.append(max(float(stands_out[y, x]), 1e-3))
        stands_out[max(0, y - 2) : y + 3, max(0, x - 2) : x + 3] = -np.inf
    drops = [heights[n] / heights[n + 1] for n in range(len(heights) - 1)]
    return found[: int(np.argmax(drops)) + 1]


def templates() -> np.ndarray:
    """[kinds, PATCH²] each type as it should look close up, mean 0 and length 1."""
    along = np.abs(np.arange(PATCH) + 0.5 - PATCH / 2) / (PATCH / 4)
    u, v = along[None, :], along[:, None]
    away = np.hypot(u, v)
    drawn = [away < 1, (away < 1) & (away > 0.6), (np.minimum(u, v) < 0.25) & (np.maximum(u, v) < 1),
             np.hypot(u - 0.64, v - 0.64) < 0.36]  # fmt: skip
    return np.stack([_normal(cv2.GaussianBlur(d.astype(np.float32), (0, 0), 1.5)) for d in drawn])


def _normal(patch: np.ndarray) -> np.ndarray:
    centred = patch.astype(np.float32).ravel() - patch.mean()
    return centred / max(float(np.linalg.norm(centred)), 1e-6)


TEMPLATES = templates()


def likeness(patch: np.ndarray) -> np.ndarray:
    """[kinds] how much a close look is like each type, from -1 to 1."""
    return TEMPLATES @ _normal(cv2.resize(patch, (PATCH, PATCH), interpolation=cv2.INTER_LINEAR))


def lesions(eyes: Eyes, view: int = 0) -> list[tuple[Spot, np.ndarray]]:
    """The spots of a first view, and how much each is like every type."""
    found = spots(eyes.images[view].pixels)
    return list(
        zip(found, (likeness(patch) for patch in _patches(eyes, [(view, spot) for spot in found])), strict=True)
    )


def _patches(eyes: Eyes, found: list[tuple[int, Spot]], factor: int = 8) -> list[np.ndarray]:
    """4 by 4 px of views around spots, `factor` times as large; what lies beyond the view is as at its edge."""
    image = eyes.images[0]
    boxes = [Box(x0=max(s.x - 2, 0), y0=max(s.y - 2, 0), x1=min(s.x + 2, image.width), y1=min(s.y + 2, image.height))
             for _, s in found]  # fmt: skip
    seen = eyes.close([(view, box) for (view, _), box in zip(found, boxes, strict=True)], factor)
    return [_padded(patch, box, spot, factor) for patch, box, (_, spot) in zip(seen, boxes, found, strict=True)]


def _padded(patch: np.ndarray, box: Box, spot: Spot, factor: int) -> np.ndarray:
    lacking = [box.y0 - spot.y + 2, spot.y + 2 - box.y1, box.x0 - spot.x + 2, spot.x + 2 - box.x1]
    return cv2.copyMakeBorder(patch, *(int(n * factor) for n in lacking), cv2.BORDER_REPLICATE)


def named_kind(question: Question) -> str:
    return next(kind for kind in KINDS if kind in question.text)


def letter(question: Question, choice: str) -> str:
    return "ABCDE"[question.choices.index(choice)]


def shape(eyes: Eyes) -> str:
    (_, like), *_ = lesions(eyes)
    return letter(eyes.question, KINDS[int(np.argmax(like))])


def locate(eyes: Eyes) -> str:
    kind, found = KINDS.index(named_kind(eyes.question)), lesions(eyes)
    if re.search("one of them|the only one|Exactly one", eyes.question.text):
        chosen = [max(found, key=lambda pair: pair[1][kind] - np.delete(pair[1], kind).max())[0]]
    else:
        chosen = [spot for spot, like in found if np.argmax(like) == kind]
    if eyes.question.kind == "points":
        return json.dumps([{"image": "img0", "point": [s.x, s.y]} for s in chosen])
    return json.dumps([{"image": "img0", "box": [s.x - 1, s.y - 1, s.x + 1, s.y + 1]} for s in chosen])


def count(eyes: Eyes) -> str:
    kind = KINDS.index(named_kind(eyes.question))
    return str(sum(int(np.argmax(like)) == kind for _, like in lesions(eyes)))


def hierarchy(eyes: Eyes) -> str:
    kind = KINDS.index(named_kind(eyes.question))
    those = [spot for spot, like in lesions(eyes) if np.argmax(like) == kind]
    if eyes.question.kind == "yes_no":
        return "yes" if those else "no"
    view = eyes.images[0]
    if not those:
        return letter(eyes.question, "there is none")
    down = "lower" if those[0].y > view.height / 2 else "upper"
    return letter(eyes.question, f"{down} {'right' if those[0].x > view.width / 2 else 'left'}")


def side(eyes: Eyes) -> str:
    view = eyes.images[0]
    spot = spots(view.pixels)[0]
    if not eyes.tools:
        return letter(eyes.question, "left" if spot.x < view.width / 2 else "right")
    (act,) = eyes.use(("orient", {"image": "img0", "rotate": 180}))
    at = dict(
        re.findall(r"(left|right|front|back|head|feet) (?:is )?at the (left|right|top|bottom)", act.observation.text)
    )
    edge = at["left"]  # where the patient's left is after half a turn: before, it was opposite
    before = {"left": spot.x > view.width / 2, "right": spot.x < view.width / 2,
              "top": spot.y > view.height / 2, "bottom": spot.y < view.height / 2}[edge]  # fmt: skip
    return letter(eyes.question, "left" if before else "right")


def change(eyes: Eyes) -> str:
    if eyes.question.kind == "number":
        old, new = (_mass_mm(eyes, view) for view in (0, 1))
        return f"{max(new - old, 0.0):.4g} mm"
    prior, now = spots(eyes.images[0].pixels), spots(eyes.images[1].pixels)
    pairs = [(min(prior, key=lambda p: np.hypot(p.x - s.x, p.y - s.y)), s) for s in now]
    looks = [likeness(patch) for patch in _patches(eyes, [(view, pair[view]) for pair in pairs for view in (0, 1)])]
    apart = [float(np.abs(a - b).sum()) for a, b in zip(looks[::2], looks[1::2], strict=True)]
    spot = now[int(np.argmax(apart))]
    return json.dumps([{"image": "img1", "box": [spot.x - 1, spot.y - 1, spot.x + 1, spot.y + 1]}])


def measure(eyes: Eyes) -> str:
    if "angle" in eyes.question.text or "degrees" in eyes.question.text:
        return f"{_opening(eyes):.4g} degrees"
    if "mm²" in eyes.question.text:
        return f"{_mass_mm2(eyes):.4g} mm²"
    return f"{_mass_mm(eyes, 0):.4g} mm"


def _mass(pixels: np.ndarray) -> np.ndarray:
    """[n, 2] the outline (x, y) of the largest bright thing on a view, px."""
    smooth = cv2.GaussianBlur(pixels, (0, 0), 1.0)
    bright = (smooth > (float(np.percentile(smooth, 50)) + float(smooth.max())) / 2).astype(np.uint8)
    outlines, _ = cv2.findContours(bright, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    return max(outlines, key=cv2.contourArea)[:, 0].astype(np.float64) + 0.5


def _close_mass(eyes: Eyes, view: int) -> tuple[np.ndarray, str]:
    """The outline of the mass as close up as it can be seen, px of the view with that name."""
    image = eyes.images[view]
    outline = _mass(image.pixels)
    if not eyes.tools:
        return outline, f"img{view}"
    low, high = outline.min(axis=0) - 4, outline.max(axis=0) + 4
    box = Box(x0=low[0], y0=low[1], x1=high[0], y1=high[1]).intersection(image.box)
    assert box is not None
    (act,) = eyes.use(("zoom", {"image": f"img{view}", "box": box.numbers, "factor": 16}))
    return _mass(act.observation.images[0].pixels), f"img{len(eyes.images) - 1}"


def _mass_mm(eyes: Eyes, view: int) -> float:
    """The longest diameter of the mass."""
    outline, name = _close_mass(eyes, view)
    between = np.hypot(*(outline[:, None] - outline[None, :]).transpose(2, 0, 1))
    i, j = np.unravel_index(np.argmax(between), between.shape)
    if not eyes.tools:
        image = eyes.images[view]
        return float(between[i, j]) * USUAL_MM * image.window.width / image.width
    (act,) = eyes.use(("measure", {"image": name, "start": outline[i].tolist(), "end": outline[j].tolist()}))
    return _number(r"distance is ([\d.]+) mm", act)


def _mass_mm2(eyes: Eyes) -> float:
    outline, name = _close_mass(eyes, 0)
    if not eyes.tools:
        image = eyes.images[0]
        across = USUAL_MM * image.window.width / image.width
        return float(cv2.contourArea(outline.astype(np.float32))) * across**2
    corners = cv2.approxPolyDP(outline.astype(np.float32), 0.7, True)[:, 0]
    (act,) = eyes.use(("measure", {"image": name, "points": corners.tolist(), "kind": "polygon"}))
    return _number(r"area of ([\d.]+) mm²", act)


def _opening(eyes: Eyes) -> float:
    """The angle, degrees, at which two fibres open upwards."""
    spot = spots(eyes.images[0].pixels)[0]
    (patch,) = _patches(eyes, [(0, spot)], 16)
    middle = np.array([32.0, 32.0])
    ends = [middle + arm for arm in _arms(patch, middle)]
    if not eyes.tools:
        a, b = ends[0] - middle, ends[1] - middle
        return float(np.degrees(np.arccos(np.clip(a @ b / np.linalg.norm(a) / np.linalg.norm(b), -1, 1))))
    points = [ends[0].tolist(), middle.tolist(), ends[1].tolist()]
    (act,) = eyes.use(("measure", {"image": f"img{len(eyes.images) - 1}", "points": points}))
    return _number(r"angle at the middle point is ([\d.]+) degrees", act)


def _arms(patch: np.ndarray, middle: np.ndarray) -> list[np.ndarray]:
    """The directions (x, y) of the upper left and the upper right arm that leave the middle."""
    light = cv2.GaussianBlur(patch, (0, 0), 1.5).astype(np.float32)
    tilts, away = np.radians(np.arange(2, 89, 0.5)), np.arange(10, 29)
    arms = []
    for sign in (-1, 1):
        x = middle[0] + sign * np.outer(np.sin(tilts), away)
        y = middle[1] - np.outer(np.cos(tilts), away)
        lit = cv2.remap(
            light.astype(np.float32), (x - 0.5).astype(np.float32), (y - 0.5).astype(np.float32), cv2.INTER_LINEAR
        )
        tilt = tilts[int(np.argmax(lit.sum(axis=1)))]
        arms.append(28 * np.array([sign * np.sin(tilt), -np.cos(tilt)]))
    return arms


def _number(pattern: str, act: Act) -> float:
    found = re.search(pattern, act.observation.text)
    assert found, act.observation.text
    return float(found[1])


def window(eyes: Eyes) -> str:
    view = eyes.images[0]
    white = (view.pixels == 255).mean() > (view.pixels == 0).mean()
    cut_off = cv2.erode((view.pixels == (255 if white else 0)).astype(np.uint8), np.ones((7, 7), np.uint8))
    field = cv2.connectedComponentsWithStats(cut_off)
    inside = field[1] == 1 + int(np.argmax(field[2][1:, cv2.CC_STAT_AREA]))
    pixels = view.pixels
    if eyes.tools:
        (act,) = eyes.use(("window", {"image": "img0", "preset": "bone" if white else "lung"}))
        pixels = act.observation.images[0].pixels
    odd = np.where(inside, cv2.absdiff(pixels, np.full_like(pixels, int(np.median(pixels[inside])))), 0) > 6
    rows, columns = np.nonzero(odd)
    if not len(rows):
        rows, columns = np.array([50, 54]), np.array([50, 54])  # nothing is to be seen: a guess
    low, high = np.array([columns.min(), rows.min()]), np.array([columns.max() + 1, rows.max() + 1])
    x, y = (low + high) / 2
    if eyes.question.kind == "number":
        return _hounsfield(eyes, x, y)
    if "quadrant" in eyes.question.text:
        down = "lower" if y > view.height / 2 else "upper"
        return letter(eyes.question, f"{down} {'right' if x > view.width / 2 else 'left'}")
    box = Box(x0=low[0], y0=low[1], x1=high[0], y1=high[1])
    (patch,) = eyes.close([(len(eyes.images) - 1, box)], 4)
    tall, wide = (n // 2 for n in patch.shape)
    around = cv2.copyMakeBorder(
        patch, tall, tall, wide, wide, cv2.BORDER_CONSTANT, value=int(np.median(pixels[inside]))
    )
    return letter(eyes.question, KINDS[int(np.argmax(likeness(around)))])


def _hounsfield(eyes: Eyes, x: float, y: float) -> str:
    if not eyes.tools:
        return "-500 HU" if "lung" in eyes.question.text or "black" in eyes.question.text else "1100 HU"
    box = [x - 2, y - 2, x + 2, y + 2]
    (act,) = eyes.use(("measure", {"image": f"img{len(eyes.images) - 1}", "box": box, "kind": "values"}))
    return f"{_number(r'mean (-?[0-9.]+)', act):.4g} HU"


def volume(eyes: Eyes) -> str:
    last = int(re.search(r"of 0 to (\d+)", eyes.env.episode.opening.text)[1])  # type: ignore[index]
    asked_slice = eyes.question.kind == "sequence"
    if not eyes.tools:
        return str(last // 2) if asked_slice else f"{eyes.images[0].width * 0.18 * USUAL_MM:.4g} mm"
    empty = float(cv2.GaussianBlur(eyes.images[0].pixels, (0, 0), 2).max()) + 20
    area = {n: _brighter(image, empty) for n, image in _slices(eyes, range(0, last + 1, 3)).items()}
    peak = max(area, key=lambda n: area[n])
    near = _slices(eyes, [n for n in range(peak - 3, peak + 4) if 0 <= n <= last])
    area |= {n: _brighter(image, empty) for n, image in near.items()}
    best = max(near, key=lambda n: area[n])
    if asked_slice:
        return str(best)
    name = next(name for name, image in eyes.env.episode.images.items() if image.index == best)
    outline = _mass(eyes.env.episode.images[name].pixels)
    (x, y), across = outline.mean(axis=0), float(np.ptp(outline, axis=0).mean()) + 1
    start, end = [x - across / 2, y], [x + across / 2, y]
    (act,) = eyes.use(("measure", {"image": name, "start": start, "end": end}))
    return f"{_number(r'distance is ([0-9.]+) mm', act):.4g} mm"


def _slices(eyes: Eyes, numbers: Any) -> dict[int, Image]:
    acts = eyes.use(*(("slice", {"image": "img0", "index": n}) for n in numbers))
    return {n: act.observation.images[0] for n, act in zip(numbers, acts, strict=True)}


def _brighter(image: Image, than: float) -> int:
    return int((cv2.GaussianBlur(image.pixels, (0, 0), 1) > than).sum())


def clip(eyes: Eyes) -> str:
    last = int(re.search(r"of 0 to (\d+)", eyes.env.episode.opening.text)[1])  # type: ignore[index]
    if not eyes.tools:
        return str(last // 2)
    (act,) = eyes.use(("frame", {"image": "img0", "index": last}))
    first, after = _brightest(eyes.images[0]), _brightest(act.observation.images[0])
    low, high = 0, last  # what is on frame `low` is as at first, on frame `high` as at last
    while high - low > 1:
        probes = sorted({low + (high - low) * n // 4 for n in (1, 2, 3)} - {low, high})
        acts = eyes.use(*(("frame", {"image": "img0", "index": n}) for n in probes))
        for n, seen in zip(probes, acts, strict=True):
            light = _brightest(seen.observation.images[0])
            if abs(light - first) < abs(light - after):
                low = max(low, n)
            else:
                high = min(high, n)
    return str(high)


def _brightest(image: Image) -> float:
    return float(cv2.GaussianBlur(image.pixels, (0, 0), 1.5).max())


READERS: dict[str, Callable[[Eyes], str]] = {
    "shape": shape, "locate": locate, "count": count, "measure": measure, "window": window, "volume": volume,
    "clip": clip, "change": change, "side": side, "hierarchy": hierarchy,
}  # fmt: skip
