"""What the policy may write as arguments, and what it is told."""

import pytest

from tests.phantoms import discs, refusal, use
from tools.image import Image
from tools.lookup import find, names
from tools.study import Source
from tools.tool import Tool, ToolError


@pytest.fixture
def image() -> Image:
    return Image.of(Source.of(discs((80, 80, 30))))


def test_what_may_be_left_out_is_told_without_null():
    told = Tool(find("tools", "measure")).schema["parameters"]["properties"]
    assert told["start"] == {
        "type": "array", "items": {"type": "number"}, "minItems": 2, "maxItems": 2,
        "description": "[x, y] where a distance begins",
    }  # fmt: skip
    assert "null" not in str(told)


@pytest.mark.parametrize("name", names("tools"))
def test_every_tool_has_one_sentence_for_the_policy(name):
    tool = Tool(find("tools", name))
    assert tool.name == name
    assert 20 < len(tool.description) < 300
    assert tool.image_arguments[0] == "image"


@pytest.mark.parametrize("name", names("tools"))
def test_every_tool_refuses_an_unknown_image_and_argument_in_words(name, image):
    with pytest.raises(ToolError, match=f"{name}: "):
        Tool(find("tools", name)).call({"image": "img7"}, {"img0": image})
    assert refusal(name, image, scalpel=1).startswith(f"{name}: no argument 'scalpel'; it takes: image, ")


def test_a_box_without_width_is_refused(image):
    assert refusal("measure", image, box=[5, 0, 5.0000001, 9]) == (
        "measure: box [5, 0, 5, 9] is empty; a box needs a width and a height"
    )


@pytest.mark.parametrize("box", [[0, 0, 1e308, 1e308], [-1e308, -1e308, 1e308, 1e308]])
def test_a_box_of_any_size_is_cut_to_the_image(image, box):
    tool = Tool(find("tools", "measure"))
    call = tool.call({"image": "img0", "box": box}, {"img0": image}, {"img0": (50, 40)})  # written on a smaller canvas
    assert call.run().facts["area_px2"] == 200 * 160


def test_a_refusal_speaks_in_the_coordinates_that_were_written(image):
    with pytest.raises(ToolError, match=r"point \[60, 5\] lies outside the image, which is 50 by 40"):
        Tool(find("tools", "segment")).call({"image": "img0", "point": [60, 5]}, {"img0": image}, {"img0": (50, 40)})


def test_the_edge_of_an_image_belongs_to_it(image):
    assert use("measure", image, points=[[200, 160]]).facts == {"value": 0.0}
