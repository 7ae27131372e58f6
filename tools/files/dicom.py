"""Pictures, films and volumes in one DICOM file."""

from typing import TYPE_CHECKING, Any

import numpy as np

from tools.files.dicom_grey import Rescale, presets, rescale
from tools.files.dicom_overlays import overlays
from tools.files.dicom_pixels import Pixels, find_pixels, frame_reader, read_header
from tools.files.dicom_safe import safe_header, safe_modality
from tools.files.dicom_scale import aspect, pixel_spacing, regions
from tools.files.dicom_stack import NO_PLACE, Slice, Stack, frame_groups, plane_letters, slice_of, stacks
from tools.files.dicom_values import item, items, number, numbers
from tools.files.file import File
from tools.files.stacked import Frame, picture, spread, stacked
from tools.grey import Grey
from tools.study import Source, content_id

if TYPE_CHECKING:
    from pydicom.dataset import Dataset


def dicom(file: File) -> tuple[Source, ...]:
    """What a DICOM file holds: one picture, one film, or the volumes that its frames make."""
    header, at = read_header(file)
    pixels = find_pixels(file, header, at)
    groups = frame_groups(header, pixels.frames)
    scales = [rescale(header, group) for group in groups] if groups else [rescale(header)]
    frame = rescaled(frame_reader(file, header, pixels), scales)
    said = described(header, pixels, scales, groups[0] if groups else None)
    if pixels.frames == 1:
        return (_picture(file, header, pixels, frame, said, groups[0] if groups else None),)
    volumes = _volumes(header, groups, pixels.frames)
    if not volumes:
        return (_film(file, header, pixels, frame, said, groups[0] if groups else None),)
    spacing = in_plane(header, groups[0] if groups else None)
    return tuple(
        volume(volumes[n], frame, pixels, spacing, said, *_named(file.id, n, len(volumes)))
        for n in spread(len(volumes))
    )


def described(
    header: "Dataset", pixels: Pixels, scales: list[Rescale], group: "Dataset | None" = None
) -> dict[str, Any]:
    """What a header says of every source that is made of it."""
    units = {scale.unit for scale in scales}
    scale = scales[0] if len(set(scales)) == 1 else Rescale(unit=units.pop() if len(units) == 1 else "")
    not_applied = {"VOILUTSequence": "not applied"} if items(header, "VOILUTSequence") else {}
    return {
        **scale._asdict(),
        "modality": safe_modality(header),
        "header": safe_header(header) | not_applied,
        "inverted": pixels.options["photometric_interpretation"] == "MONOCHROME1",
        "presets": (Grey.between(0, 1, "mask"),) if pixels.options["bits_allocated"] == 1 else presets(header, group),
        "color": pixels.colored,
        "dtype": pixels.dtype if len(set(scales)) == 1 else "<f4",
    }


def rescaled(frame: Frame, scales: list[Rescale]) -> Frame:
    """Frames whose scales differ, as float32 in their unit; others as they are."""
    if len(set(scales)) == 1:
        return frame

    def read(index: int) -> np.ndarray:
        return (frame(index) * scales[index].slope + scales[index].intercept).astype(np.float32)

    return read


def volume(
    stack: Stack,
    frame: Frame,
    pixels: Pixels,
    in_plane: tuple[tuple[float, float] | None, str],
    said: dict[str, Any],
    id: str,
    role: str,
) -> Source:
    """The frames of one stack, in order."""
    spacing, note = in_plane
    if spacing is not None:
        note = f"{note}; {stack.note or 'across the slices from their positions'}"
    return Source.lazy(
        stacked(lambda index: frame(stack.order[index]), len(stack.order), id),
        id=id,
        role=role,
        axes="zyx",
        shape=(len(stack.order), pixels.height, pixels.width),
        spacing_mm=spacing and (stack.spacing_mm, *spacing),
        spacing_note=note,
        orientation=stack.orientation,
        **said,
    )


