"""A bidirectional GRU on the CPU with oneDNN's matrix products, in less memory than PyTorch's.

PyTorch multiplies single-precision matrices with MKL, which leaves half of what processors of AMD can do unused
(docs/decisions.md). The formula is that of torch.nn.GRU; sums are rounded in another order.
"""

from itertools import accumulate, pairwise

from torch.nn.functional import linear, pad

from proteofold.science.batches import cut

# Rows whose gates are computed together: enough for full speed, few enough to take no memory to speak of.
_ROWS = 4096


def gru_states(gru, packed):
    """States of both directions of the last layer: float32 of shape (rows of packed.data, 2 * hidden), in their order.

    ``gru`` is a bidirectional torch.nn.GRU on the CPU in single precision, ``packed`` a PackedSequence.
    """
    data = packed.data
    ends = accumulate(packed.batch_sizes.tolist(), initial=0)
    steps = [slice(start, stop) for start, stop in pairwise(ends)]
    for layer in range(gru.num_layers):
        states = data.new_empty(len(data), 2 * gru.hidden_size)
        forward, backward = states.chunk(2, dim=1)
        _run_direction(gru, f"l{layer}", data, steps, forward)
        _run_direction(gru, f"l{layer}_reverse", data, steps[::-1], backward)
        data = states
    return data


def _run_direction(gru, name, data, steps, states):
    """Write the states of one direction of a layer; ``steps`` are the rows of each step, in the order of computing."""
    of_input, of_state = (_product(gru, kind, name) for kind in ("ih", "hh"))
    state = data.new_zeros(0, gru.hidden_size)
    for part in cut(steps, lambda step: step.stop - step.start, _ROWS):
        first, last = min(part[0].start, part[-1].start), max(part[0].stop, part[-1].stop)
        gates = of_input(data[first:last])
        for step in part:
            width = step.stop - step.start
            # forwards short sequences end before the others, backwards they begin after them, with a state of 0
            state = pad(state[:width], (0, 0, 0, max(0, width - len(state))))
            from_input = gates[step.start - first : step.stop - first]
            reset_update, new = of_state(state).tensor_split((2 * gru.hidden_size,), dim=1)
            reset, update = (reset_update + from_input[:, : 2 * gru.hidden_size]).sigmoid_().chunk(2, dim=1)
            new = (from_input[:, 2 * gru.hidden_size :] + reset * new).tanh_()
            state = new + update * (state - new)
            states[step] = state


def _product(gru, kind, name):
    """The product with a weight matrix of the GRU, and its bias, as a function."""
    weight, bias = (getattr(gru, f"{what}_{kind}_{name}").to_mkldnn() for what in ("weight", "bias"))
    return lambda rows: linear(rows.to_mkldnn(), weight, bias).to_dense()
