"""Demonstrations of others: in, played, out again, and the same; what cannot be is refused in one sentence."""

import asyncio
import copy
import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image as PILImage
from PIL import ImageDraw

from agent import trace
from agent.loop import play
from agent.policies.scripted import scripted
from envs.dialects import tags
from envs.env import ReadingEnv
from envs.episode import Episode, Reply
from envs.rows import DataError
from envs.tasks.discs import discs
from sft.formats import Script
from tests.datasets_made import write_json, write_jsonl
from tools.lookup import find, names

WIDTH, HEIGHT = 100, 80
LAYOUTS = ["ophiuchus", "sharegpt", "trl", "vitar"]


def drawn(color: bool = False) -> PILImage.Image:
    """A bright disc on a slope of grey, 100 by 80 px."""
    slope = np.linspace(10, 90, WIDTH)[None, :] + np.linspace(0, 40, HEIGHT)[:, None]
    picture = PILImage.fromarray(slope.astype(np.uint8))
    ImageDraw.Draw(picture).ellipse((40, 30, 60, 50), fill=220)
    return PILImage.merge("RGB", [picture, picture.point(lambda v: v // 2), picture]) if color else picture


def saved(folder: Path, name: str, picture: PILImage.Image) -> str:
    (folder / "pictures").mkdir(exist_ok=True)
    picture.save(folder / "pictures" / name)
    return f"pictures/{name}"


def pictures(folder: Path, layout: str, color: bool = False) -> list[str]:
    """What each of the records below shows: the picture, then what its calls gave."""
    whole = drawn(color)
    crop = whole.crop((20, 20, 70, 60))
    boxed = whole.convert("RGB")
    ImageDraw.Draw(boxed).rectangle((38, 28, 62, 52), outline=(255, 0, 0), width=3)
    again = crop.crop((10, 10, 30, 30)).resize((60, 60))
    shown = {
        "ophiuchus": [whole, crop, again],
        "sharegpt": [whole, crop, crop, again],
        "vitar": [whole, boxed],
        "trl": [whole, crop.resize((100, 80)), boxed],
    }[layout]
    return [saved(folder, f"{layout}{n}.png", picture) for n, picture in enumerate(shown)]


def vitar_says(thought: str, name: str, **arguments: Any) -> dict[str, str]:
    action = {"name": name, "arguments": arguments}
    return {"from": "gpt", "value": json.dumps({"thought": thought, "actions": [action]})}


def vitar_record() -> dict[str, Any]:
    return {
        "conversations": [
            {"from": "system", "value": "Reply in JSON."},
            {"from": "human", "value": "<image>Is there a disc?"},
            vitar_says("I mark it.", "mark", box=[[38, 28, 62, 52], [0, 0, 10, 10]]),
            {"from": "human", "value": "<image>I have marked it."},
            vitar_says("A disc.", "Terminate", answer="Yes"),
        ]
    }


def meissa_calls(thought: str, name: str, **arguments: Any) -> dict[str, str]:
    call = json.dumps({"name": name, "arguments": arguments})
    return {"from": "function_call", "value": f"<think>\n{thought}\n</think>\n\n{call}"}


def sharegpt_record() -> dict[str, Any]:
    return {
        "conversations": [
            {"from": "human", "value": "<image>\nWhat is bright?"},
            meissa_calls("Closer.", "ZoomInSubfigure", image="img_original", param="[200, 250, 700, 750]"),
            {"from": "observation", "value": "<image>\nDone. [Output Image ID: img_round_0]"},
            meissa_calls("Outline.", "SegmentRegionAroundPoint", image="img_last", param='x="600" y="500"'),
            {"from": "observation", "value": "<image>\nDone. [Output Image ID: img_round_1]"},
            meissa_calls("Back.", "ZoomInSubfigure", image="img_round_0", param=[200, 250, 600, 750]),
            {"from": "observation", "value": "<image>\nDone. [Output Image ID: img_round_2]"},
            meissa_calls("A disc.", "Terminate", ans="disc"),
            {"from": "observation", "value": "now tell it"},
            {"from": "gpt", "value": "<think>\nI will answer now\n</think>\n[FINAL] disc"},
        ],
        "system": "...",
        "tools": "[]",
    }


def zoom_in(thought: str, *regions: tuple[int, list[float]]) -> str:
    body = json.dumps([{"index": index, "bbox_2d": box} for index, box in regions], indent=1)
    return f"<think> {thought} </think> Action: <tool_call>Zoom-in\n```json\n{body}\n```</tool_call>"


def ophiuchus_record() -> dict[str, Any]:
    asked = "What is it? Options: (A) a disc\n(B) a square\nThe index of the given image is 1.\nAnswer with the letter."
    return {
        "question_type": "multiple choice",
        "answer": "A",
        "conversations": [
            {"role": "system", "content": "Tools: ..."},
            {"role": "user", "content": f"<image>\n### Question:\n{asked}"},
            {"role": "assistant", "content": zoom_in("Closer.", (1, [20, 20, 70, 60]))},
            {"role": "user", "content": "<image>\nThe index of the given image is 2 (width: 50, height: 40). Go on."},
            {"role": "assistant", "content": zoom_in("Closer still.", (2, [10, 10, 30, 30]))},
            {"role": "user", "content": "<image>\nThe index of the given image is 3 (width: 60, height: 60). Go on."},
            {"role": "assistant", "content": "<think> Round. </think> Action: Answer\n<answer> A </answer>"},
        ],
    }


def says(role: str, *parts: str) -> dict[str, Any]:
    """A message of TRL; None of its parts stands for an image."""
    return {"role": role, "content": [{"type": "text", "text": p} if p else {"type": "image"} for p in parts]}


def called(name: str, **arguments: Any) -> str:
    return f"<tool_call>{json.dumps({'name': name, 'arguments': arguments})}</tool_call>"


def trl_record() -> dict[str, Any]:
    return {
        "messages": [
            says("system", "Read."),
            says("user", "", "Is there <image> a disc?"),
            says("assistant", "<think>Closer.</think>" + called("zoom", image="img0", box=[20, 20, 70, 60])),
            says("user", "", "50 by 40 pixels."),
            says("assistant", called("measure", image="img1", start=[10, 10], end=[50, 10])),
            says("user", "20 pixels."),
            says("assistant", called("mark", image="img0", boxes=[[38, 28, 62, 52]], labels=["disc"])),
            says("user", "", "Marked."),
            says("assistant", "<think>A disc.</think><answer>yes</answer>"),
        ],
        "tools": [],
    }


RECORDS: dict[str, Callable[[], dict[str, Any]]] = {
    "vitar": vitar_record, "sharegpt": sharegpt_record, "ophiuchus": ophiuchus_record, "trl": trl_record,
}  # fmt: skip


def stored(folder: Path, layout: str, *records: dict[str, Any]) -> Path:
    """A file of records, each with its pictures where it names none."""
    return write_json(
        folder / "traces.json", [r if "images" in r else {"images": pictures(folder, layout), **r} for r in records]
    )


def read(layout: str, path: Path, root: Path | None = None) -> list[Script]:
    return list(find("sft.formats", layout)().read(path, root))


def write(layout: str, path: Path, *episodes: Episode) -> int:
    count: int = find("sft.formats", layout)().write(episodes, path, path.parent / "images")
    return count


def replayed(script: Script, **more: Any) -> Episode:
    env = ReadingEnv([(script.question, script.truth)], tools=script.tools or ["zoom"], **more)
    episode = asyncio.run(play(env, scripted(script.replies), script.question))
    assert episode.stop == "answered"
    return episode


def actions(script: Script) -> list[Any]:
    return [action.model_dump() for reply in script.replies for action in tags.strict(reply.text).actions]


def hashes(episode: Episode) -> list[str]:
    return [image.hash for image in episode.images.values()]


def refusal(layout: str, path: Path) -> str:
    with pytest.raises(DataError) as caught:
        read(layout, path)
    told = str(caught.value)
    assert "\n" not in told
    return told


def test_every_layout_is_a_file():
    assert names("sft.formats") == LAYOUTS


# ---- in


def test_marks_of_vitar_are_marks_on_the_first_image(tmp_path):
    (script,) = read("vitar", stored(tmp_path, "vitar", vitar_record()))
    assert (script.question.text, script.question.kind, script.truth.answer) == ("Is there a disc?", "yes_no", "yes")
    assert script.tools == ("mark",)
    mark, answer = actions(script)
    assert mark["arguments"] == {"image": "img0", "boxes": [[38, 28, 62, 52], [0, 0, 10, 10]]}
    assert answer["text"] == "Yes"
    assert [tags.strict(reply.text).thought for reply in script.replies] == ["I mark it.", "A disc."]


def test_names_and_thousandths_of_meissa_are_our_images_and_px(tmp_path):
    (script,) = read("sharegpt", stored(tmp_path, "sharegpt", sharegpt_record()))
    first, outline, back, answer = actions(script)
    assert first["arguments"] == {"image": "img0", "box": [20, 20, 70, 60], "factor": 1}
    assert outline["arguments"] == {"image": "img1", "method": "region", "point": [30, 20]}
    assert back["arguments"] == {"image": "img1", "box": [10, 10, 30, 30], "factor": 3}
    assert answer["text"] == script.truth.answer == "disc"
    assert script.tools == ("zoom", "segment")
    assert [reply.canvas for reply in script.replies][2] == ((100, 80), (50, 40), (50, 40))
    assert len(script.replies) == 4  # what follows Terminate is no reply


def test_the_region_that_meissa_says_it_shows_is_taken_for_the_box(tmp_path):
    """Its zoom of [300, 300, 600, 600] has a margin of a tenth: [27, 22, 63, 50] of 100 by 80 px."""
    record = sharegpt_record()
    talk, files = record["conversations"], pictures(tmp_path, "sharegpt")[:2]
    talk[1] = meissa_calls("Closer.", "ZoomInSubfigure", image="img_original", param=[300, 300, 600, 600])
    talk[2] = {"from": "observation", "value": "<image>\nZoomed in successfully to region [27, 22, 63, 50]."}
    record |= {"conversations": [*talk[:3], *talk[7:]], "images": files}
    (script,) = read("sharegpt", stored(tmp_path, "sharegpt", record))
    assert actions(script)[0]["arguments"]["box"] == [27, 22, 63, 50]


def test_options_and_numbered_images_of_ophiuchus_are_read(tmp_path):
    (script,) = read("ophiuchus", stored(tmp_path, "ophiuchus", ophiuchus_record()))
    assert (script.question.text, script.question.choices) == ("What is it?", ("a disc", "a square"))
    assert (script.question.kind, script.truth.answer) == ("choice", "A")
    first, again, _ = actions(script)
    assert first["arguments"] == {"image": "img0", "box": [20, 20, 70, 60], "factor": 1}
    assert again["arguments"] == {"image": "img1", "box": [10, 10, 30, 30], "factor": 3}


def test_calls_beside_the_text_are_read_as_the_text_would_be(tmp_path):
    """As the template of Qwen3-VL has them; the last reply without tags is the answer."""
    record = trl_record()
    (plain,) = read("trl", stored(tmp_path, "trl", record))
    messages = record["messages"]
    call = {"name": "zoom", "arguments": {"image": "img0", "box": [20, 20, 70, 60], "start": None}}
    messages[2] = {"role": "assistant", "content": "<think>Closer.</think>",
                   "tool_calls": [{"type": "function", "function": call}]}  # fmt: skip
    messages[3] = {**messages[3], "role": "tool"}
    messages[-1] = {"role": "assistant", "content": "<think>A disc.</think>\nyes"}
    (beside,) = read("trl", stored(tmp_path, "trl", record))
    assert (beside.replies, beside.tools) == (plain.replies, ("zoom", "measure", "mark"))


def test_the_results_of_one_turns_calls_may_be_several_messages(tmp_path):
    record = trl_record()
    record["messages"] = [
        says("user", "", "Is there a disc?"),
        says("assistant", ZOOM + called("mark", image="img0", boxes=[[38, 28, 62, 52]])),
        says("tool", "", "50 by 40"),
        says("tool", "", "Marked."),
        says("assistant", "<answer>yes</answer>"),
    ]  # fmt: skip
    (script,) = read("trl", stored(tmp_path, "trl", record))
    assert len(replayed(script).images) == 3


def test_a_picture_may_stand_in_its_message(tmp_path):
    names = pictures(tmp_path, "trl")
    record = trl_record()
    for message, name in zip([record["messages"][n] for n in (1, 3, 7)], names, strict=True):
        message["content"][0]["image"] = {"path": name, "bytes": None}
    path = write_jsonl(tmp_path / "traces.jsonl", [record])
    assert actions(read("trl", path)[0]) == actions(read("trl", stored(tmp_path, "trl", trl_record()))[0])


def test_coordinates_of_trl_may_be_thousandths(tmp_path):
    record = {**trl_record(), "coordinates": "0-1000"}
    record["messages"][2] = says("assistant", called("zoom", image="img0", box=[200, 250, 700, 750]))
    record["messages"][4] = says("assistant", called("measure", image="img1", start=[100, 125], end=[500, 125]))
    record["messages"][6] = says("assistant", called("mark", image="img0", boxes=[[380, 350, 620, 650]]))
    (script,) = read("trl", stored(tmp_path, "trl", record))
    first, second, third, _ = replayed(script).turns
    assert first.acts[0].places["box"][0].shape.numbers == [20, 20, 70, 60]
    assert third.acts[0].places["boxes"][0].shape.numbers == [38, 28, 62, 52]
    assert "20" in second.acts[0].observation.text


def test_pictures_may_lie_in_another_folder(tmp_path):
    (tmp_path / "elsewhere").mkdir()
    path = stored(tmp_path, "vitar", vitar_record())
    moved = path.rename(tmp_path / "elsewhere" / "traces.json")
    assert read("vitar", moved, tmp_path)[0].replies
    assert "there is no such picture" in refusal("vitar", moved)


# ---- in, out and in again


@pytest.mark.parametrize("kind", ["json", "jsonl"])
@pytest.mark.parametrize("layout", LAYOUTS)
def test_a_record_that_was_played_and_written_says_and_shows_the_same(layout, kind, tmp_path):
    script, second = read(layout, stored(tmp_path, layout, RECORDS[layout](), {**RECORDS[layout](), "id": "b"}))
    episodes = [replayed(script), replayed(second)]
    (tmp_path / "out").mkdir()
    path = tmp_path / "out" / f"traces.{kind}"
    assert write(layout, path, *episodes) == 2
    again, other = read(layout, path)
    assert again.replies == script.replies
    assert (again.question.text, again.question.kind, again.question.choices) == (
        script.question.text, script.question.kind, script.question.choices,
    )  # fmt: skip
    assert again.truth == script.truth
    assert again.tools == script.tools
    assert hashes(replayed(again)) == hashes(episodes[0])
    assert (again.question.id, other.question.id) == (f"{layout}/traces/traces-1", f"{layout}/traces/b")
    record = json.loads(path.read_text().splitlines()[0 if kind == "jsonl" else 1].rstrip(","))
    for name, image in zip(record["images"], episodes[0].images.values(), strict=True):
        assert np.array_equal(np.asarray(PILImage.open(tmp_path / "out" / name)), image.pixels)


@pytest.mark.parametrize("layout", LAYOUTS)
def test_pictures_in_colour_come_back_in_colour(layout, tmp_path):
    record = {**RECORDS[layout](), "images": pictures(tmp_path, layout, color=True)}
    if layout == "sharegpt":  # colours have no single value to grow a region by
        talk = record["conversations"]
        record |= {"conversations": [*talk[:3], *talk[7:]], "images": record["images"][:2]}
    (script,) = read(layout, stored(tmp_path, layout, record))
    episode = replayed(script)
    write(layout, tmp_path / "out.json", episode)
    again = replayed(read(layout, tmp_path / "out.json")[0])
    assert again.opening.images[0].pixels.shape == (HEIGHT, WIDTH, 3)
    assert hashes(again) == hashes(episode)


def test_a_picture_larger_than_a_view_keeps_its_boxes(tmp_path):
    """2000 by 1600 px are shown as 1024 by 819; written are the views, and boxes in px of those."""
    whole = drawn().resize((2000, 1600))
    files = [saved(tmp_path, "a.png", whole), saved(tmp_path, "b.png", whole.crop((400, 400, 1400, 1200))),
             saved(tmp_path, "c.png", whole.crop((600, 600, 1000, 1000)))]  # fmt: skip
    record = ophiuchus_record()
    record["conversations"][2]["content"] = zoom_in("Closer.", (1, [400, 400, 1400, 1200]))
    record["conversations"][4]["content"] = zoom_in("Closer.", (2, [200, 200, 600, 600]))
    (script,) = read("ophiuchus", stored(tmp_path, "ophiuchus", {**record, "images": files}))
    episode = replayed(script)
    assert [(i.width, i.height) for i in episode.images.values()] == [(1024, 819), (1000, 800), (400, 400)]
    assert [act.places["box"][0].shape.numbers for turn in episode.turns[:2] for act in turn.acts] == [
        pytest.approx([400, 400, 1400, 1200]), pytest.approx([600, 600, 1000, 1000]),
    ]  # fmt: skip
    write("ophiuchus", tmp_path / "out.json", episode)
    (again,) = read("ophiuchus", tmp_path / "out.json")
    assert actions(again)[0]["arguments"]["box"] == pytest.approx(np.array([400, 400, 1400, 1200]) * 0.512, abs=0.5)
    assert again.replies[1].canvas == ((1024, 819), (1000, 800))
    sizes = [(i.width, i.height) for i in replayed(again).images.values()]
    assert np.array(sizes) == pytest.approx(np.array([(1024, 819), (1000, 800), (400, 400)]), abs=2)  # whole px


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    layout=st.sampled_from(["sharegpt", "ophiuchus"]),
    size=st.tuples(st.integers(20, 1500), st.integers(20, 1500)),
    data=st.data(),
)
def test_any_box_comes_back_as_it_was_and_looks_at_the_same_place(layout, size, data, tmp_path):
    """Of a picture that is shown whole, exactly; of a larger one, within half a unit of the numbers written."""
    most = (1000, 1000) if layout == "sharegpt" else size
    x0, y0 = (data.draw(st.integers(0, side - 2)) for side in most)
    x1, y1 = (data.draw(st.integers(low + 1, side)) for low, side in zip((x0, y0), most, strict=True))
    box, scale = [x0, y0, x1, y1], np.tile(np.divide(size, most), 2)
    in_px = np.array(box) * scale
    crop = tuple(max(1, round(side)) for side in (in_px[2:] - in_px[:2]))
    files = [saved(tmp_path, "w.png", PILImage.new("L", size, 90)), saved(tmp_path, "c.png", PILImage.new("L", crop))]
    record = RECORDS[layout]()
    talk = record["conversations"]
    if layout == "sharegpt":
        talk[1] = meissa_calls("Closer.", "ZoomInSubfigure", image="img_original", param=box)
        record["conversations"] = [*talk[:3], *talk[7:]]
    else:
        talk[2]["content"] = zoom_in("Closer.", (1, box))
        record["conversations"] = [*talk[:4], *talk[6:]]
    (script,) = read(layout, stored(tmp_path, layout, {**record, "images": files}))
    episode = replayed(script)
    assert episode.turns[0].acts[0].places["box"][0].shape.numbers == pytest.approx(in_px.tolist(), abs=1e-6)
    write(layout, tmp_path / "out.json", episode)
    (again,) = read(layout, tmp_path / "out.json")
    if max(size) <= 1024:
        assert [reply.text for reply in again.replies] == [reply.text for reply in script.replies]
    shown = np.tile(np.divide(again.replies[0].canvas[0], size), 2)
    off = np.abs(actions(again)[0]["arguments"]["box"] - in_px * shown)
    unit = np.tile(np.divide(again.replies[0].canvas[0], (1000, 1000) if layout == "sharegpt" else (1, 1)), 2)
    assert (off <= unit + 1e-6).all()  # half a unit, and as much again where a thin box must not vanish


@pytest.mark.parametrize(
    ("size", "factor"),
    [((20, 16), 1), ((21, 16), 1.03), ((30, 24), 1.5), ((10, 8), 1), ((320, 256), 16), ((900, 720), 16)],
)
def test_a_zoom_is_as_large_as_the_records_picture_of_it_where_it_may_be(size, factor, tmp_path):
    """Of 20 by 16 px: from once to 16 times."""
    record = changed(ophiuchus_record(), (TALK, 2, "content"), zoom_in("", (1, [30, 30, 50, 46])))
    record[TALK] = [*record[TALK][:4], *record[TALK][6:]]
    record["images"] = [*pictures(tmp_path, "ophiuchus")[:1], saved(tmp_path, "b.png", PILImage.new("L", size))]
    (script,) = read("ophiuchus", stored(tmp_path, "ophiuchus", record))
    assert actions(script)[0]["arguments"]["factor"] == factor


# ---- out


def discs_played(*replies: str | Reply, **more: Any) -> Episode:
    task = next(discs("test"))
    env = ReadingEnv([task], **{"tools": ["zoom", "mark", "segment", "crop"], **more})
    return asyncio.run(play(env, scripted(replies), task[0]))


ANSWER = "<think>Seen.</think><answer>9 mm</answer>"
ZOOM = called("zoom", image="img0", box=[10.4, 20.6, 70, 80])


@pytest.mark.parametrize("layout", ["ophiuchus", "sharegpt", "trl"])
def test_an_episode_of_ours_is_written_with_all_its_calls(layout, tmp_path):
    """Two calls in one turn, one with a factor of its own; boxes of px come back to half a px or half a thousandth."""
    two = f"<think>Both.</think>{ZOOM}\n{called('zoom', image='img0', box=[0, 0, 64, 32], factor=3)}"
    episode = discs_played(two, called("zoom", image="img2", box=[0, 0, 96, 48]), ANSWER)
    write(layout, tmp_path / "out.jsonl", episode)
    (script,) = read(layout, tmp_path / "out.jsonl")
    first, second, third, answer = actions(script)
    assert first["arguments"]["box"] == pytest.approx([10.4, 20.6, 70, 80], abs=0.5)
    assert (second["arguments"]["factor"], answer["text"]) == (3, "9 mm")
    assert second["arguments"]["box"] == pytest.approx([0, 0, 64, 32], abs=0.13)
    assert third["arguments"]["image"] == "img2"
    assert (script.question.kind, script.truth.answer) == ("number", episode.truth.answer)
    again = replayed(script)
    assert hashes(again)[2:] == hashes(episode)[2:]  # the first zoom has other edges
    assert again.opening.images[0].hash == episode.opening.images[0].hash


def test_the_images_of_ophiuchus_are_told_by_number_and_size(tmp_path):
    two = ZOOM + called("zoom", image="img0", box=[0, 0, 64, 32])
    write(
        "ophiuchus", tmp_path / "out.jsonl", discs_played(two, called("zoom", image="img1", box=[0, 0, 9, 9]), ANSWER)
    )
    talk = json.loads((tmp_path / "out.jsonl").read_text())["conversations"]
    told = [re.findall(r"image is (\d+) \(width: (\d+), height: (\d+)\)", m["content"]) for m in talk[::2]]
    assert told == [[("1", "256", "256")], [("2", "120", "120"), ("3", "128", "64")], [("4", "20", "20")]]


def test_a_refused_call_is_kept_where_there_is_room_for_it(tmp_path):
    slip = called("zoom", image="img0", box=[900, 900, 950, 950])
    episode = discs_played(slip, ZOOM, ANSWER)
    assert episode.turns[0].refused
    write("trl", tmp_path / "out.jsonl", episode)
    (script,) = read("trl", tmp_path / "out.jsonl")
    assert replayed(script).turns[0].refused
    with pytest.raises(DataError, match="turn 1: zoom was refused, and only what was carried out is written"):
        write("ophiuchus", tmp_path / "no.jsonl", episode)
    assert not (tmp_path / "no.jsonl").exists()


def test_an_episode_read_back_from_a_run_is_written_too(tmp_path):
    episode = discs_played(ZOOM, ANSWER)
    with trace.Writer(tmp_path / "run") as writer:
        writer.write(episode)
    (kept,) = trace.read(tmp_path / "run")
    write("sharegpt", tmp_path / "out.json", kept)
    assert hashes(replayed(read("sharegpt", tmp_path / "out.json")[0]))[0] == hashes(episode)[0]


def test_a_sampled_reply_is_written_in_the_numbers_of_the_layout(tmp_path):
    sampled = Reply(
        text=called("zoom", image="img0", box=[250, 250, 500, 500]), token_ids=(1, 2), canvas=((1000, 1000),)
    )
    write("ophiuchus", tmp_path / "out.jsonl", discs_played(sampled, ANSWER))
    (script,) = read("ophiuchus", tmp_path / "out.jsonl")
    assert actions(script)[0]["arguments"]["box"] == [64, 64, 128, 128]


@pytest.mark.parametrize(
    ("layout", "reply", "told"),
    [
        ("vitar", ZOOM, "turn 1 calls 'zoom'; there is room for: mark"),
        ("ophiuchus", called("crop", image="img0", box=[0, 0, 9, 9]), "turn 1 calls 'crop'; there is room for: zoom"),
        (
            "vitar",
            called("mark", image="img0", points=[[9, 9]]),
            "no room for 'points' of mark, only for: boxes, image",
        ),
        ("vitar", called("mark", image="img0", boxes=[[0, 0, 9, 9]], labels=["a"]), "no room for 'labels' of mark"),
        ("sharegpt", called("segment", image="img0"), "room for the method region with a point alone"),
        (
            "sharegpt",
            called("segment", image="img0", method="region", point=[128, 128], high=300),
            "no room for 'high'",
        ),
        ("trl", "hello", "turn 1 could not be read, and only calls and answers are written"),
    ],
)
def test_what_a_layout_has_no_room_for_is_refused_by_name(layout, reply, told, tmp_path):
    episode = discs_played(reply, ANSWER)
    with pytest.raises(DataError) as caught:
        write(layout, tmp_path / "out.json", episode)
    assert told in str(caught.value)
    assert str(caught.value).startswith(f"episode {episode.question.id}: ")


def test_only_the_first_image_is_marked_in_vitar(tmp_path):
    box = [[10, 10, 50, 50]]
    episode = discs_played(called("mark", image="img0", boxes=box), called("mark", image="img1", boxes=box), ANSWER)
    with pytest.raises(DataError, match="turn 2 marks img1, and there is room for marks on img0 alone"):
        write("vitar", tmp_path / "out.json", episode)


@pytest.mark.parametrize("layout", LAYOUTS)
def test_episodes_without_an_answer_or_with_places_for_one_are_refused(layout, tmp_path):
    with pytest.raises(DataError, match="it has not stopped with an answer"):
        write(layout, tmp_path / "out.json", discs_played(ZOOM, max_turns=1))
    episode = discs_played(ANSWER)
    boxes = episode.model_copy(update={"question": episode.question.model_copy(update={"kind": "boxes"})})
    with pytest.raises(DataError, match="no room for the truth of a boxes question, which is places"):
        write(layout, tmp_path / "out.json", boxes)


def test_several_images_with_a_question_have_room_in_trl_alone(tmp_path):
    record = trl_record()
    record["messages"] = [says("user", "", "", "Are they alike?"), says("assistant", "<answer>no</answer>")]
    (script,) = read("trl", stored(tmp_path, "trl", {**record, "images": pictures(tmp_path, "trl")[:2]}))
    episode = replayed(script)
    assert len(episode.opening.images) == 2
    write("trl", tmp_path / "out.json", episode)
    assert hashes(replayed(read("trl", tmp_path / "out.json")[0])) == hashes(episode)
    with pytest.raises(DataError, match="2 images come with its question; there is room for one"):
        write("ophiuchus", tmp_path / "no.json", episode)


def test_where_images_and_traces_may_lie_is_said(tmp_path):
    layout = find("sft.formats", "trl")()
    with pytest.raises(DataError, match=r"out\.csv: traces are written to a \.json or a \.jsonl file"):
        layout.write([], tmp_path / "out.csv", tmp_path / "images")
    with pytest.raises(DataError, match="the images must lie below"):
        layout.write([], tmp_path / "a" / "out.json", tmp_path / "images")
    assert layout.write([], tmp_path / "none.json", tmp_path / "images") == 0
    assert read("trl", tmp_path / "none.json") == []


# ---- what is no record


def changed(record: dict[str, Any], at: tuple[Any, ...], value: Any) -> dict[str, Any]:
    """The record with one place in it changed."""
    new = copy.deepcopy(record)
    inner = new
    for step in at[:-1]:
        inner = inner[step]
    inner[at[-1]] = value
    return new


TALK = "conversations"
BAD = [
    ("vitar", (TALK, 2), vitar_says("", "zoom", box=[[1, 1, 9, 9]]), "no counterpart of 'zoom' with box"),
    ("vitar", (TALK, 2), vitar_says("", "mark", box=[1, 1, 9, 9]), "is not a list of boxes [x0, y0, x1, y1]"),
    ("vitar", (TALK, 2), vitar_says("", "mark", box=[]), "[] is not a list of boxes"),
    ("vitar", (TALK, 2), vitar_says("", "mark", box=[[90, 70, 101, 80]]), "outside of its picture of 100 by 80 px"),
    ("vitar", (TALK, 2), vitar_says("", "mark", box=[[9, 9, 1, 1]]), "an empty box"),
    ("vitar", (TALK, 2), vitar_says("", "mark", box=[["1", 1, 9, 9]]), "valid number"),
    ("vitar", (TALK, 2), vitar_says("", "mark", box=[[8, 8, 9, 9]]), "too small to be seen"),
    ("vitar", (TALK, 4), vitar_says("", "Terminate", ans="yes"), "the final answer is"),
    ("vitar", (TALK, 4, "value"), '{"thought": "Seen.", "acti', "reply 2: write one JSON object"),
    ("vitar", (TALK, 3, "value"), "I have marked it.", "shows 1 images in its conversation and names 2"),
    ("vitar", (TALK, 3, "from"), "doctor", "'doctor' speaks in its conversation"),
    ("vitar", (TALK,), "hello", "not a list"),
    ("vitar", (TALK, 1, "value"), ["a"], "holds list, not text"),
    ("sharegpt", (TALK, 1), meissa_calls("", "BioMedParseTextSeg", param="cells"), "'BioMedParseTextSeg', only of:"),
    ("sharegpt", (TALK, 1), meissa_calls("", "ZoomInSubfigure", param=[1, 1, 1200, 9]), "lies outside of its picture"),
    ("sharegpt", (TALK, 1), meissa_calls("", "ZoomInSubfigure", param="here"), "'here' is not [x0, y0, x1, y1]"),
    ("sharegpt", (TALK, 1), meissa_calls("", "ZoomInSubfigure", image="img_round_0", param=[1, 1, 9, 9]),
     "no image 'img_round_0' has been shown; there are: img_last, img_original"),
    ("sharegpt", (TALK, 3), meissa_calls("", "SegmentRegionAroundPoint", param="x=5"), 'is not x="..." y="..."'),
    ("sharegpt", (TALK, 3), meissa_calls("", "SegmentRegionAroundPoint", param="x=5 y=1001"), "lies outside"),
    ("sharegpt", (TALK, 7), meissa_calls("", "Terminate", answer="disc"), "takes the answer as text, in 'ans'"),
    ("sharegpt", (TALK, 1, "value"), '<think>a</think>{"name": "Zoom', "reply 1: a call is"),
    ("sharegpt", (TALK, 1, "value"), "[]", "reply 1: a call is"),
    ("ophiuchus", (TALK, 2, "content"), zoom_in("", (1, [0, 0, 9, 9])).replace("Zoom-in", "SAM2"), "the tool 'SAM2'"),
    ("ophiuchus", (TALK, 2, "content"), zoom_in("", (3, [0, 0, 9, 9])), "there is no image 3 yet"),
    ("ophiuchus", (TALK, 2, "content"), zoom_in("", (0, [0, 0, 9, 9])), "there is no image 0 yet"),
    ("ophiuchus", (TALK, 2, "content"), zoom_in("", (True, [0, 0, 9, 9])), "there is no image True yet"),
    ("ophiuchus", (TALK, 2, "content"), zoom_in("", (1, [0, 0, 101, 9])), "lies outside of its picture"),
    ("ophiuchus", (TALK, 2, "content"), zoom_in("", (1, [0, 9])), "a box is [x0, y0, x1, y1], not 2 numbers"),
    ("ophiuchus", (TALK, 2, "content"), zoom_in("", (1, 5)), "is not {\"index\": i, \"bbox_2d\": [x0, y0, x1, y1]}"),
    ("ophiuchus", (TALK, 2, "content"), zoom_in("").replace("]", ""), "reply 1: not JSON"),
    ("ophiuchus", (TALK, 2, "content"), "I zoom in.", "reply 1: it must be"),
    ("ophiuchus", ("answer",), "D", "the answer 'D' is not among its choices"),
    ("trl", ("messages", 2), says("assistant", called("scalpel", image="img0")), "no tool 'scalpel'; there are: zoom"),
    ("trl", ("messages", 2), says("assistant", called("zoom", image="img0", box=[200, 0, 300, 9])), "lies outside"),
    ("trl", ("messages", 2), says("assistant", "<tool_call>{</tool_call>"), "reply 1: a tool call is"),
    ("trl", ("messages", 2), says("assistant", ZOOM + "<answer>yes</answer>"), "reply 1: write <think>"),
    ("trl", ("messages", 3), says("user", "Nothing."), "names more images than the 2 that its messages show"),
    ("trl", ("messages", 1, "content"), 5, "holds its content as text or a list of parts"),
    ("trl", ("messages", 1, "content", 0), {"type": "video"}, "a message holds 'video'; there may be text and image"),
    ("trl", ("messages", 1), "hello", "its messages hold str, not a message"),
    ("trl", ("messages", 2), {"role": "assistant", "tool_calls": [3]}, 'a call of "tool_calls" is'),
    ("trl", ("coordinates",), "inches", "coordinates are 'inches'; they must be one of px, 0-1, 0-1000, 0-999"),
    ("trl", ("messages", 8), says("assistant", ""), "more images"),
]  # fmt: skip


@pytest.mark.parametrize(("layout", "at", "value", "told"), BAD, ids=[f"{b[0]}-{b[3][:40]}" for b in BAD])
def test_a_record_that_is_none_costs_one_sentence_with_its_file_and_number(layout, at, value, told, tmp_path):
    path = stored(tmp_path, layout, RECORDS[layout](), changed(RECORDS[layout](), at, value))
    said = refusal(layout, path)
    assert said.startswith(f"{path}, row 2: ")
    assert told in said


@pytest.mark.parametrize("layout", LAYOUTS)
def test_a_record_that_is_none_may_be_left_out(layout, tmp_path):
    good = {"images": pictures(tmp_path, layout), **RECORDS[layout]()}
    bad: list[DataError] = []
    path = write_json(tmp_path / "traces.json", [good, {**good, "images": []}, good])
    assert len(list(find("sft.formats", layout)().read(path, None, bad.append))) == 2
    assert [str(problem).startswith(f"{path}, row 2: ") for problem in bad] == [True]


@pytest.mark.parametrize("layout", LAYOUTS)
def test_a_missing_picture_and_a_name_that_leads_out_are_refused(layout, tmp_path):
    files = pictures(tmp_path, layout)
    for name, told in [("gone.png", "there is no such picture"), ("../a.png", "is not the name of a file inside")]:
        path = write_json(tmp_path / "bad.json", [{**RECORDS[layout](), "images": [name, *files[1:]]}])
        assert told in refusal(layout, path)


@pytest.mark.parametrize("layout", LAYOUTS)
def test_a_broken_file_is_refused_where_it_breaks(layout, tmp_path):
    line = json.dumps({"images": pictures(tmp_path, layout), **RECORDS[layout]()})
    path = tmp_path / "traces.jsonl"
    path.write_text(f"{line}\n{line[:200]}\n")
    scripts = find("sft.formats", layout)().read(path, None)
    assert next(scripts).replies
    with pytest.raises(DataError, match=r"traces\.jsonl, row 2: not JSON"):
        next(scripts)
    whole = tmp_path / "traces.json"
    whole.write_text(f"[{line}, {line[:200]}")
    assert "row 2: not JSON" in refusal(layout, whole)


@pytest.mark.parametrize("layout", LAYOUTS)
def test_a_record_that_stops_before_its_answer_is_refused(layout, tmp_path):
    record = RECORDS[layout]()
    key = "messages" if layout == "trl" else TALK
    ends = {"vitar": 3, "sharegpt": 3, "ophiuchus": 3, "trl": 3}[layout]
    cut = record[key][:ends] if layout != "sharegpt" else record[key][:2]
    path = stored(tmp_path, layout, {**record, key: cut, "images": pictures(tmp_path, layout)[:1]})
    assert refusal(layout, path).startswith(
        f"{path}, row 1: reply 1: shows 1 images with our tools and 0 in the record"
    )


def test_a_thought_that_holds_a_tag_is_refused(tmp_path):
    record = changed(vitar_record(), (TALK, 2), vitar_says("<answer>", "mark", box=[[1, 1, 9, 9]]))
    assert "cannot hold the tag <answer>" in refusal("vitar", stored(tmp_path, "vitar", record))


def test_a_question_without_an_image_and_an_image_too_many_are_refused(tmp_path):
    files = pictures(tmp_path, "trl")
    blind = changed(trl_record(), ("messages", 1), says("user", "Is there a disc?"))
    path = stored(tmp_path, "trl", {**blind, "images": files[:2]})
    assert refusal("trl", path) == f"{path}, row 1: shows no image with its question"
    more = changed(trl_record(), ("messages", 5), says("user", "", "20 pixels."))
    path = stored(tmp_path, "trl", {**more, "images": [*files, files[0]]})
    assert refusal("trl", path) == f"{path}, row 1: reply 2: shows 0 images with our tools and 1 in the record"


def test_a_call_that_names_what_its_own_turn_shows_is_refused(tmp_path):
    """It was written before it could be seen."""
    record = trl_record()
    record["messages"][2] = says("assistant", ZOOM + called("zoom", image="img1", box=[0, 0, 9, 9]))
    record["messages"][3] = says("user", "", "")
    record["images"] = [*pictures(tmp_path, "trl"), "pictures/trl0.png"]
    assert "reply 1: zoom: you have not seen 'img1' yet" in refusal("trl", stored(tmp_path, "trl", record))


def test_calls_beside_an_answer_are_refused(tmp_path):
    both = json.loads(vitar_says("", "mark", box=[[1, 1, 9, 9]])["value"])
    both["actions"].append({"name": "Terminate", "arguments": {"answer": "yes"}})
    record = changed(vitar_record(), (TALK, 2, "value"), json.dumps(both))
    told = "reply 1: answers beside calls, before it has seen what they show"
    assert told in refusal("vitar", stored(tmp_path, "vitar", record))
