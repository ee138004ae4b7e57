"""What processor a benchmark ran on."""

import platform
from pathlib import Path


def processor_name():
    """Returns the processor's name."""
    return _cpuinfo("model name") or platform.processor() or platform.machine()


def processor_flags():
    """Returns the names of its instruction sets, on Linux; elsewhere none."""
    return (_cpuinfo("flags") or _cpuinfo("Features") or "").split()


def _cpuinfo(field):
    file = Path("/proc/cpuinfo")  # on Linux
    for line in file.read_text().splitlines() if file.is_file() else ():
        key, _, value = line.partition(":")
        if key.strip() == field:
            return value.strip()
    return None
