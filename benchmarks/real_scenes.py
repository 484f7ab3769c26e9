"""Real scenes under Wald's protocol, one after another."""

from collections.abc import Iterator, Sequence
from pathlib import Path

from groklst_cli.data.scenes import SceneFolder, scene_folders
from groklst_cli.geo.environment import gdal_environment
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
                    yield wald_case(SceneFolder.read(scene), protocol, work)
