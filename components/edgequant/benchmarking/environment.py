"""The processor that latencies are measured on, and pinning a process to one of its cores."""

import os
import platform
from pathlib import Path

import psutil

_CPUINFO = Path("/proc/cpuinfo")
# The vector extensions by which kernels are chosen, on x86 and Arm.
_VECTORS = ("amx", "asimd", "avx", "bf16", "f16c", "fma", "i8mm", "neon", "sse4", "sve")
_LOOK_SECONDS = 0.2


def cpu_model() -> str:
    """Returns the processor's model."""
    return _cpuinfo("model name") or platform.processor() or platform.machine()


def cpu_flags() -> tuple[str, ...]:
    """Returns the processor's vector extensions, in alphabetical order; none where the system does not report them."""
    flags = (_cpuinfo("flags") or _cpuinfo("Features")).split()
    return tuple(sorted(flag for flag in flags if flag.startswith(_VECTORS)))


def pin() -> int | None:
    """Pins this process to the idlest processor that it may use, and returns its number; None where that is not supported."""
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
