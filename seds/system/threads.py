"""How many threads a library starts and how they wait, said in the environment, which it reads when it is loaded.

The threads of a parallel loop meet at its end, thousands of times in a training step. In GNU's OpenMP, on which
PyTorch, its MKL, faiss and scikit-learn run, those that are early spin for milliseconds before they sleep. Where
another process wants the core, they take it from the very thread they wait for, and a step takes many times as long.
Threads that sleep at once make steps slow on an idle machine, since waking one takes longer than most loops. So they
spin about as long as waking takes, and then sleep. benchmarks/busy_machine.py measures both.
"""

from __future__ import annotations

import os

# Many processes of one thread each decode and detect faster than few of many.
ONE_THREAD = dict.fromkeys(("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"), "1")
# The first is the OpenMP standard's: where the second, GNU's own, is not known, threads sleep at once.
SLEEP_SOON = {"OMP_WAIT_POLICY": "PASSIVE", "GOMP_SPINCOUNT": "1000"}  # some 10 to 50 µs; GNU's default is 300,000


def sleep_soon() -> None:
    """Let the threads of this process, and of those that it starts, spin but briefly while they wait, and then sleep.

    No result changes. An environment that says anything of it is left alone. Call it before torch, faiss or
    scikit-learn is imported; later, it reaches processes yet to be started only. The entry points do: the `seds`
    command, the stages, the benchmarks. `import seds` does not, for how a program's threads wait is its own affair.
    """
    if not SLEEP_SOON.keys() & os.environ.keys():
        os.environ.update(SLEEP_SOON)
