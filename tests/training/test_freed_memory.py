"""Freed memory is kept where the C library can be told to."""

import platform
import subprocess
import sys

import pytest

COUNT_PAGE_FAULTS = """
import resource
import torch
from flipbatch.training.freed_memory import keep_freed_memory
{}
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range(50):
    torch.ones(2**20) + torch.ones(2**20) + torch.ones(2**20)
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


def page_faults(first):
    return int(subprocess.check_output([sys.executable, "-c", COUNT_PAGE_FAULTS.format(first)]))


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="the setting is glibc's")
def test_blocks_of_megabytes_are_not_mapped_anew_each_time():
    assert 10 * page_faults("keep_freed_memory()") < page_faults("")
