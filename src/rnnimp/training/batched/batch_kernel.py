"""Training batches drawn where they are used."""

from __future__ import annotations

import triton
import triton.language as tl


@triton.jit
def assemble_batch_kernel(
    panel, dest, crossings, frequency, alt, truth, seeds, iterations, n_rows, n_columns, lengths,
    L, H, T, S, N, REDRAW, CROSSING, HIDDEN,
    CROSSOVERS: tl.constexpr, ROWS: tl.constexpr, TILE: tl.constexpr,
):  # fmt: skip
    """Draw each network's batch of recombined haplotypes.

    A batch draws from a pool of haplotypes, which is new in each redraw period. In the pool, haplotype j begins as
    training haplotype j and switches to a random other one at each crossover that happens. Each haplotype of a batch
    hides a share of its markers, HIDDEN times a uniform number. All draws are Philox numbers of the network's seed and
    of counts, so that they depend on nothing else.

    Args:
        panel: Sites by haplotypes, uint8 (K, L, H): 0, 1, or 2 for missing at markers, targets at imputed sites.
        dest: Destination of each site, int32 (K, L); t for marker t, -1 - s for imputed site s.
        crossings: The share of the crossover probability that lies before each site, float32 (K, L).
        frequency: Frequency that replaces missing alleles of markers, float32 (K, T).
        alt, truth: Receive the batch, (K, T, N) and (K, S, N).
        seeds: int64 (K,).
        iterations: The number of each network's iteration, int32 (K,).
        n_rows, n_columns: Sites and haplotypes of each network, int32 (K,).
        CROSSING: The probability of each of the CROSSOVERS crossovers.
    """
    network = tl.program_id(0).to(tl.int64)
    rows_here = tl.load(n_rows + network)
    first = tl.program_id(1) * ROWS
    if (first < rows_here) & (tl.load(lengths + network) > 0):
        seed = tl.load(seeds + network)
        iteration = tl.load(iterations + network)
        columns = tl.load(n_columns + network)
        batch = tl.program_id(2) * TILE + tl.arange(0, TILE)
        inside = batch < N
        draw = tl.rand(seed, iteration * N + batch)
        member = tl.minimum((draw * columns).to(tl.int32), columns - 1)
        pool = ((iteration // REDRAW) * columns + member) * (3 * CROSSOVERS)
        hidden = HIDDEN * tl.rand(seed + 2, iteration * N + batch)
        for row in range(first, tl.minimum(first + ROWS, rows_here)):
            crossed = tl.load(crossings + network * L + row)
            # each crossover before this site switches to another haplotype; the last one counts
            source = member
            latest = tl.full((TILE,), -1.0, tl.float32)
            for crossover in tl.static_range(CROSSOVERS):
                point = tl.rand(seed + 1, pool + 3 * crossover)
                other = tl.rand(seed + 1, pool + 3 * crossover + 1)
                happens = tl.rand(seed + 1, pool + 3 * crossover + 2) < CROSSING
                takes = happens & (point < crossed) & (point > latest)
                source = tl.where(takes, tl.minimum((other * columns).to(tl.int32), columns - 1), source)
                latest = tl.where(takes, point, latest)
            allele = tl.load(panel + (network * L + row) * H + source, mask=inside, other=0)
            place = tl.load(dest + network * L + row)
            if place >= 0:
                missing = tl.load(frequency + network * T + place)
                is_hidden = (allele == 2) | (tl.rand(seed + 3 + place, iteration * N + batch) < hidden)
                value = tl.where(is_hidden, missing, allele.to(tl.float32))
                tl.store(alt + (network * T + place) * N + batch, value, mask=inside)
            else:
                tl.store(truth + (network * S - 1 - place) * N + batch, allele, mask=inside)
