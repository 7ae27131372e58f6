"""Films: MP4, MOV, AVI, WebM, MKV, MPEG and GIF. One frame is decoded at a time, from the key frame before it."""

from collections.abc import Iterator
from itertools import islice
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from tools.files.file import File
from tools.files.stacked import picture, stacked
from tools.study import Source

if TYPE_CHECKING:
    from av import VideoFrame
    from av.container import InputContainer

FRAMES = 200_000
"""The longest film that is opened, frames."""
NO_SCALE = "a film file states no size on the patient"


class Timeline(NamedTuple):
    """When the frames of a film are shown."""

    stamps: tuple[int, ...]
    """Of each frame in the order shown, ticks of the film's clock."""
    keys: tuple[int, ...] | None
    """The stamps of the frames from which decoding can start; None where stamps are no guide, so frames are counted."""
    tick_s: float
    aspect: float
    """The height of a pixel over its width."""
    size: tuple[int, int]
    """(width, height), px, of every frame before it is turned."""


def video(file: File) -> tuple[Source, ...]:
    """The first moving picture in a file, (T, H, W, 3), with the time of each frame. One frame is a picture."""
    from av import FFmpegError

    with file.reading("the film", FFmpegError):
        timeline = _timeline(file)
        first = _frame(file, timeline, 0)

    def read(index: int) -> np.ndarray:
        with file.reading(f"frame {index + 1} of the film", FFmpegError):
            return _frame(file, timeline, index)

    fields: dict[str, Any] = {"id": file.id, "spacing_note": NO_SCALE, "aspect": timeline.aspect}
    stamps = timeline.stamps
    if len(stamps) == 1:
        return (picture(lambda: read(0), **fields),)
    times = tuple(round((stamp - stamps[0]) * timeline.tick_s, 6) for stamp in stamps)
    fields |= {"axes": "tyx", "shape": (len(stamps), *first.shape[:2]), "dtype": "|u1", "color": True}
    return (Source.lazy(stacked(read, len(stamps), file.id), times_s=times, **fields),)


def _opened(file: File) -> "InputContainer":
    import av

    return av.open(str(file.path))


def _timeline(file: File) -> Timeline:
    """Read every packet's time, decoding nothing."""
    with _opened(file) as film:
        if not film.streams.video:
            raise file.refuse("no moving picture is found in it: it holds sound or text, or it is cut short")
        stream = film.streams.video[0]
        file.check_plane(stream.width, stream.height)
        stored = [p for p in film.demux(stream) if p.size]
        if "mp4" in film.format.name and len(stored) < stream.frames:
            raise file.refuse(
                f"the film is cut short: its header states {stream.frames} frames and it has {len(stored)}"
            )
        packets = [p for p in stored if not p.is_discard]
        if len(packets) > FRAMES:
            raise file.refuse(
                f"a film of {len(packets)} frames is longer than the {FRAMES} that are read; cut it first"
            )
        ratio = stream.sample_aspect_ratio
        known = float(stream.time_base or 0), float(1 / ratio) if ratio else 1.0, (stream.width, stream.height)
        stamps = sorted(p.pts for p in packets if p.pts is not None)
        # AVI keeps no time of display, so where frames are stored out of order what is given for it is wrong
        reordered = film.format.name == "avi" and stream.codec_context.has_b_frames
        if reordered or len(set(stamps)) < len(packets):
            return Timeline(_decoded_stamps(file), None, *known)
        keys = sorted(p.pts for p in packets if p.is_keyframe and p.pts is not None)
        return Timeline(tuple(stamps), tuple(keys), *known)


def _decoded_stamps(file: File) -> tuple[int, ...]:
    """A stamp for each frame that decoding gives."""
    with _opened(file) as film:
        stamps = [frame.pts for frame in film.decode(video=0)]
    known = sorted(stamp for stamp in stamps if stamp is not None)
    return tuple(known) if len(known) == len(stamps) else tuple(range(len(stamps)))


def _frame(file: File, timeline: Timeline, index: int) -> np.ndarray:
    """(H, W, 3), RGB, turned as the film asks for."""
    if timeline.keys is None:
        return _upright(next(islice(_from(file, None), index, None)), timeline)
    wanted = timeline.stamps[index]
    key = next((key for key in reversed(timeline.keys) if key <= wanted), None)
    for start in (key, None):  # from the beginning where the container cannot find the key frame
        for frame in _from(file, start):
            if frame.pts == wanted:
                return _upright(frame, timeline)
            if frame.pts is not None and frame.pts > wanted:
                break
    raise ValueError("the frame is not in the film")


def _from(file: File, start: int | None) -> "Iterator[VideoFrame]":
    """Decode from the key frame with this stamp, or from the beginning. Gives nothing where there is no such frame."""
    with _opened(file) as film:
        stream = film.streams.video[0]
        stream.thread_type = "NONE"  # starting threads costs more than they gain on a few frames
        if start is not None:
            film.seek(start, stream=stream)
        for n, packet in enumerate(film.demux(stream)):
            if n == 0 and start is not None and packet.pts != start:
                return
            yield from packet.decode()


def _upright(frame: "VideoFrame", timeline: Timeline) -> np.ndarray:
    if (frame.width, frame.height) != timeline.size:
        raise ValueError(f"a frame of {frame.width} by {frame.height} in a film of {timeline.size}")
    pixels = frame.to_ndarray(format="rgb24")
    return np.ascontiguousarray(np.rot90(pixels, round(frame.rotation / 90)))  # both count counterclockwise
