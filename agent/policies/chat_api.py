"""A model behind any server that speaks OpenAI's chat completions."""

import asyncio
import base64
import os
from collections.abc import Callable, Iterator
from threading import Lock
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit

import numpy as np
from PIL import Image as PILImage
from pydantic import Field

from agent.chat_stream import Draft, Unanswered, read_stream, told
from agent.chats.qwen import Limits
from agent.conversation import Part, Quote, canvases, conversation
from agent.coordinates import THOUSANDTHS, Coordinates, in_pixels
from agent.loop import Policy, PolicyError
from agent.png import png
from envs.episode import Episode, Reply
from tools.image import Image
from tools.tool import Size

OPENAI = "https://api.openai.com/v1"
# the limits that Qwen2.5-VL's image processor has where its folder states none
QWEN2_5_VL = Limits(patch=28, min_pixels=56 * 56, max_pixels=1280 * 28 * 28)
CONVENTIONS = {
    "pixels": in_pixels(lambda image: (image.width, image.height)),
    "thousandths": THOUSANDTHS,
    "qwen2_5_vl": in_pixels(QWEN2_5_VL.size),
}
MOST_KEPT = 64
"""How many images are kept as they were sent, so that a turn need not make them again: 8 episodes of 8 views."""
Seconds = Annotated[float, Field(gt=0)]


def chat_api(
    model: str,
    base_url: str | None = None,
    *,
    api_key_env: str = "OPENAI_API_KEY",
    coordinates: Literal["pixels", "thousandths", "qwen2_5_vl"] = "pixels",
    temperature: Annotated[float, Field(ge=0)] | None = None,
    max_tokens: Annotated[int, Field(ge=1)] | None = None,
    connect_s: Seconds = 10.0,
    first_token_s: Seconds = 60.0,
    timeout_s: Seconds = 300.0,
    retries: Annotated[int, Field(ge=0)] = 2,
    on_text: Callable[[str], None] | None = None,
) -> Policy:
    """The model that a server knows as `model`; without `base_url`, OpenAI's own.

    `coordinates` is how the model writes places: in px of the image as it is sent, in thousandths of it, or as
    Qwen2.5-VL does, for which the image is sent in whole patches. The key is read from the environment variable
    `api_key_env`, and told to nobody but the server; a server at `base_url` may need none. A connection that fails
    and an answer of 408, 409, 429 or 5xx are tried again, `retries` times, after pauses that grow. A reply may take
    `timeout_s` in all, and `first_token_s` until its first word, all tries included. Raises PolicyError.
    """
    convention = CONVENTIONS[coordinates]
    url = base_url or os.environ.get("OPENAI_BASE_URL") or OPENAI
    server = urlsplit(url)
    if "@" in server.netloc:
        raise PolicyError(f"base_url holds a user or a password; put the key in {api_key_env}, and only the host here")
    if server.scheme not in ("http", "https") or not server.hostname:
        raise PolicyError(f"base_url {url!r} is not the address of a server, as in http://localhost:8000/v1")
    key = os.environ.get(api_key_env, "")
    if not key and url == OPENAI:
        raise PolicyError(f"{api_key_env} is not set: put a key for OpenAI's server there, or give a base_url")
    wishes = {"model": model, "temperature": temperature, "max_tokens": max_tokens}
    request = {name: wish for name, wish in wishes.items() if wish is not None}
    url_of = remembered()

    async def policy(episode: Episode) -> Reply:
        messages = await asyncio.to_thread(lambda: list(written(episode, convention, url_of)))
        try:
            draft = await ask({**request, "messages": messages})
        except Unanswered as problem:
            # a server may repeat the key in what it says of it
            said = f"the server at {server.netloc} {problem}".replace(key or "\0", "***")
            raise PolicyError(said) from None
        finish: Literal["stop", "length"] = "length" if draft.finish == "length" else "stop"
        places = canvases(episode, convention)
        return Reply(
            text=draft.text, num_tokens=draft.num_tokens, finish=finish, model_version=draft.model, canvas=places
        )

    async def ask(request: dict[str, Any]) -> Draft:
        import openai

        limits = openai.Timeout(timeout_s, connect=connect_s)
        # a client for each reply: its connections belong to the event loop that runs
        client = openai.AsyncOpenAI(api_key=key or "none", base_url=url, timeout=limits, max_retries=retries)
        try:
            async with client, asyncio.timeout(timeout_s):
                return await read_stream(client, request, first_token_s, on_text)
        except TimeoutError:
            raise Unanswered(f"was still replying after {timeout_s:g} s; raise timeout_s or lower max_tokens") from None
        except openai.OpenAIError as error:
            raise Unanswered(told(error, request, api_key_env)) from None

    return policy


def written(
    episode: Episode, convention: Coordinates, url_of: Callable[[Image, Size], str]
) -> Iterator[dict[str, Any]]:
    """The messages of an episode so far, as OpenAI's chat completions take them."""
    for said in conversation(episode, convention):
        if isinstance(said, Reply):
            yield {"role": "assistant", "content": said.text}
        else:
            parts = [_content(part, convention, url_of) for part in said.parts]
            # a system message of parts is more than many servers take
            yield {"role": said.role, "content": parts[0]["text"] if said.role == "system" else parts}


def _content(part: Part, convention: Coordinates, url_of: Callable[[Image, Size], str]) -> dict[str, Any]:
    if isinstance(part, Image):
        size = (part.width, part.height) if convention is THOUSANDTHS else convention.canvas(part)
        return {"type": "image_url", "image_url": {"url": url_of(part, size)}}
    return {"type": "text", "text": broken(part.text) if isinstance(part, Quote) else part}


def broken(text: str) -> str:
    """Words of others with a space of no width in every `<|`: a server may read <|im_end|> as the end of a message."""
    return text.replace("<|", "<\u200b|")


def remembered(most: int = MOST_KEPT) -> Callable[[Image, Size], str]:
    """`data_url`, which keeps the `most` URLs that were last asked for."""
    kept: dict[tuple[str, Size], str] = {}
    lock = Lock()  # episodes are written in threads of their own

    def url(image: Image, size: Size) -> str:
        key = (image.id, size)
        found = kept.get(key) or data_url(image, size)
        with lock:
            kept.pop(key, None)
            kept[key] = found  # last in line to go
            if len(kept) > most:
                del kept[next(iter(kept))]
        return found

    return url


def data_url(image: Image, size: Size) -> str:
    """The pixels of a view, brought to a size, as a PNG in a URL."""
    pixels = image.pixels
    if (image.width, image.height) != size:
        pixels = np.asarray(PILImage.fromarray(pixels).resize(size, PILImage.Resampling.BICUBIC))
    return "data:image/png;base64," + base64.b64encode(png(pixels)).decode()
