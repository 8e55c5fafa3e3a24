"""The networks of a region by name, for files and for readers. Light to import."""

HIGHER, LOWER, HYBRID = "higher", "lower", "hybrid"

HMM = "copying"
"""The haplotype HMM in the names of checkpoints and histories, and in manifests. Such files are in use, so it stays."""

NETWORKS = (HIGHER, LOWER, HYBRID, HMM)
"""A region's networks in the order of their training. A network's place in this list goes into its seed."""

TITLES = {
    HIGHER: "higher-MAF network",
    LOWER: "lower-MAF network",
    HYBRID: "hybrid of both networks",
    HMM: "haplotype HMM",
}
"""The networks' names for readers."""
