"""Films: any frame is the one that reading from the beginning gives."""

import struct
from pathlib import Path

import av
import numpy as np
import pytest
from PIL import Image as PILImage

from tools import files
from tools.files import FileError
from tools.study import Source

FRAMES = 40
WIDTH, HEIGHT = 96, 64


def film(path: Path, codec: str, pixels: str = "yuv420p", **options: str) -> Path:
    """A film of moving colours, 25 frames a second."""
    y, x = np.mgrid[:HEIGHT, :WIDTH]
    with av.open(path, "w") as out:
        stream = out.add_stream(codec, rate=25, options=options)
        stream.width, stream.height, stream.pix_fmt = WIDTH, HEIGHT, pixels
        for n in range(FRAMES):
            colors = np.stack([(x * 2 + n * 5) % 256, (y * 3 + n * 3) % 256, np.full_like(x, n * 6)], -1).astype(
                np.uint8
            )
            out.mux(stream.encode(av.VideoFrame.from_ndarray(colors, format="rgb24")))
        out.mux(stream.encode())
    return path


def from_the_beginning(path: Path) -> list[np.ndarray]:
    with av.open(path) as opened:
        return [frame.to_ndarray(format="rgb24") for frame in opened.decode(video=0)]


def one(path: Path) -> Source:
    (source,) = files.open(path).sources
    return source


KINDS = {
    "a.mp4": ("libx264", "yuv420p", {"g": "12", "bf": "3"}),
    "open.mp4": ("libx264", "yuv420p", {"g": "12", "bf": "3", "x264-params": "open-gop=1"}),
    "hevc.mp4": ("libx265", "yuv420p", {"x265-params": "keyint=12:log-level=none"}),
    "a.mkv": ("libx264", "yuv420p", {"g": "12", "bf": "3"}),
    "a.webm": ("libvpx-vp9", "yuv420p", {"g": "12"}),
    "a.mov": ("png", "rgb24", {}),
    "a.mpg": ("mpeg1video", "yuv420p", {}),
    "plain.avi": ("mjpeg", "yuvj420p", {}),
    "mpeg4.avi": ("mpeg4", "yuv420p", {"g": "12", "bf": "2"}),
    "reordered.avi": ("libx264", "yuv420p", {"g": "12", "bf": "3"}),
    "a.gif": ("gif", "rgb8", {}),
}


@pytest.mark.parametrize("name", KINDS)
def test_any_frame_is_the_one_that_reading_from_the_beginning_gives(tmp_path, name):
    codec, pixels, options = KINDS[name]
    if codec not in av.codecs_available:
        pytest.skip(f"this build of PyAV does not write {codec}")
    expected = from_the_beginning(film(tmp_path / name, codec, pixels, **options))
    source = one(tmp_path / name)
    assert (source.axes, source.shape, source.color) == ("tyx", (FRAMES, HEIGHT, WIDTH), True)
    for n in np.random.default_rng(0).permutation(FRAMES):
        assert np.array_equal(source.plane(0, int(n)), expected[n]), n


def test_each_frame_has_its_time(tmp_path):
    times = one(film(tmp_path / "a.mp4", "mpeg4")).times_s
    assert times == pytest.approx([n / 25 for n in range(FRAMES)])


def test_a_film_has_no_scale_and_says_so(tmp_path):
    scale = one(film(tmp_path / "a.mp4", "mpeg4")).scale()
    assert scale.mm is None
    assert scale.note == "a film file states no size on the patient"


def turned(path: Path, matrix: tuple[int, ...]) -> Path:
    """The film with another display matrix in its track header. ISO 14496-12, 8.3.2."""
    data = bytearray(path.read_bytes())
    at = data.index(b"tkhd") + 4 + 4 + 16 + 4 + 8 + 8
    data[at : at + 36] = struct.pack(">9i", *matrix)
    path.write_bytes(data)
    return path


ONE, LAST = 1 << 16, 1 << 30


@pytest.mark.parametrize(
    ("matrix", "upright"),
    [
        ((0, ONE, 0, -ONE, 0, 0, 0, 0, LAST), lambda p: np.rot90(p, -1)),  # clockwise: a phone held upright
        ((-ONE, 0, 0, 0, -ONE, 0, 0, 0, LAST), lambda p: p[::-1, ::-1]),
        ((0, -ONE, 0, ONE, 0, 0, 0, 0, LAST), np.rot90),
    ],
)
def test_a_film_is_shown_upright(tmp_path, matrix, upright):
    path = film(tmp_path / "a.mp4", "mpeg4")
    expected = from_the_beginning(path)[3]
    assert np.array_equal(one(turned(path, matrix)).plane(0, 3), upright(expected))


def test_a_gif_of_one_frame_is_a_picture(tmp_path):
    pixels = np.zeros((8, 12), np.uint8)
    pixels[2:5] = 255
    PILImage.fromarray(pixels).save(tmp_path / "a.gif")
    source = one(tmp_path / "a.gif")
    assert source.axes == "yx"
    assert np.array_equal(source.plane()[..., 0], pixels)


def test_a_film_that_is_cut_short_is_refused(tmp_path):
    path = film(tmp_path / "a.mp4", "mpeg4")
    path.write_bytes(path.read_bytes()[:2000])
    with pytest.raises(FileError, match="cut short"):
        files.open(path)


def test_sound_is_no_picture(tmp_path):
    with av.open(tmp_path / "a.mp4", "w") as out:
        stream = out.add_stream("aac", rate=8000, layout="mono")
        sound = av.AudioFrame.from_ndarray(np.zeros((1, 1024), np.float32), format="fltp", layout="mono")
        sound.sample_rate = 8000
        out.mux(stream.encode(sound))
        out.mux(stream.encode())
    with pytest.raises(FileError, match="no moving picture is found in it: it holds sound"):
        files.open(tmp_path / "a.mp4")
