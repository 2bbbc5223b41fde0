"""What the machine offers: a GPU, memory, versions of the software."""

from __future__ import annotations

import contextlib
import os
import platform
import sys
from importlib import metadata


def choose_device(asked: str, uses_torch: bool = True) -> str:
    """ "cuda" when asked for, or (auto) when the work uses torch and a GPU is there; else "cpu".

    Raises:
        ValueError: "cuda" was asked for and is not there.
    """
    if asked == "cpu" or (asked == "auto" and not uses_torch):
        return "cpu"
    try:
        import torch

        available = torch.cuda.is_available()
    except ImportError:
        available = False
    if asked == "cuda" and not available:
        raise ValueError(
            "No CUDA GPU can be used here (torch does not see one); choose device auto or cpu."
        )
    return "cuda" if available else "cpu"


def available_memory_mb() -> float | None:
    """Free memory in MB, or None where the system does not say (only Linux does)."""
    return _said_by_linux("/proc/meminfo", "MemAvailable")


def forget_peak_on(device: str) -> None:
    """Let the peak of `times_in_free_memory` begin anew."""
    if device.startswith("cuda"):
        import torch

        torch.cuda.reset_peak_memory_stats(device)


def times_in_free_memory(device: str) -> float:
    """How many times what this process needed at most on a graphics card, since it was told to
    forget that, fits into the memory that it can have there now; 1 on a CPU."""
    if not device.startswith("cuda"):
        return 1.0
    import torch

    free, _ = torch.cuda.mem_get_info(device)
    free += torch.cuda.memory_reserved(device) - torch.cuda.memory_allocated(device)
    return free / max(torch.cuda.max_memory_allocated(device), 1)


def peak_memory_mb() -> float | None:
    """Largest resident memory of this process so far in MB; None where it is not known."""
    said = _said_by_linux("/proc/self/status", "VmHWM")  # the other would count a large parent
    if said is not None:
        return said
    try:
        import resource
    except ImportError:  # Windows
        return None
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / (2**20 if sys.platform == "darwin" else 1024)


def forget_peak_memory() -> None:
    """Let `peak_memory_mb` begin anew, where the system can (Linux): for a process that does one
    thing after the other."""
    with contextlib.suppress(OSError), open("/proc/self/clear_refs", "w", encoding="utf-8") as file:
        file.write("5")


def _said_by_linux(file: str, name: str) -> float | None:
    """A number of kB in a file of /proc, in MB."""
    try:
        with open(file, encoding="utf-8") as stream:
            for line in stream:
                if line.startswith(f"{name}:"):
                    return float(line.split()[1]) / 1024
    except OSError:
        pass
    return None


def versions() -> dict[str, str]:
    """Versions of what the numbers depend on."""
    from . import __version__

    found = {
        "UncertainReg": __version__,
        "python": platform.python_version(),
        "system": f"{platform.system()} {platform.machine()}, {os.cpu_count()} cores",
    }
    for name in ("numpy", "scipy", "SimpleITK", "torch"):
        if name == "torch" and "torch" not in sys.modules:
            continue
        with contextlib.suppress(metadata.PackageNotFoundError):
            found[name] = metadata.version(name)
    return found
