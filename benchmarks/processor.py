"""The processor and GPUs that a benchmark runs on."""

import os
import platform
import shutil
import subprocess
from pathlib import Path


def processor_name():
    """Returns the processor's name."""
    return _cpuinfo("model name") or platform.processor() or platform.machine()


def restrict_to(cores):
    """Restricts this process to some cores if possible, and returns their number.

    For the beginning of a program: TensorFlow counts them before its first operation.
    """
    if not hasattr(os, "sched_setaffinity"):
        return os.cpu_count()
    chosen = sorted(os.sched_getaffinity(0))[:cores]
    os.sched_setaffinity(0, chosen)
    return len(chosen)


def gpu_names():
    """Returns the names of the NVIDIA GPUs; none without their driver."""
    if shutil.which("nvidia-smi") is None:
        return []
    command = ["nvidia-smi", "--query-gpu=name", "--format=csv,noheader"]
    return subprocess.run(
        command, capture_output=True, encoding="utf-8", errors="replace"
    ).stdout.splitlines()


def processor_flags():
    """Returns the names of the processor's instruction sets on Linux; none elsewhere."""
    return (_cpuinfo("flags") or _cpuinfo("Features") or "").split()


def _cpuinfo(field):
    file = Path("/proc/cpuinfo")  # on Linux
    for line in (
        file.read_text(encoding="utf-8", errors="replace").splitlines() if file.is_file() else ()
    ):
        key, _, value = line.partition(":")
        if key.strip() == field:
            return value.strip()
    return None
