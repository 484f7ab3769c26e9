"""What a network's arithmetic may be rounded to."""

from typing import Literal

Precision = Literal["fp32", "bf16", "fp16"]
