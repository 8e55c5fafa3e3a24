"""The recurrent networks as Numba kernels for the CPU."""
