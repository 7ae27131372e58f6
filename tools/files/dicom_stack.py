"""The order and the distance of slices, from where they lie in the patient."""

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from tools.files.dicom_values import item, items, numbers, words
from tools.files.orientation import letters

if TYPE_CHECKING:
    from pydicom.dataset import Dataset

EVEN = 0.01
"""Distances that differ by less than this share of their mean, or by less than 0.01 mm, count as equal."""
SAME_MM = 1e-3
PARALLEL = 1e-3

NO_PLACE = "the file does not say where its slices lie, so no distance across them is known"


class Slice(NamedTuple):
    """Where one slice lies. DICOM PS3.3 C.7.6.2.1.1."""

    position: tuple[float, ...]
    """(x, y, z) of the first pixel, mm, towards the patient's left, back and head; empty: unknown."""
    directions: tuple[float, ...]
    """Of a row, then of a column; six numbers; empty: unknown."""


class Stack(NamedTuple):
    """Slices that make one volume."""

    order: tuple[int, ...]
    """The slices from the first to the last plane of the volume."""
    spacing_mm: float
    """Between planes; 0.0 where there is no one distance."""
    note: str
    """Why there is no distance; empty where there is one."""
    orientation: tuple[str, ...] | None
    """The sides towards which z, y and x grow."""


def slice_of(header: "Dataset", frame: "Dataset | None" = None) -> Slice:
    """Where a picture lies, or one of its frames by its functional groups. DICOM PS3.3 C.7.6.16.2.3 and .4."""
    where = header if frame is None else item(frame, "PlanePositionSequence")
    tilt = header if frame is None else item(frame, "PlaneOrientationSequence")
    position, directions = numbers(where, "ImagePositionPatient"), numbers(tilt, "ImageOrientationPatient")
    return Slice(position if len(position) == 3 else (), directions if _is_plane(directions) else ())


def _is_plane(directions: tuple[float, ...]) -> bool:
    return len(directions) == 6 and bool(np.linalg.norm(np.cross(directions[:3], directions[3:])) > 0.5)


def plane_letters(header: "Dataset", plane: Slice) -> tuple[str, ...] | None:
    """The sides towards which y and x grow, from the directions or the words of a header."""
    if plane.directions:
        return letters(np.array([plane.directions[3:], plane.directions[:3]]))
    sides = {"L": "L", "R": "R", "A": "A", "P": "P", "H": "S", "F": "I"}  # PS3.3 C.7.6.1.1.1: row first, then column
    row_column = tuple(sides.get(w[:1], "") for w in words(header, "PatientOrientation"))
    axes = {"L": 0, "R": 0, "A": 1, "P": 1, "S": 2, "I": 2}
    if len(row_column) != 2 or "" in row_column or axes[row_column[0]] == axes[row_column[1]]:
        return None
    return row_column[1], row_column[0]


def stacks(slices: list[Slice]) -> list[Stack] | None:
    """The volumes that slices make: one, or several where each place was taken as often.

    None where they make none: not parallel, or several at some places only. The slices come in the order in which
    they were taken, which is what counts where places are unknown, or the same.
    """
    everyone = tuple(range(len(slices)))
    if not all(s.position and s.directions for s in slices):
        return [Stack(everyone, 0.0, NO_PLACE, None)]
    directions = np.array([s.directions for s in slices])
    if np.abs(directions - directions[0]).max() > PARALLEL:
        return None
    row, column = directions[0, :3], directions[0, 3:]
    normal = np.cross(row, column) / np.linalg.norm(np.cross(row, column))
    positions = np.array([s.position for s in slices])
    depths = positions @ normal
    order = np.argsort(depths, kind="stable")
    starts = np.flatnonzero(np.diff(depths[order], prepend=-np.inf) > SAME_MM)
    taken = np.diff(starts, append=len(slices))
    if (taken != taken[0]).any():
        return None
    sides = letters(np.array([normal, column, row]))
    spacing, note = _distance(positions[order[starts]], normal)
    return [Stack(tuple(int(i) for i in order[starts + n]), spacing, note, sides) for n in range(taken[0])]


def _distance(positions: np.ndarray, normal: np.ndarray) -> tuple[float, str]:
    """The distance between neighbours of [n, 3] positions in order, or 0.0 and why there is none."""
    if len(positions) < 2:
        return 0.0, "there is one slice only"
    steps = np.diff(positions, axis=0)
    gaps = steps @ normal
    if np.ptp(gaps) > max(EVEN * gaps.mean(), 0.01):
        missing = "slices are missing or " if gaps.max() > 1.5 * np.median(gaps) else ""
        return 0.0, f"{missing}the slices lie unevenly, {gaps.min():.4g} to {gaps.max():.4g} mm apart"
    aside = np.linalg.norm(steps - gaps[:, None] * normal, axis=1)
    if aside.max() > max(EVEN * gaps.mean(), 0.01):
        return 0.0, f"each slice is shifted {aside.max():.3g} mm sideways against the last, as under a tilted gantry"
    return float(gaps.mean()), ""


def frame_groups(header: "Dataset", count: int) -> "list[Dataset] | None":
    """For each of `count` frames its functional groups, the shared ones among them; None where the file lacks them.

    DICOM PS3.3 C.7.6.16: a group is either shared or stated for each frame.
    """
    from pydicom.dataset import Dataset

    own = items(header, "PerFrameFunctionalGroupsSequence")
    if len(own) < count:
        return None
    shared = item(header, "SharedFunctionalGroupsSequence")
    groups = []
    for entry in own[:count]:
        merged = Dataset()
        merged.update(shared)
        merged.update(entry)
        groups.append(merged)
    return groups
