"""What latencies are measured on: the processor, and the one that a process is kept on."""

import os
import platform
from pathlib import Path

import psutil

_CPUINFO = Path("/proc/cpuinfo")
# The vector extensions that kernels are chosen by, on x86 and on Arm.
_VECTORS = ("amx", "asimd", "avx", "bf16", "f16c", "fma", "i8mm", "neon", "sse4", "sve")
_LOOK_SECONDS = 0.2


def cpu_model() -> str:
    """Returns the processor's model."""
    return _cpuinfo("model name") or platform.processor() or platform.machine()


def cpu_flags() -> tuple[str, ...]:
    """Returns the processor's vector extensions, in alphabetical order; none where the system does not tell."""
    flags = (_cpuinfo("flags") or _cpuinfo("Features")).split()
    return tuple(sorted(flag for flag in flags if flag.startswith(_VECTORS)))


def pin() -> int | None:
    """Keeps this process on one processor, the idlest of those it may use, and returns which; None where it cannot be."""
    if not hasattr(os, "sched_setaffinity"):
        return None
    busy = psutil.cpu_percent(interval=_LOOK_SECONDS, percpu=True)
    allowed = sorted(os.sched_getaffinity(0))
    cpu = min(allowed, key=lambda number: busy[number] if number < len(busy) else 0.0)
    os.sched_setaffinity(0, {cpu})
    return cpu


def _cpuinfo(field: str) -> str:
    if _CPUINFO.is_file():
        for line in _CPUINFO.read_text().splitlines():
            name, _, value = line.partition(":")
            if name.strip() == field:
                return value.strip()
    return ""
