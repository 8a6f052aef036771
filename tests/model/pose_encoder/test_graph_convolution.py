"""The graph convolution against its definition, written out."""

import pytest
import torch

from seds.model.pose_encoder.graph_convolution import GraphConvolution
from seds.model.pose_encoder.graphs import body_graph, hand_graph

GRAPHS = {
    "hand": hand_graph().adjacency,
    "pooled hand": hand_graph().pooled,
    "body": body_graph().adjacency,
    "pooled body": body_graph().pooled,  # in two of its edge sets no joint has a neighbour
}


def obvious(layer: GraphConvolution, x: torch.Tensor) -> torch.Tensor:
    """y[w] = sum over k and v of A[k, v, w] (W_k x[v] + b_k)."""
    sets = len(layer.adjacency)
    weight = layer.weight.view(sets, -1, x.shape[2])
    sent = torch.einsum("koi,vni->kvno", weight, x) + layer.bias.view(sets, 1, 1, -1)
    return torch.einsum("kvw,kvno->wno", layer.adjacency, sent)


@pytest.mark.parametrize("name", GRAPHS)
def test_graph_convolution_and_gradients_equal_the_definition(name: str) -> None:
    torch.manual_seed(0)
    layer = GraphConvolution(3, 5, GRAPHS[name]).double()
    x = torch.randn(GRAPHS[name].shape[1], 4, 3, dtype=torch.float64, requires_grad=True)
    upstream = torch.randn(len(x), 4, 5, dtype=torch.float64)
    variables = (x, layer.weight, layer.bias)
    expected = torch.autograd.grad((obvious(layer, x) * upstream).sum(), variables)
    actual = torch.autograd.grad((layer(x) * upstream).sum(), variables)
    torch.testing.assert_close(layer(x), obvious(layer, x))
    torch.testing.assert_close(actual, expected)


def test_graph_convolution_takes_input_without_gradient() -> None:
    layer = GraphConvolution(2, 4, GRAPHS["hand"])
    layer(torch.randn(21, 3, 2)).sum().backward()
    assert layer.weight.grad is not None
    assert layer.weight.grad.abs().sum() > 0
