"""How a scene is divided: strips of the result, tiles of the method, and batches of tiles."""

from dataclasses import dataclass

from groklst_cli.geo.tiles import Cover


@dataclass(frozen=True)
class Strip:
    """A part of the scene, in coarse pixels."""

    rows: slice
    columns: slice

    def widened(self, by: int, shape: tuple[int, int]) -> "Strip":
        """Add surroundings on all sides, as far as the scene reaches."""
        (top, bottom), (left, right) = (
            (max(0, part.start - by), min(size, part.stop + by))
            for part, size in zip((self.rows, self.columns), shape, strict=True)
        )
        return Strip(slice(top, bottom), slice(left, right))


@dataclass(frozen=True)
class Layout:
    """How a scene is cut into tiles.

    Attributes:
        rows: Tiles along the rows.
        columns: Tiles along the columns.
        batch: Number of tiles that a method processes at once; 1 with a halo, because tiles at the
            scene's edge then have other sizes.
    """

    rows: Cover
    columns: Cover
    batch: int = 1

    @classmethod
    def of(
        cls, shape: tuple[int, int], *, tile: int, overlap: int, halo: int, batch: int = 1
    ) -> "Layout":
        """Cut coarse rows and columns alike; all lengths are coarse pixels."""
        rows, columns = (Cover(size, tile, min(overlap, tile // 2), halo) for size in shape)
        return cls(rows, columns, 1 if halo else batch)

    @property
    def count(self) -> int:
        """How many tiles the whole scene has."""
        return len(self.rows.spans) * len(self.columns.spans)

    def row_shape(self, row: int, strip: Strip, scale: int) -> tuple[int, int]:
        """Return height and width of a row of tiles over a strip's columns, fine pixels."""
        down, across = self.rows.spans[row], strip.columns
        return (down.stop - down.start) * scale, (across.stop - across.start) * scale

    @property
    def together(self) -> int:
        """Rows of tiles that share batches; more than one if a row is shorter than a batch."""
        return max(1, self.batch // len(self.columns.spans))

    def groups_of(self, strip: Strip) -> list[range]:
        """Return the rows of tiles that a strip needs, in groups that share batches."""
        down, step = self.rows.touching(strip.rows), self.together
        count = len(self.rows.spans)
        starts = range(down.start - down.start % step, down.stop, step)
        return [range(start, min(start + step, count)) for start in starts]

    def columns_of(self, strip: Strip) -> range:
        """Return the numbers of the columns of tiles that a strip needs, in whole batches."""
        across = self.columns.touching(strip.columns)
        start = across.start - across.start % self.batch
        stop = -(-across.stop // self.batch) * self.batch
        return range(start, min(len(self.columns.spans), stop))
