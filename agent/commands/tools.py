"""`overread tools`: the image tools by hand."""

import json
from pathlib import Path
from typing import Annotated, Any

from cyclopts import App, Parameter
from PIL import Image as PILImage

from agent.commands.ask import asked, sorted_out
from agent.commands.common import Output
from agent.config import ConfigError
from envs.env import TOOLS
from tools.lookup import find
from tools.tool import Tool

app = App(name="tools", help_format="plaintext", help="List the image tools, or try one on a study.")


@app.command
def ls(output: Output = Output()) -> int:
    """List the tools.

    JSON output: {"tools": [{"name", "description", "parameters"}]}.
    """
    tools = [Tool(find("tools", name)) for name in TOOLS]
    if output.json:
        print(json.dumps({"tools": [tool.schema for tool in tools]}, ensure_ascii=False))
        return 0
    for tool in tools:
        print(f"{tool.name:10} {tool.description}")
        for name, schema in tool.schema["parameters"]["properties"].items():
            print(f"{'':10}   {name}: {_said(schema)}")
    return 0


@app.command
def call(
    tool: str,
    *files: str,
    args: str = "{}",
    role: Annotated[tuple[str, ...], Parameter(consume_multiple=True, negative="", show_default=False)] = (),
    series: int | None = None,
    save: Path = Path("view.png"),
    output: Output = Output(),
) -> int:
    """Try one tool on one study.

    For example:

        overread tools call measure echo.dcm --args '{"start": [629, 320], "end": [689, 435]}' --json
        overread tools call window ct.dcm --args '{"preset": "bone"}' --save bone.png

    JSON output: {"tool", "value", "unit", "facts", "text", "view"}: `view` is the path of the first picture shown.

    Parameters
    ----------
    tool
        Name of a tool.
    files
        The study; its views are img0, img1, ... and img0 is used where `args` names no image.
    args
        The tool's arguments in JSON; boxes and points in px of the image.
    role
        Files by what they are, as in current=a.dcm prior=b.dcm.
    series
        Which series of a folder that holds several.
    save
        Where the picture is written, if the tool shows one.
    """
    chosen = Tool(_found(tool))
    paths, _ = sorted_out([*files, "tools call"], role)
    question = asked(paths, "tools call", series)
    images = {f"img{number}": image for number, image in enumerate(question.images)}
    seen = chosen.call(_arguments(args, chosen), images).run()
    view = _saved(seen.images, save)
    if output.json:
        value, unit = _first_fact(seen.facts)
        said = {"tool": tool, "value": value, "unit": unit, "facts": seen.facts, "text": seen.words(), "view": view}
        print(json.dumps(said, ensure_ascii=False))
    else:
        print(seen.words() + (f"\nview: {view}" if view else ""))
    return 0


def _found(name: str) -> Any:
    try:
        return find("tools", name)
    except LookupError:
        raise ConfigError(f"no tool {name!r}; there are: {', '.join(TOOLS)}") from None


def _arguments(text: str, tool: Tool) -> dict[str, Any]:
    try:
        given = json.loads(text)
    except ValueError as error:
        raise ConfigError(f"--args is not JSON: {error}") from None
    if not isinstance(given, dict):
        raise ConfigError('--args is an object, as in {"box": [10, 20, 60, 80]}')
    first = tool.image_arguments[:1]
    return {**dict.fromkeys(first, "img0"), **given}


def _saved(images: tuple[Any, ...], path: Path) -> str | None:
    if not images:
        return None
    PILImage.fromarray(images[0].pixels).save(path, "PNG")
    return str(path)


def _first_fact(facts: dict[str, Any]) -> tuple[Any, str | None]:
    """The main finding and its unit, which is the end of its name: `length_mm` is in mm."""
    for name, value in facts.items():
        return value, name.rpartition("_")[2] if "_" in name else None
    return None, None


def _said(schema: dict[str, Any]) -> str:
    kinds = [str(part.get("description", part.get("type"))) for part in schema.get("anyOf", [schema])]
    choices = f"; one of {', '.join(map(str, schema['enum']))}" if "enum" in schema else ""
    default = f" (default {schema['default']})" if schema.get("default") is not None else ""
    return " or ".join(kind for kind in kinds if kind != "null") + choices + default
