"""How many threads a library starts and how they wait, said in the environment, which it reads when it is loaded.

The threads of a parallel loop meet at its end, thousands of times in a training step. GNU's OpenMP, on which PyTorch,
its MKL, faiss and scikit-learn run, lets those that are early spin for milliseconds before they sleep. Where another
process wants the core, they take it from the very thread they wait for: beside two busy processes on two cores a step
then takes many times as long (benchmarks/busy_machine.py).
"""

from __future__ import annotations

import os

# Many processes of one thread each decode and detect faster than few of many.
ONE_THREAD = dict.fromkeys(("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"), "1")
# Of the OpenMP standard, so that every compiler's library knows it. In GNU's, GOMP_SPINCOUNT overrules it where set.
WAIT_ASLEEP = {"OMP_WAIT_POLICY": "PASSIVE"}


def wait_asleep() -> None:
    """Let the threads of this process, and of those that it starts, sleep while they wait; no result changes.

    What the environment says already is left alone. Call it before torch, faiss or scikit-learn is imported; later, it
    reaches processes yet to be started only. The entry points do: the `seds` command, the stages, the benchmarks.
    `import seds` does not, for how the threads of a program wait is the program's to say.
    """
    for name, value in WAIT_ASLEEP.items():
        os.environ.setdefault(name, value)
