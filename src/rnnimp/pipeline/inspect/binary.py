"""BGEN and PGEN: the headers, the variants' places, and the genotypes of the first variants."""

from __future__ import annotations

import struct
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np

from rnnimp.errors import DataError
from rnnimp.formats.bgen import require_bgen
from rnnimp.formats.bgen_layout import ZSTD, BgenFile, MalformedError
from rnnimp.formats.pgen.reading import files_of, require_pgen
from rnnimp.formats.pgen.writing import library
from rnnimp.pipeline.inspect.findings import BY_HEADER, SAMPLED_RECORDS, Inspection, SiteTally
from rnnimp.pipeline.inspect.tables import inspect_table
from rnnimp.wording import shortened

_MOST_VARIANTS = 300_000
_SAMPLED_VARIANTS = 100
_COMPRESSION = ("none", "zlib", "zstd")
_PGEN_COUNTS = struct.Struct("<3xII")  # behind the magic and the storage mode
_PGEN_FIXED = 0x02  # from this storage mode on, the counts are in the header
_MISSING_CALL = -9


def inspect_bgen(path: str | Path) -> Inspection:
    """Say what a BGEN file is. Variants of layout 1 are only counted.

    Raises:
        DataError: if it is damaged, as far as it is read.
    """
    require_bgen(path)
    tally = SiteTally()
    try:
        file = BgenFile(path)
        header = file.header
        is_read = header.layout == 2
        variants = list(islice(file.variants(), _SAMPLED_VARIANTS)) if is_read else []
        genotypes = [] if header.compression == ZSTD else [file.genotypes(variant) for variant in variants]
        for variant in islice(file.variants(), _MOST_VARIANTS) if is_read else ():
            tally.add(shortened(variant.chromosome.decode(errors="replace")) or None, variant.position)
    except MalformedError as error:
        raise DataError(f"expected a BGEN file ({error}); make it again", path) from error
    n_genotypes = sum(len(part.ploidy) for part in genotypes)
    facts = {
        "size_bytes": Path(path).stat().st_size,
        "format_version": f"layout {header.layout}, compression {_COMPRESSION[header.compression]}",
        "samples": header.n_samples,
        "has_sample_names": header.names is not None,
        **tally.facts(tally.n_sites == header.n_variants),
        "sampled_records": len(genotypes),
        "phased_share": sum(part.is_phased for part in genotypes) / len(genotypes) if genotypes else None,
        "missing_share": sum(int(part.is_missing.sum()) for part in genotypes) / n_genotypes if n_genotypes else None,
        "bits": max((part.n_bits for part in genotypes), default=None),
    }
    facts |= {"sites": header.n_variants, "sites_counted": BY_HEADER}
    return Inspection(str(path), "BGEN", facts)


def inspect_pgen(path: str | Path) -> Inspection:
    """Say what a PGEN file is, with the `.pvar` or `.bim` beside it.

    Raises:
        DataError: if it is damaged, as far as it is read, or the sites are not beside it.
    """
    name = require_pgen(path)
    with Path(name).open("rb") as file:
        start = file.read(12)
    mode = start[2] if len(start) == 12 else 0
    if mode < _PGEN_FIXED:
        raise DataError("expected a PGEN file of plink2, found a damaged one, or PLINK 1's; make it again", name)
    n_variants, n_samples = _PGEN_COUNTS.unpack_from(start)
    beside = [other for other in files_of(name)[1:4] if Path(other).is_file()]
    sites = dict(inspect_table(beside[0]).facts) if beside and not beside[0].endswith(".zst") else {}
    facts = {
        **sites,
        "size_bytes": Path(name).stat().st_size,
        "format_version": f"storage mode 0x{mode:02x}",
        "samples": n_samples,
        "sites": n_variants,
        "sites_counted": BY_HEADER,
        **_calls(name, n_variants, n_samples),
    }
    problems = [] if beside else ["expected .pvar, .pvar.zst or .bim beside it, found none"]
    if sites.get("sites_counted") == "all" and sites["sites"] != n_variants:
        problems.append(f"it has {n_variants} variants, but {beside[0]} has {sites['sites']}")
    return Inspection(str(path), "PGEN", facts, tuple(problems))


def _calls(path: str, n_variants: int, n_samples: int) -> dict[str, Any]:
    """Phase and missing alleles of the first variants; nothing without the library, or if it refuses the file."""
    n_read = min(n_variants, SAMPLED_RECORDS)
    try:
        reader = library().PgenReader(path.encode(), n_samples, n_variants)
        calls, is_phased = np.empty(2 * n_samples, np.int32), np.empty(n_samples, np.uint8)
        n_missing = n_heterozygous = n_phased = 0
        for row in range(n_read):
            reader.read_alleles_and_phasepresent(row, calls, is_phased)
            is_heterozygous = calls[::2] != calls[1::2]
            n_missing += int(np.count_nonzero(calls == _MISSING_CALL))
            n_heterozygous += int(np.count_nonzero(is_heterozygous))
            n_phased += int(np.count_nonzero(is_heterozygous & (is_phased > 0)))
    except Exception:  # of many kinds: it is not installed, or variants have several alleles
        return {}
    n_alleles = 2 * n_samples * n_read
    return {
        "sampled_records": n_read,
        "phased_share": n_phased / n_heterozygous if n_heterozygous else None,
        "missing_share": n_missing / n_alleles if n_alleles else None,
    }
