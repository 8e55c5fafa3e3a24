"""Models as ONNX graphs: export, and reading an exported graph back into weights."""
