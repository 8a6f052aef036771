"""What torch.compile keeps, met again by a processor of other vectors: ATEN_CPU_CAPABILITY takes this one's away."""

from pathlib import Path

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from seds.system.compilation import key_cache_by_vector_width


class Normalised(nn.Module):
    """Sums over a hundred columns, which the vectors' width does not divide."""

    def forward(self, x: Tensor) -> Tensor:
        return F.layer_norm(x, (100,)).square().sum(1)


@pytest.mark.slow
def test_compiled_code_is_not_run_with_other_vectors(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TORCHINDUCTOR_CACHE_DIR", str(tmp_path))
    x = torch.linspace(-3, 3, 1000).view(10, 100)
    widths = []
    with torch._inductor.config.patch({"cpp.simdlen": None}):  # and so it is again afterwards
        for capability in ("avx2", "default"):
            monkeypatch.setenv("ATEN_CPU_CAPABILITY", capability)
            torch._dynamo.reset()
            key_cache_by_vector_width()
            widths.append(torch._inductor.config.cpp.simdlen)
            network = Normalised()
            network.compile()
            torch.testing.assert_close(network(x), Normalised()(x), rtol=1e-5, atol=0)
    assert widths == [256, 1]
    torch._dynamo.reset()
