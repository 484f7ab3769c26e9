"""Real scenes under Wald's protocol, one after another."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from groklst_cli.data.scenes import SceneFolder, scene_folders
from groklst_cli.geo.band_source import BandSource
from groklst_cli.geo.environment import gdal_environment
from groklst_cli.pipeline.arrays.rasters import ArrayRaster
from groklst_cli.pipeline.evaluate.cases import Case, wald_case
from groklst_cli.pipeline.evaluate.protocol import WaldProtocol, find_protocol


def wald_cases(scenes: Path, scales: Sequence[int], work: Path) -> Iterator[Case]:
    """Make every honest case of a folder of scenes, at each scale."""
    for scale in scales:
        protocol = find_protocol(f"wald_x{scale}")
        assert isinstance(protocol, WaldProtocol)
        for scene in scene_folders(scenes):
            if scene.name not in protocol.left_out:
                with gdal_environment():
                    yield on_disk(wald_case(SceneFolder.read(scene), protocol), work)


def on_disk(case: Case, work: Path) -> Case:
    """Write a case's LST to a file, for what takes files."""
    assert isinstance(case.lst, ArrayRaster)
    path = work / f"{case.name}.tif"
    with case.lst.in_memory() as memory:
        path.write_bytes(memory.read())
    return replace(case, lst=BandSource(str(path)))
