"""Our GRU on the CPU gives what PyTorch's gives."""

import pytest
import torch
from torch import nn
from torch.nn.utils.rnn import pack_sequence

from proteofold.science import gru as module
from proteofold.science.gru import gru_states


@pytest.mark.parametrize("lengths", [[1], [9], [9, 9, 4, 1, 1], list(range(60, 0, -1))])
@pytest.mark.parametrize("rows", [1, 7, 4096])
@pytest.mark.parametrize("layers", [1, 3])
def test_states_are_those_of_the_formula(monkeypatch, lengths, rows, layers):
    """Of PyTorch's GRU in double precision, from which both single-precision ones differ by rounding."""
    monkeypatch.setattr(module, "_ROWS", rows)
    torch.manual_seed(1)
    gru = nn.GRU(6, 16, num_layers=layers, bidirectional=True).eval()
    packed = pack_sequence([torch.randn(length, 6) for length in lengths])
    exact = nn.GRU(6, 16, num_layers=layers, bidirectional=True).double()
    exact.load_state_dict({name: tensor.double() for name, tensor in gru.state_dict().items()})
    with torch.inference_mode():
        expected = exact(packed._replace(data=packed.data.double()))[0].data
        states = gru_states(gru, packed)
    assert states.dtype == torch.float32
    torch.testing.assert_close(states.double(), expected, rtol=0, atol=2e-6)
