"""Whether a model has all regions of its chromosome; if not, imputing with it must be asked for."""

from __future__ import annotations

import logging

from rnnimp.errors import DataError
from rnnimp.formats.bundle import Bundle
from rnnimp.wording import first_few

logger = logging.getLogger(__name__)


def missing_text(bundle: Bundle) -> str:
    """Which regions a model lacks, for a header line and for messages.

    Args:
        bundle: A model with at least one missing region.
    """
    missing = list(map(str, bundle.missing_regions))
    noun = "region" if len(missing) == 1 else "regions"
    return f"{noun} {first_few(missing)} of {bundle.n_regions}"


def incomplete_text(bundle: Bundle) -> str:
    """Why a model is refused that lacks regions, and what to do.

    Args:
        bundle: A model with at least one missing region.
    """
    return (
        f"the model is incomplete: it lacks {missing_text(bundle)}. Finish its training or get the whole model, or "
        "give --force to impute only the regions that it has"
    )


def require_whole(bundle: Bundle, force: bool) -> None:
    """Refuse a model that lacks regions, unless it is forced.

    Args:
        bundle: The model.
        force: Whether to impute with the regions that exist, with a warning.

    Raises:
        DataError: if regions are missing and `force` is not given.
    """
    if not bundle.missing_regions:
        return
    if not force:
        raise DataError(incomplete_text(bundle), bundle.prefix)
    logger.warning(
        "warning: imputed because of --force: %s: the model is incomplete: it lacks %s. No site is imputed there",
        bundle.prefix,
        missing_text(bundle),
    )
