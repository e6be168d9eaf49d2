"""GPUs by name: how much they hold, and how fast they could multiply."""

from __future__ import annotations

from dataclasses import dataclass

from ..errors import InputError


@dataclass(frozen=True)
class GPU:
    """A GPU as its maker describes it.

    Attributes:
        name: as people say it.
        gibibytes: the memory that PyTorch reports of such a device; a little less than what its name says.
        bfloat16: dense matrix products in bfloat16, summed in float32, in 10^12 operations a second: the most that the
            data sheet promises, without its doubling for sparse matrices. None where the hardware has no bfloat16.
        float32: the same in float32, outside the tensor cores: PyTorch's default for matrix products.
    """

    name: str
    gibibytes: float
    bfloat16: float | None
    float32: float


GPUS = {
    # NVIDIA Tesla V100 data sheet (2018), SXM2: 125 TFLOPS are of float16 alone.
    "v100-32": GPU("V100 32 GB", 31.7, None, 15.7),
    # NVIDIA T4 data sheet (2019): 65 TFLOPS are of float16 alone.
    "t4-16": GPU("T4 16 GB", 14.6, None, 8.1),
    # NVIDIA A100 data sheet (2020, 2021): both sizes alike.
    "a100-40": GPU("A100 40 GB", 39.4, 312.0, 19.5),
    "a100-80": GPU("A100 80 GB", 79.2, 312.0, 19.5),
    # NVIDIA Ampere GA102 whitepaper (2020), table of the RTX 3090, sums in float32.
    "rtx3090-24": GPU("RTX 3090 24 GB", 23.6, 71.0, 35.6),
    # NVIDIA Ada whitepaper (2022), table of the RTX 4090, sums in float32.
    "rtx4090-24": GPU("RTX 4090 24 GB", 23.5, 165.2, 82.6),
    # NVIDIA L4 data sheet (2023): 242 TFLOPS are with sparsity.
    "l4-24": GPU("L4 24 GB", 22.0, 121.0, 30.3),
    # NVIDIA H100 data sheet (2023), SXM: 1,979 TFLOPS are with sparsity.
    "h100-80": GPU("H100 80 GB", 79.1, 989.0, 67.0),
    # NVIDIA H200 data sheet (2023), SXM: as the H100, with more memory.
    "h200-141": GPU("H200 141 GB", 139.8, 989.0, 67.0),
}


def gpu_named(name: str) -> GPU:
    """A GPU by the name that `GPUS` has for it.

    Raises:
        InputError: there is none of that name.
    """
    if name not in GPUS:
        raise InputError(f"There is no GPU {name!r} to plan for. There are: {', '.join(GPUS)}, and cpu for no GPU.")
    return GPUS[name]
