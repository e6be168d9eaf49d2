"""What a notebook costs, noted from within its kernel: after every cell, the time so far and the peak of memory.

`book/build.py` has IPython run this file as a kernel starts (PYTHONSTARTUP). The lines go to the file that
CXRTUTOR_COSTS names. A kernel does not know which notebook it runs, so each line carries a hash of the code so far; a
notebook is found by the hash of all of its code, which is also how Jupyter Book finds the outputs that it kept.
"""


def _measure() -> None:
    import hashlib
    import json
    import os
    import platform
    import sys
    import time
    from pathlib import Path

    import psutil

    file = os.environ.get("CXRTUTOR_COSTS")
    shell = get_ipython()  # IPython provides it
    if not file:
        return
    process = psutil.Process()
    code = hashlib.sha256()
    machine = {
        "system": platform.system(),
        "processors": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count(),
        "memory_bytes": psutil.virtual_memory().total,
    }

    def peak_bytes() -> int:
        if sys.platform == "win32":
            return process.memory_info().peak_wset
        if sys.platform == "linux":  # not getrusage: on Linux a process inherits the peak of the one that started it
            (line,) = [line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmHWM")]
            return int(line.split()[1]) * 1024
        import resource

        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss

    def note(result) -> None:
        code.update(result.info.raw_cell.encode() + b"\0")
        cost = {"code": code.hexdigest(), "seconds": time.time() - process.create_time(), "peak_bytes": peak_bytes()}
        Path(file).parent.mkdir(parents=True, exist_ok=True)
        with open(file, "a", encoding="utf-8") as lines:
            lines.write(json.dumps(cost | machine) + "\n")

    shell.events.register("post_run_cell", note)


_measure()
del _measure
