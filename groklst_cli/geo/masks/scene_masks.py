"""The masks of a scene, open on its fine grid."""

from collections.abc import Sequence
from contextlib import ExitStack

import numpy as np
from numpy.typing import NDArray

from groklst_cli.errors import UsageError
from groklst_cli.geo.grid import Grid
from groklst_cli.geo.masks.files import MaskFile, MaskSource
from groklst_cli.geo.masks.masked_lst import WHOLLY, Masking


class SceneMasks:
    """Masks of an LST and of its guides.

    Attributes:
        lst: Those of the LST.
        guides: Those of guidance, each with the band that it is for; None for all.
    """

    def __init__(self, masking: Masking, fine: Grid, bands: Sequence[str]) -> None:
        """Open all files.

        Args:
            masking: Which masks there are.
            fine: The grid to bring them to.
            bands: Names of all guidance bands.

        Raises:
            InputError: If one cannot be used.
            UsageError: If one is for a band that no guide has, or the LST's is for a band.
        """
        self._opened = ExitStack()
        try:
            for file in masking.lst:
                _refuse_name(file)
            for file in masking.guides:
                _refuse_stranger(file, bands)
            self.lst = [self._open(file, fine) for file in masking.lst]
            self.guides = [(file.source.name, self._open(file, fine)) for file in masking.guides]
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """Close all files."""
        self._opened.close()

    def read_clear(self, rows: slice, columns: slice) -> NDArray[np.float32]:
        """Read the clear share of fine pixels: a pixel is clear where all of the LST's say so."""
        least, *others = (mask.read(rows, columns) for mask in self.lst)
        for other in others:
            np.minimum(least, other, out=least)
        return least

    def hide(
        self, values: NDArray[np.float32], names: Sequence[str], rows: slice, columns: slice
    ) -> None:
        """Set masked pixels of guides to NaN; methods fill what they need.

        Args:
            values: ``(bands, rows, columns)`` of the fine grid.
            names: Of the bands.
            rows: Of the fine grid.
            columns: Likewise.
        """
        for name, mask in self.guides:
            places = [place for place, band in enumerate(names) if name in (None, band)]
            if places:
                hidden = mask.read(rows, columns) < WHOLLY
                for place in places:
                    values[place][hidden] = np.nan

    def _open(self, file: MaskFile, fine: Grid) -> MaskSource:
        mask = MaskSource(file, fine)
        self._opened.callback(mask.close)
        return mask


def _refuse_name(file: MaskFile) -> None:
    if file.source.name is not None:
        raise UsageError(
            f"--mask {file} names a band, but the LST has only one; leave {file.source.name}= out"
        )


def _refuse_stranger(file: MaskFile, bands: Sequence[str]) -> None:
    if file.source.name not in (None, *bands):
        raise UsageError(
            f"--guide-mask {file} is for band {file.source.name}, but the guides have "
            f"{', '.join(bands) or 'none'}; name one of these, or no band to mask all"
        )
