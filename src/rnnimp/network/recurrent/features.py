"""Marker features: the input of a recurrent network for each allele of each marker, by kernel PCA.

Two markers are alike when the same training haplotypes carry their alleles. The kernel of two markers, with 0/1 columns
x and y, is that of Kojima et al. (2020, PLoS Comput Biol 16(10): e1008207):

    k(x, y) = |x| |y| exp(cos(x, y) - 1),   0 if either norm is 0

The leading components of the centred kernel give a
score vector for allele 1 (x itself) and for allele 0 (1 - x). The features stay fixed during training.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from rnnimp.sites.panel import alt_frequency


def marker_features(alleles: NDArray[np.int8], n_components: int) -> NDArray[np.float32]:
    """Kernel-PCA scores of both alleles of every marker.

    Args:
        alleles: int8 (n_markers, n_haplotypes) of the training haplotypes; 0, 1, or -1 for missing, which
            counts as the marker's frequency of allele 1.
        n_components: Width of the features.

    Returns:
        float32 (n_markers, 2, n_components); [:, 0] for allele 0, [:, 1] for allele 1. Over the markers, the
        scores of allele 1 have mean 0 and variance 1 in each component. Components whose eigenvalue is not
        above 0 are 0, as are those beyond the number of markers.
    """
    carried = _with_expected(alleles)
    kernel = cosine_exponential_kernel(carried, carried)
    centred = _centre(kernel, kernel)
    values, vectors = _leading(centred, n_components)
    scores = np.zeros((len(alleles), 2, n_components))
    for allele, columns in ((0, 1 - carried), (1, carried)):
        projected = _centre(cosine_exponential_kernel(columns, carried), kernel) @ vectors
        scores[:, allele, : len(values)] = projected * (np.sqrt(len(alleles)) / values)
    return scores.astype(np.float32)


def _with_expected(alleles: NDArray[np.int8]) -> NDArray[np.float64]:
    frequency = np.nan_to_num(alt_frequency(alleles), nan=0.5)
    expected: NDArray[np.float64] = np.where(alleles < 0, frequency[:, None], alleles)
    return expected


def cosine_exponential_kernel(left: NDArray[np.float64], right: NDArray[np.float64]) -> NDArray[np.float64]:
    """`k(x, y)` of the module's docstring for each pair of rows.

    Args:
        left: (n_left, n_haplotypes).
        right: (n_right, n_haplotypes).

    Returns:
        float64 (n_left, n_right).
    """
    norms = np.outer(np.linalg.norm(left, axis=1), np.linalg.norm(right, axis=1))
    cosines = np.divide(left @ right.T, norms, out=np.zeros_like(norms), where=norms > 0)
    kernel: NDArray[np.float64] = norms * np.exp(cosines - 1)
    return kernel


def _centre(kernel: NDArray[np.float64], training: NDArray[np.float64]) -> NDArray[np.float64]:
    """Move the origin of the feature space to the mean of the training points."""
    row_means, training_means = kernel.mean(axis=1, keepdims=True), training.mean(axis=0, keepdims=True)
    centred: NDArray[np.float64] = kernel - row_means - training_means + training.mean()
    return centred


def _leading(centred: NDArray[np.float64], n_components: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Eigenvalues above 0 in descending order, and eigenvectors as columns, each with its largest entry positive."""
    values, vectors = np.linalg.eigh(centred)
    values, vectors = values[::-1][:n_components], vectors[:, ::-1][:, :n_components]
    rounding = max(values[0], 0) * len(centred) * np.finfo(np.float64).eps if len(values) else 0.0
    kept = values > rounding
    values, vectors = values[kept], vectors[:, kept]
    largest = np.abs(vectors).argmax(axis=0)
    return values, vectors * np.sign(vectors[largest, np.arange(vectors.shape[1])])
