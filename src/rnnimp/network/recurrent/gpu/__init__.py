"""The recurrent layers and heads of many networks at once, as Triton kernels: the GPU engine.

A *stack* is one direction of one network; stack `2 k` is the left one of network k, `2 k + 1` the right one. A layer is
one launch in each pass. A program owns a tile of haplotypes of one stack and runs over all its markers with the
layer's weights and state on chip. Products take operands of type OPERAND, bfloat16 on a GPU, and accumulate in
float32; the state is float32. Only states are stored: the backward pass recomputes the gates from them and stores the
gates' gradients, which further kernels, no longer sequential, sum into weight gradients.

Layers of up to 48 units, GRU and LSTM, have kernels made for waiting little (`narrow.py`); their backward pass also
turns the gradient of the sum into that of the layers below. Of wider layers (`gru.py`, `lstm.py`) that is a kernel of
its own (`sums.pass_down`), and the weights of more than 64 units do not fit on chip and are read at every marker.

    first layer   gates read `base[t] + p * delta[t]`, the input product of a marker with P(a1) = p and the biases
                  (of a wide GRU without that of the recurrent half of n)
    other layers  gates read the sum of all layers below, `y_l = y_(l-1) + h_l`
    heads         a program owns a gap between two markers: logits, loss and all gradients of its sites in one pass

Arrays (U units, T markers at most, N haplotypes, K networks, P stacks, all contiguous). W is U, of narrow layers
rounded up to a multiple of 16: 32 bytes, which are moved as a whole. Behind the units lie zeros, wherever a pass with
finite weights has written; kernels may read them and multiply them with 0.

    y, h, c       OPERAND (P, T, N, W): sum of layers, state, LSTM cell
    dy            OPERAND (P, T, N, W): gradient of y, turned in place from that of a layer's sum to that below it
    dgates        OPERAND (P, T, 4, N, W): gradients of the gates before their nonlinearity
    table         OPERAND (P, T, 4, U, 8): base and delta in two parts each, see `parts.table_factors`
    parameters    float32 (K, n_parameters): every network's weights in one row, PyTorch's layout, see `stacked.py`
    weights       OPERAND (K, n_parameters): the same, rounded

Gates are r, z, n (GRU) and i, f, g, o (LSTM), as PyTorch orders them. The fourth gradient of a GRU is that of the
recurrent half of n, `r * dn`.
"""
