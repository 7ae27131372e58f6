"""Points, boxes and the maps between frames, in pixels: x to the right, y down, origin at the top left corner.

Coordinates are continuous: pixel number i covers [i, i + 1), so the whole of a W by H image is Box(0, 0, W, H)
and the centre of the first pixel is (0.5, 0.5). A box is half open. Coordinates always belong to one named
image; only `Image.to_source` moves them to another frame.
"""

from typing import Any, NamedTuple, Self

from pydantic import BaseModel, ConfigDict, FiniteFloat, model_serializer, model_validator


class Frozen(BaseModel):
    """A record that cannot change and refuses a field it does not know."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    def __eq__(self, other: object) -> bool:
        """Equal fields: what a record remembers for itself (pixels, open files) does not count."""
        return type(self) is type(other) and all(getattr(self, n) == getattr(other, n) for n in type(self).model_fields)

    def __hash__(self) -> int:
        return hash(self.model_dump_json())


class Point(Frozen):
    """A place on an image, px. Written `[x, y]`."""

    x: FiniteFloat
    y: FiniteFloat

    @model_validator(mode="before")
    @classmethod
    def _from_list(cls, value: Any) -> Any:
        if isinstance(value, list | tuple):
            if len(value) != 2:
                raise ValueError(f"a point is [x, y], not {len(value)} numbers")
            return {"x": value[0], "y": value[1]}
        if not isinstance(value, dict | cls):
            raise ValueError(f"a point is [x, y], not {value!r}"[:60])
        return value

    @property
    def numbers(self) -> list[float]:
        return [self.x, self.y]

    @model_serializer
    def _as_list(self) -> list[float]:
        return self.numbers

    @classmethod
    def __get_pydantic_json_schema__(cls, core: Any, handler: Any) -> dict[str, Any]:
        return {"type": "array", "items": {"type": "number"}, "minItems": 2, "maxItems": 2, "description": "[x, y]"}


class Box(Frozen):
    """A region of an image, px, half open: [x0, x1) by [y0, y1). Written `[x0, y0, x1, y1]`. Never empty."""

    x0: FiniteFloat
    y0: FiniteFloat
    x1: FiniteFloat
    y1: FiniteFloat

    @model_validator(mode="before")
    @classmethod
    def _from_list(cls, value: Any) -> Any:
        if isinstance(value, list | tuple):
            if len(value) != 4:
                raise ValueError(f"a box is [x0, y0, x1, y1], not {len(value)} numbers")
            return dict(zip(("x0", "y0", "x1", "y1"), value, strict=True))
        if not isinstance(value, dict | cls):
            raise ValueError(f"a box is [x0, y0, x1, y1], not {value!r}"[:60])
        return value

    @model_validator(mode="after")
    def _has_area(self) -> Self:
        if not (self.x0 < self.x1 and self.y0 < self.y1):
            raise ValueError(f"an empty box: x {self.x0:g} to {self.x1:g}, y {self.y0:g} to {self.y1:g}")
        return self

    @property
    def numbers(self) -> list[float]:
        return [self.x0, self.y0, self.x1, self.y1]

    @model_serializer
    def _as_list(self) -> list[float]:
        return self.numbers

    @classmethod
    def __get_pydantic_json_schema__(cls, core: Any, handler: Any) -> dict[str, Any]:
        items = {"type": "number"}
        return {"type": "array", "items": items, "minItems": 4, "maxItems": 4, "description": "[x0, y0, x1, y1]"}

    @property
    def width(self) -> float:
        return self.x1 - self.x0

    @property
    def height(self) -> float:
        return self.y1 - self.y0

    @property
    def area(self) -> float:
        return self.width * self.height

    @property
    def center(self) -> Point:
        return Point(x=(self.x0 + self.x1) / 2, y=(self.y0 + self.y1) / 2)

    def contains(self, point: Point) -> bool:
        """Whether a point lies in the box or on its edge."""
        return self.x0 <= point.x <= self.x1 and self.y0 <= point.y <= self.y1

    def intersection(self, other: "Box") -> "Box | None":
        """The part in common; None where the two only touch or lie apart."""
        x0, y0 = max(self.x0, other.x0), max(self.y0, other.y0)
        x1, y1 = min(self.x1, other.x1), min(self.y1, other.y1)
        return Box(x0=x0, y0=y0, x1=x1, y1=y1) if x0 < x1 and y0 < y1 else None

    def iou(self, other: "Box") -> float:
        """Area in common over area in either, in [0, 1]."""
        common = self.intersection(other)
        shared = common.area if common else 0.0
        return shared / (self.area + other.area - shared)


class Affine(NamedTuple):
    """A map of the plane: x' = xx * x + xy * y + x0, y' = yx * x + yy * y + y0."""

    xx: float = 1.0
    xy: float = 0.0
    x0: float = 0.0
    yx: float = 0.0
    yy: float = 1.0
    y0: float = 0.0

    def point(self, p: Point) -> Point:
        return Point(x=self.xx * p.x + self.xy * p.y + self.x0, y=self.yx * p.x + self.yy * p.y + self.y0)

    def box(self, b: Box) -> Box:
        """The box around the mapped box; exact for the quarter turns and mirrors that views are made of."""
        p, q = self.point(Point(x=b.x0, y=b.y0)), self.point(Point(x=b.x1, y=b.y1))
        return Box(x0=min(p.x, q.x), y0=min(p.y, q.y), x1=max(p.x, q.x), y1=max(p.y, q.y))

    def then(self, after: "Affine") -> "Affine":
        """First this map, then `after`."""
        a, b = after, self
        return Affine(
            a.xx * b.xx + a.xy * b.yx, a.xx * b.xy + a.xy * b.yy, a.xx * b.x0 + a.xy * b.y0 + a.x0,
            a.yx * b.xx + a.yy * b.yx, a.yx * b.xy + a.yy * b.yy, a.yx * b.x0 + a.yy * b.y0 + a.y0,
        )  # fmt: skip

    def inverse(self) -> "Affine":
        det = self.xx * self.yy - self.xy * self.yx
        xx, xy, yx, yy = self.yy / det, -self.xy / det, -self.yx / det, self.xx / det
        return Affine(xx, xy, -(xx * self.x0 + xy * self.y0), yx, yy, -(yx * self.x0 + yy * self.y0))


def scaling(sx: float, sy: float) -> Affine:
    return Affine(xx=sx, yy=sy)


def shift(dx: float, dy: float) -> Affine:
    return Affine(x0=dx, y0=dy)


def oriented(width: float, height: float, turns: int, mirrored: bool) -> Affine:
    """Where a point of a `width` by `height` picture goes when it is mirrored left to right, then turned clockwise.

    `turns` counts quarter turns. The result lies in a picture of the same size, or with the sides exchanged
    after an odd number of turns.
    """
    moved = Affine(xx=-1.0, x0=width) if mirrored else Affine()
    for _ in range(turns % 4):
        moved = moved.then(Affine(0.0, -1.0, height, 1.0, 0.0, 0.0))  # (u, v) -> (height - v, u)
        width, height = height, width
    return moved
