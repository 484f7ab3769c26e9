"""Examples to copy at the end of each command's ``--help``."""

from typing import Final

_LINES: Final = {
    "ingest": (
        "groklst ingest LC09_L2SP_134033_20240716_20240717_02_T1.tar --out valley",
        "groklst ingest ecostress_tile sentinel2.SAFE --out scene",
        "groklst ingest product.tar --out part --bounds 500000 4390000 510000 4400000",
    ),
    "downscale": (
        "groklst downscale lst.tif -g red.tif -g nir.tif",
        "groklst downscale lst.tif fine.tif -g nir=all.tif,band=4 -m net.safetensors",
        "groklst downscale lst.tif -g red.tif --dry-run",
        "groklst downscale --config run.toml --log run.log",
        "groklst downscale scenes/*.tif -O fine --skip-existing",
    ),
    "evaluate": (
        "groklst evaluate --pred fine.tif --ref truth.tif --fail-if 'rmse>1.5'",
        "groklst evaluate --data set -s 4 -m bicubic -m net.safetensors",
        "groklst evaluate --data scenes --protocol wald_x4 --report page",
    ),
    "prepare": (
        "groklst prepare scenes/west scenes/east --out set -s 4",
        "groklst prepare lst.tif -g red.tif -g nir.tif --out set -s 4 --patch 64",
    ),
    "train": (
        "groklst train --data set -s 4 --recipe local --out run",
        "groklst train run.toml --set batch=8",
        "groklst train --out run --resume",
        "groklst train --init net.safetensors --data set --out tuned",
        "groklst train --init fusion --data scenes --out tuned",
    ),
    "models": ("groklst models", "groklst models net.safetensors"),
    "info": ("groklst info lst.tif net.safetensors",),
    "import": (
        "groklst import toolkit.pth net.safetensors -m mocolsk -s 8",
        "groklst import rdn.pth net.safetensors -m rdn -s 4 --set arguments.width=32",
    ),
}


def examples(command: str) -> str:
    """Format the examples of a command; the mark in front keeps Typer from wrapping them."""
    return "\n".join(("\b", "Examples:", *(f"  {line}" for line in _LINES[command])))
