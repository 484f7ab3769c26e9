"""Names for guides without a band description, from their file names.

If the file name gives sensor and band, the band gets the project's name for it (``red``, ``nir``).
Bands that would have the same name are distinguished by the parts in which their file names differ.
"""

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

_MSI: Final = {"B01": "deepblue", "B02": "blue", "B03": "green", "B04": "red", "B08": "nir"} | {
    "B8A": "nir", "B11": "swir1", "B12": "swir2",
}  # fmt: skip
_OLI: Final = dict(
    zip(range(1, 8), ("deepblue", "blue", "green", "red", "nir", "swir1", "swir2"), strict=True)
)
_TM: Final = {1: "blue", 2: "green", 3: "red", 4: "nir", 5: "swir1", 7: "swir2"}
_MODIS: Final = {1: "red", 2: "nir", 3: "blue", 4: "green", 6: "swir1", 7: "swir2"}
_VIIRS: Final = {"I1": "red", "I2": "nir", "I3": "swir1", "M3": "blue", "M4": "green"} | {
    "M5": "red", "M7": "nir", "M10": "swir1", "M11": "swir2",
}  # fmt: skip
_INDEX: Final = {"NDVI": "ndvi"}

_SENSORS: Final[tuple[tuple[str, dict[str, str]], ...]] = (
    # https://sentiwiki.copernicus.eu/web/s2-products
    (r"(?:S2[A-D]_.*_)?T\d{2}[A-Z]{3}_\d{8}T\d{6}_(B\w\w)(?:_\d\dm)?", _MSI),
    # https://lpdaac.usgs.gov/documents/1698/HLS_User_Guide_V2.pdf
    (r"HLS\.S30\..*\.(B\w\w|Fmask)", _MSI),
    (r"HLS\.L30\..*\.(B\d\d|Fmask)", {f"B{band:02}": name for band, name in _OLI.items()}),
    # https://www.usgs.gov/faqs/what-are-band-designations-landsat-satellites
    (
        r"L[CO]0[89]_.*?_((?:SR_|ST_)?B\d+)",
        {f"{level}B{band}": name for band, name in _OLI.items() for level in ("", "SR_")},
    ),
    (
        r"L[TE]0[4-7]_.*?_((?:SR_|ST_)?B\d+)",
        {f"{level}B{band}": name for band, name in _TM.items() for level in ("", "SR_")},
    ),
    # https://lpdaac.usgs.gov/documents/925/MOD09_User_Guide_V61.pdf
    (
        r"M[OYC]D09.*[._](sur_refl_b\d\d)(?:_\d)?(?:[._].*)?",
        {f"sur_refl_b{band:02}": name for band, name in _MODIS.items()},
    ),
    (
        r"MCD43A4.*[._](Nadir_Reflectance_Band\d)(?:[._].*)?",
        {f"Nadir_Reflectance_Band{band}": name for band, name in _MODIS.items()},
    ),
    (r"(?:M[OYC]D|VNP|VJ1)13.*[._](NDVI|EVI2?)(?:[._].*)?", _INDEX),
    # https://lpdaac.usgs.gov/documents/124/VNP09_User_Guide_V1.pdf
    (r"(?:VNP|VJ1)09.*[._]SurfReflect_([IM]\d+)(?:_\d)?(?:[._].*)?", _VIIRS),
    # https://lpdaac.usgs.gov/documents/1380/ECO2_User_Guide_V2.pdf
    (r"ECOv\d+_L\d\w?_.*_\d{4}_\d{2}_(\w+)", {}),
    # A band number without the name of a mission.
    (r".*[._]((?:SR|ST)_B\d+|sur_refl_b\d\d|SurfReflect_[IM]\d+)", {}),
    (r".*\..*\.(B\d\d|B8A)", {}),
)
"""File names of a sensor, and the project's names of its bands."""


