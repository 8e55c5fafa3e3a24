"""Parts that the CPU and GPU kernels of all networks share."""
