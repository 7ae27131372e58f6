"""What must hold in a process before transformers is imported. Nothing is written to disk."""

import os
import sys
from typing import Any

SMALL = 4
"""Up to this many cores, torch works with one thread: on busy small machines more made it 20 to 50 times slower."""

_kept: list[Any] = []  # a library takes its operators with it when it is collected


def set_up_torch() -> None:
    """Set the number of threads, unless OMP_NUM_THREADS does, and make torchvision importable.

    Call it first in every process that imports transformers. Raises ImportError where torch is missing.
    """
    few = "OMP_NUM_THREADS" not in os.environ and (os.cpu_count() or 1) <= SMALL
    if few:
        os.environ["OMP_NUM_THREADS"] = "1"  # for the processes that this one starts
    try:
        import torch
    except ModuleNotFoundError:
        raise ImportError("a model on this machine needs torch: pip install 'overread[local]'") from None
    if few:
        torch.set_num_threads(1)
    repair_torchvision()


def repair_torchvision() -> None:
    """Make torchvision's usual wheel, built for CUDA, importable beside a CPU build of torch.

    Its compiled half does not load there, and the import ends at an operator that this half would have declared.
    Declared by us, it is enough for the transforms, which are Python. Where torchvision imports, nothing is done.
    """
    import torch

    try:
        import torchvision
    except ModuleNotFoundError:
        return
    except RuntimeError as error:
        if "torchvision::nms" not in str(error):
            raise
    else:
        return
    for name in [name for name in sys.modules if name.partition(".")[0] == "torchvision"]:
        del sys.modules[name]
    library = torch.library.Library("torchvision", "FRAGMENT")
    for operator in ("nms", "qnms"):
        library.define(f"{operator}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
    _kept.append(library)
    import torchvision  # noqa: F401
