"""The programs that run a region's model: CPU kernels, ONNX Runtime, a GPU by PyTorch."""
