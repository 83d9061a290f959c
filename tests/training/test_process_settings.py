"""A process that trains keeps freed memory where the C library can be told to."""

import platform
import subprocess
import sys

import pytest

COUNT_PAGE_FAULTS = """
import resource
import torch
from flipbatch.training.process_settings import set_up

def batches(count):
    for _ in range(count):
        layers = [torch.ones(3 * 2**19) for _ in range(3)]
        del layers
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt

set_up(2)
print(-batches(3) + batches(100))
"""
PAGES = 100 * 3 * 3 * 2**19 * 4 // 4096


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="the setting is glibc's")
def test_a_batch_finds_the_pages_of_the_one_before():
    assert int(subprocess.check_output([sys.executable, "-c", COUNT_PAGE_FAULTS])) < PAGES / 20
