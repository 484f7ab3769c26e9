"""Laws of fp32 on a GPU: whatever a program has asked torch for, it is not TF32 afterwards.

Each is tried in a process of its own, because torch keeps its answer until the process ends.
"""

import subprocess
import sys

import pytest
import torch

ASKED = ("pass", "torch.set_float32_matmul_precision('high')")
ASKED_BY_OPERATION = (
    "torch.backends.fp32_precision = 'tf32'",
    "torch.backends.cudnn.fp32_precision = 'tf32'",
    "torch.backends.cuda.matmul.fp32_precision = 'tf32'",
)
HAS_OPERATIONS = hasattr(torch.backends.cudnn, "conv")
KEEP = """
import torch
{asked}
from groklst_cli.pipeline.predict.devices import keep_fp32
convolutions = torch.backends.cudnn.allow_tf32
keep_fp32(torch.device("cpu"))
assert torch.backends.cudnn.allow_tf32 == convolutions
keep_fp32(torch.device("cuda"))
assert not torch.backends.cudnn.allow_tf32
assert not torch.backends.cuda.matmul.allow_tf32
assert torch.get_float32_matmul_precision() == "highest"
"""
EACH = """
for operation in (torch.backends.cudnn.conv, torch.backends.cudnn.rnn, torch.backends.cuda.matmul):
    assert operation.fp32_precision == "ieee"
"""


@pytest.mark.parametrize("asked", [*ASKED, *(ASKED_BY_OPERATION if HAS_OPERATIONS else ())])
def test_all_bits_are_kept_and_every_way_to_ask_still_answers(asked):
    program = KEEP.format(asked=asked) + (EACH if HAS_OPERATIONS else "")
    ended = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert ended.returncode == 0, ended.stderr