@dataclass(frozen=True)
class FileName:
    """What a file name says about a band.

    Attributes:
        stem: The file's name without folder and ending.
        band: The sensor's name for the band, as the file's name has it; empty where it has none.
        name: The name of the band: the project's, else the sensor's, else the start of the file
            name.
        rank: Position of the band in its sensor's table; of two bands for one name, the first gets
            it.
    """

    stem: str
    band: str
    name: str
    rank: int = 0

    @classmethod
    def of(cls, path: str) -> "FileName":
        """Read a path, or another dataset name of GDAL."""
        file = path.replace("\\", "/").rstrip("/").rsplit("/", 1)[-1]
        stem = re.sub(r"(?<=.)\.[A-Za-z]\w{0,4}$", "", file)
        for pattern, names in _SENSORS:
            if found := re.fullmatch(pattern, stem):
                band = found[1]
                rank = list(names).index(band) if band in names else len(names)
                return cls(stem, band, names.get(band, band), rank)
        return cls(stem, "", file.split(".")[0] or "guide")


@dataclass(frozen=True)
class Unnamed:
    """A band that can only be named after its file.

    Attributes:
        path: The file.
        band: Its number.
        is_alone: Whether its file has no other band.
    """

    path: str
    band: int
    is_alone: bool


def name_by_files(bands: Sequence[Unnamed], taken: Sequence[str] = ()) -> list[str]:
    """Name bands after their files, with different names if the file names allow it.

    The names do not depend on the order of the files.

    Args:
        bands: Bands without a name.
        taken: Names that are already used.
    """
    files = {band.path: FileName.of(band.path) for band in bands}
    names = [_plain(band, files[band.path].name) for band in bands]
    names = _apart(names, taken, [_second(band, files, taken) for band in bands])
    names = _apart(names, taken, [_longer(i, bands, files, names) for i in range(len(bands))])
    names = _apart(names, taken, [_plain(band, files[band.path].stem) for band in bands])
    return _apart(names, taken, [f"{n}_{b.band}" for n, b in zip(names, bands, strict=True)])


def _plain(band: Unnamed, name: str) -> str:
    return name if band.is_alone else f"{name}_{band.band}"


def _second(band: Unnamed, files: Mapping[str, FileName], taken: Sequence[str]) -> str:
    """Return the sensor's name for a band whose name another band has, or comes before it."""
    file = files[band.path]
    ranks = [other.rank for other in files.values() if other.band and other.name == file.name]
    gives_way = file.band and (file.name in taken or file.rank > min(ranks))
    return _plain(band, file.band if gives_way else file.name)


def _longer(
    index: int, bands: Sequence[Unnamed], files: Mapping[str, FileName], names: Sequence[str]
) -> str:
    """Return a name extended by what distinguishes its file from others of the same name."""
    path = bands[index].path
    twins = {b.path for b, name in zip(bands, names, strict=True) if name == names[index]}
    part = _differing(files[path].stem, [files[twin].stem for twin in twins])
    if not part:
        return names[index]
    return f"{names[index]}_{part}" if files[path].band else _plain(bands[index], part)


def _apart(names: Sequence[str], taken: Sequence[str], others: Sequence[str]) -> list[str]:
    """Give bands that share a name their second choice."""
    counts = Counter([*names, *taken])
    pairs = zip(names, others, strict=True)
    return [other if counts[name] > 1 else name for name, other in pairs]


def _differing(stem: str, stems: Sequence[str]) -> str:
    """Remove the words that several file names all begin or end with."""
    words, *_ = lists = [re.split(r"[._\-\s]+", text) for text in (stem, *stems)]
    if len(set(stems)) < 2:
        return ""
    most = min(map(len, lists)) - 1
    same = [len({listed[i] for listed in lists}) == 1 for i in range(most)]
    last = [len({listed[-1 - i] for listed in lists}) == 1 for i in range(most)]
    start = same.index(False) if False in same else most
    end = last.index(False) if False in last else most
    return "_".join(words[start : max(start + 1, len(words) - end)])
