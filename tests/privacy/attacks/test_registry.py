from __future__ import annotations

import numpy as np
import pytest

from audited_regions import is_member, memorising_region
from rnnimp.errors import SettingsError
from rnnimp.privacy.attacks.registry import ATTACKS, chosen_attacks
from rnnimp.privacy.controls import ceiling, floor
from rnnimp.privacy.figures import auc_estimate, figures


def test_names_choose_attacks_in_the_order_of_the_list():
    assert [attack.name for attack in chosen_attacks(["longest_match", "loss"])] == ["loss", "longest_match"]
    assert chosen_attacks(None) == ATTACKS


@pytest.mark.parametrize(("names", "found"), [(["los"], "'los'"), ([], "nothing")])
def test_unknown_names_are_refused(names, found):
    with pytest.raises(SettingsError, match=f"expects names of loss, .* found {found}"):
        chosen_attacks(names)


def summed_scores(attack, regions):
    return sum(attack.scores(region).reshape(-1, 2).sum(axis=1) for region in regions)


@pytest.mark.parametrize("attack", [attack for attack in ATTACKS if attack.name != "frequencies"], ids=lambda a: a.name)
def test_a_model_that_has_memorised_its_panel_is_found(attack):
    scores = summed_scores(attack, [memorising_region(seed) for seed in range(2)])

    found = figures(scores[is_member()], scores[~is_member()], np.random.default_rng(1))

    assert found.auc.low > 0.9
    assert found.tpr[0.01].value > 0.5


@pytest.mark.parametrize("name", ["loss", "relative_loss"])
def test_frequencies_as_a_model_tell_nothing_beyond_chance(name):
    (attack,) = chosen_attacks([name])
    estimates = []
    for seed in range(20):
        scores = summed_scores(attack, [floor(memorising_region(seed, n_rows=100))])
        estimates.append(auc_estimate(scores[is_member()], scores[~is_member()]))

    assert sum(estimate.low < 0.5 < estimate.high for estimate in estimates) >= 17  # of 20 intervals of 95%
    assert np.mean([estimate.value for estimate in estimates]) == pytest.approx(0.5, abs=0.03)


def test_the_floor_has_no_states_and_the_ceiling_has_those_of_the_panel():
    region = memorising_region(1)

    assert floor(region).states is None
    assert np.ptp(floor(region).expected, axis=1).max() == 0
    assert ceiling(region, region.reference, None).expected is region.reference


class _CarriedAlleles:
    """An attack of another program: it counts carried alleles."""

    name = "carried"
    title = "carried alleles"
    explanation = "Counts them."
    needs: tuple[str, ...] = ()

    def scores(self, region, threads=1):
        return region.alleles.sum(axis=0).astype(float)


def test_others_can_add_attacks():
    (attack,) = chosen_attacks(["carried"], (*ATTACKS, _CarriedAlleles()))

    assert attack.scores(memorising_region(1)).shape == (2 * len(is_member()),)
