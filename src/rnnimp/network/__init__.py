"""What is trained: marker features, recurrent networks, and their export to one ONNX graph a region."""
