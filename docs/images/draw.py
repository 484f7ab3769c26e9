"""Draw the README's picture from the one that ``make demo`` draws: smaller, in few colours.

``make demo && .venv/bin/python docs/images/draw.py``
"""

from pathlib import Path

from PIL import Image

ROOT = Path(__file__).resolve().parents[2]
WIDTH = 1000  # pixels
COLOURS = 64


def main() -> None:
    """Write ``before_after.png`` beside this script."""
    with Image.open(ROOT / "demo" / "before_after.png") as drawn:
        height = round(drawn.height * WIDTH / drawn.width)
        small = drawn.convert("RGB").resize((WIDTH, height), Image.Resampling.LANCZOS)
    few = small.quantize(COLOURS, dither=Image.Dither.NONE)
    few.save(Path(__file__).with_name("before_after.png"), optimize=True)


if __name__ == "__main__":
    main()