def in_plane(header: "Dataset", group: "Dataset | None" = None) -> tuple[tuple[float, float] | None, str]:
    """The size of a pixel, (y, x), mm, by a header or by the functional groups of a frame; and what it refers to."""
    measured = numbers(item(group, "PixelMeasuresSequence"), "PixelSpacing") if group is not None else ()
    if len(measured) == 2 and min(measured) > 0:
        return (measured[0], measured[1]), "in the patient"  # PS3.3 C.7.6.16.2.1
    return pixel_spacing(header)


def _named(id: str, n: int, count: int) -> tuple[str, str]:
    """Id and role of volume `n` of a file."""
    return (id, "") if count == 1 else (content_id(id.encode(), str(n).encode()), f"volume {n + 1} of {count}")


def _flat(header: "Dataset", pixels: Pixels, said: dict[str, Any], group: "Dataset | None") -> dict[str, Any]:
    """The scale of a picture or of the frames of a film: (y, x)."""
    spacing, note = in_plane(header, group)
    parts = regions(header, pixels.width, pixels.height)
    if parts:
        spacing, note = None, "only parts of the picture have a scale"
    return {**said, "spacing_mm": spacing, "spacing_note": note, "regions": parts, "aspect": aspect(header)}


def _picture(
    file: File, header: "Dataset", pixels: Pixels, frame: Frame, said: dict[str, Any], group: "Dataset | None"
) -> Source:
    fields = _flat(header, pixels, said, group)
    sides = plane_letters(header, slice_of(header, group))
    drawn = overlays(file, header, pixels.width, pixels.height)
    return picture(lambda: frame(0), **fields | {"id": file.id, "orientation": sides, "overlays": drawn})


def _film(
    file: File, header: "Dataset", pixels: Pixels, frame: Frame, said: dict[str, Any], group: "Dataset | None"
) -> Source:
    fields = _flat(header, pixels, said, group)
    if fields["spacing_mm"] is not None:
        fields["spacing_mm"] = (0.0, *fields["spacing_mm"])
    times = frame_times(header, pixels.frames)
    shape = (pixels.frames, pixels.height, pixels.width)
    read = stacked(frame, pixels.frames, file.id)
    return Source.lazy(read, **fields, id=file.id, axes="tyx", shape=shape, times_s=times)


def frame_times(header: "Dataset", count: int) -> tuple[float, ...] | None:
    """When each frame of a film was taken, s after the first. DICOM PS3.3 C.7.6.5."""
    steps = numbers(header, "FrameTimeVector")
    if len(steps) == count:
        return tuple(float(t) / 1000 for t in np.cumsum(steps) - steps[0])
    step = (number(header, "FrameTime") or 0) / 1000
    rate = number(header, "CineRate") or number(header, "RecommendedDisplayFrameRate") or 0
    if step <= 0 and rate > 0:
        step = 1 / rate
    return tuple(n * step for n in range(count)) if step > 0 else None


def _volumes(header: "Dataset", groups: "list[Dataset] | None", count: int) -> list[Stack] | None:
    """The volumes that the frames make; None where they lie at one place, at no known places, or askew."""
    slices = _dose_grid(header, count) if groups is None else [slice_of(header, group) for group in groups]
    found = stacks(slices) if slices else None
    return found if found and found[0].note != NO_PLACE and len(found[0].order) > 1 else None


def _dose_grid(header: "Dataset", count: int) -> list[Slice]:
    """The planes of a dose lie at offsets along the normal of the first. DICOM PS3.3 C.8.8.3.2."""
    offsets, first = numbers(header, "GridFrameOffsetVector"), slice_of(header)
    if len(offsets) != count or not first.position or not first.directions:
        return []
    normal = np.cross(first.directions[:3], first.directions[3:])
    places = np.array(first.position) + np.outer(np.array(offsets) - offsets[0], normal)
    return [Slice(tuple(map(float, place)), first.directions) for place in places]
