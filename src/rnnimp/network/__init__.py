"""Networks: marker features, recurrent networks, haplotype HMMs, and their export to one ONNX graph per region."""
