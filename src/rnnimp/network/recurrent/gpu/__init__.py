"""The recurrent layers and heads of many networks at once, as Triton kernels: the GPU engine.

A *stack* is one direction of one network: stack `2 k` is the left one of network k, stack `2 k + 1` the right one. Each
pass is one launch per layer. A program owns a tile of haplotypes of one stack. It runs over all markers in order, with
the layer's weights and states on chip. Products have operands of type OPERAND, which is bfloat16 on a GPU, and sums in
float32. The state is float32.

The forward pass stores states only. The backward pass computes the gates again from them, and stores the gradients of
the gates. Further kernels sum these into weight gradients; they need no order of markers.

Layers of up to 48 units, GRU and LSTM, have kernels with short waiting times (`narrow.py`). Their backward pass also
passes the gradient on to the layers below. For wider layers (`wide_gru.py`, `wide_lstm.py`), a separate kernel does
this: `gradients.input_bwd_kernel`. The weights of more than 64 units do not fit on chip and are read at every marker.

In the first layer, gates read `base[t] + p * delta[t]`: the input product of marker t at P(a1) = p, with the biases.
For a wide GRU, the bias of the recurrent half of n is not in it. In the other layers, gates read the sum of all layers
below, `y_l = y_(l-1) + h_l`. For the heads, a program owns a gap between two markers. One pass gives logits, loss and
all gradients of its sites.

Arrays, all contiguous, with U units, at most T markers, N haplotypes, K networks, P stacks. W is U; for narrow layers,
U is rounded up to a multiple of 16, because 32 bytes are moved as a whole. A pass with finite weights writes zeros
behind the units. Kernels may read these zeros and multiply by them.

    y, h, c: Sum of layers, state and LSTM cell state, OPERAND (P, T, N, W).
    dy: Gradient of y, OPERAND (P, T, N, W). Each layer turns it into that of the sum below, in place.
    dgates: Gradients of the gates before their nonlinearity, OPERAND (P, T, 4, N, W).
    table: Base and delta in two parts each, OPERAND (P, T, 4, U, 8). See `parts.table_factors`.
    parameters: Weights of one network per row, float32 (K, n_parameters). See `row_layout.py`.
    weights: The same weights, rounded, OPERAND (K, n_parameters).

The gates are r, z, n (GRU) and i, f, g, o (LSTM), in the order of PyTorch. The fourth gradient of a GRU is that of the
recurrent half of n, `r * dn`.
"""
