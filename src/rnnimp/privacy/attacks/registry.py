"""The attacks of `rnnimp audit`. To add one, write a module beside this one and list it here."""

from __future__ import annotations

from collections.abc import Sequence

from rnnimp.errors import SettingsError
from rnnimp.privacy.attacks.direction import DirectionAttack
from rnnimp.privacy.attacks.frequencies import FrequencyAttack
from rnnimp.privacy.attacks.loss import LossAttack, RelativeLossAttack
from rnnimp.privacy.attacks.protocol import Attack
from rnnimp.privacy.attacks.states import LongestMatchAttack, RelativeStateLikelihoodAttack, StateLikelihoodAttack

ATTACKS: tuple[Attack, ...] = (
    LossAttack(),
    RelativeLossAttack(),
    DirectionAttack(),
    FrequencyAttack(),
    LongestMatchAttack(),
    StateLikelihoodAttack(),
    RelativeStateLikelihoodAttack(),
)
"""All attacks, in the order of tables."""


def chosen_attacks(names: Sequence[str] | None, attacks: Sequence[Attack] = ATTACKS) -> tuple[Attack, ...]:
    """The attacks of some names, in the order of `attacks`; all for None.

    Raises:
        SettingsError: for a name that no attack has.
    """
    known = [attack.name for attack in attacks]
    unknown = [name for name in names or () if name not in known]
    if unknown or (names is not None and not names):
        found = f"'{unknown[0]}'" if unknown else "nothing"
        raise SettingsError(f"--attacks expects names of {', '.join(known)}, found {found}")
    return tuple(attack for attack in attacks if names is None or attack.name in names)
