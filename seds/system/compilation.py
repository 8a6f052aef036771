"""torch.compile where processors differ."""

from __future__ import annotations


def key_cache_by_vector_width() -> None:
    """Make the width of this processor's vectors part of the keys of torch.compile's cache. To be called before it.

    For a CPU torch generates code for vectors of one width, but its cache, in /tmp or where TORCHINDUCTOR_CACHE_DIR
    says, does not tell widths apart (2.14). A processor with AVX-512 takes from it what one without has left, computes
    wrong numbers and gives no error. Settings of torch are part of the keys, and the width is one: it is set to the one
    that torch would choose by itself.
    """
    from torch._inductor import config, cpu_vec_isa

    with config.patch({"cpp.simdlen": None}):
        chosen = cpu_vec_isa.pick_vec_isa()
    config.cpp.simdlen = chosen.bit_width() if chosen else 1
