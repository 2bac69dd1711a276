"""Areas adjusted for errors of classification: published examples, sums worked by hand, and samples drawn anew."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from qpgis.errors import ConfigError
from qpgis.measures.accuracy import (
    ConfusionMatrix,
    Estimate,
    accuracies,
    adjusted_areas,
    adjusted_shares,
    adjusted_sum,
)

# Olofsson et al. 2014, table 8 and page 54: samples, and mapped pixels of 30 m (0.09 ha). The counts and pixels also
# stand in the examples of the R package mapaccuracy; the printed results follow from them by the paper's equations.
CHANGE = ("deforestation", "forest gain", "stable forest", "stable non-forest")
COUNTS = [[66, 0, 5, 4], [0, 55, 8, 12], [1, 0, 153, 11], [2, 1, 9, 313]]
PIXELS = np.array([200_000, 150_000, 3_200_000, 6_450_000])


def half(found: Estimate) -> np.ndarray:
    return found.high - found.value


class TestPublished:
    def test_olofsson_2014_areas_in_hectares(self) -> None:
        found = adjusted_areas(ConfusionMatrix.of(COUNTS, CHANGE), CHANGE, PIXELS * 0.09)
        assert found.value.round().tolist() == [21_158, 11_686, 285_770, 581_386]
        assert half(found) == pytest.approx([6_158, 3_756, 15_510, 16_282], abs=1)

    def test_olofsson_2014_accuracies(self) -> None:
        found = accuracies(ConfusionMatrix.of(COUNTS, CHANGE), CHANGE, PIXELS)
        assert found.overall.value.round(2) == 0.95
        assert half(found.overall).round(2) == 0.02
        assert found.users.value.round(2).tolist() == [0.88, 0.73, 0.93, 0.96]
        assert half(found.users).round(2).tolist() == [0.07, 0.10, 0.04, 0.02]
        assert found.producers.value.round(2).tolist() == [0.75, 0.85, 0.93, 0.96]
        assert (found.producers.standard_error * 1.96).round(2).tolist() == [0.21, 0.25, 0.03, 0.02]


class TestByHand:
    # of 10 forest samples 8 are forest, of 5 others 1 is; 600 m2 and 400 m2 are mapped:
    # 600 * 8/10 + 400 * 1/5 = 560; variance 600^2 * 0.16 / 9 + 400^2 * 0.16 / 4 = 6400 + 6400
    MATRIX = ConfusionMatrix.of([[8, 2], [1, 4]], ["forest", "other"])

    def test_two_classes(self) -> None:
        found = adjusted_areas(self.MATRIX, ["forest", "other"], [600, 400])
        assert found.value == pytest.approx([560, 440])
        assert found.standard_error == pytest.approx([12_800**0.5] * 2)
        assert found.low == pytest.approx([560 - 1.959964 * 12_800**0.5, 440 - 1.959964 * 12_800**0.5], rel=1e-6)
        assert half(found) == pytest.approx([1.959964 * 12_800**0.5] * 2, rel=1e-6)

    def test_two_accuracies(self) -> None:
        found = accuracies(self.MATRIX, ["forest", "other"], [600, 400])
        assert found.overall.value == pytest.approx(0.6 * 0.8 + 0.4 * 0.8)
        assert found.overall.standard_error == pytest.approx((0.36 * 0.16 / 9 + 0.16 * 0.16 / 4) ** 0.5)
        assert found.users.standard_error == pytest.approx([(0.16 / 9) ** 0.5, 0.2])
        assert found.producers.value == pytest.approx([480 / 560, 320 / 440])
        spread = (600**2 * (80 / 560) ** 2 * 0.16 / 9 + (480 / 560) ** 2 * 400**2 * 0.16 / 4) / 560**2
        assert found.producers.standard_error[0] == pytest.approx(spread**0.5)

    def test_zones_and_shares(self) -> None:
        # the columns in another order, with a class that no zone has
        mapped = [[400, 600, 0], [0, 50, 0], [0, 0, 0], [np.nan, np.nan, np.nan]]
        areas = adjusted_areas(self.MATRIX, ["other", "forest", "cloud"], mapped, groups=[["forest"]])
        shares = adjusted_shares(self.MATRIX, ["other", "forest", "cloud"], mapped, groups=[["forest"]])
        assert areas.value[:, 0] == pytest.approx([560, 40, 0, np.nan], nan_ok=True)
        assert shares.value[:, 0] == pytest.approx([0.56, 0.8, np.nan, np.nan], nan_ok=True)
        assert shares.standard_error[:, 0] == pytest.approx(
            [12_800**0.5 / 1000, (0.16 / 9) ** 0.5, np.nan, np.nan], nan_ok=True
        )
        assert shares.high[1, 0] == 1  # 0.8 + 1.96 * 0.133 is more than there is

    def test_an_interval_ends_at_what_is_possible(self) -> None:
        found = adjusted_areas(ConfusionMatrix.of([[1, 1], [0, 5]], [1, 2]), [1, 2], [10, 0], confidence=0.99)
        assert found.low.tolist() == [0, 0]
        assert found.high.tolist() == [10, 10]

    def test_a_class_that_only_the_ground_truth_has(self) -> None:
        matrix = ConfusionMatrix.of([[8, 0, 2], [0, 10, 0]], ["forest", "other"], ["forest", "other", "wetland"])
        assert adjusted_areas(matrix, ["forest", "other"], [50, 50]).value == pytest.approx([40, 50, 10])
        found = accuracies(matrix, ["forest", "other"], [50, 50])
        assert found.producers.value.tolist() == [1, 1, 0]
        assert found.users.value.tolist() == [0.8, 1]

    def test_a_class_that_no_sample_found_has_no_producers_accuracy(self) -> None:
        found = accuracies(ConfusionMatrix.of([[0, 5], [0, 5]], [1, 2]), [1, 2], [50, 50])
        assert found.producers.value == pytest.approx([np.nan, 0.5], nan_ok=True)
        assert found.users.value.tolist() == [0, 1]


matrices = st.integers(2, 5).flatmap(
    lambda n: st.lists(
        st.lists(st.integers(0, 30), min_size=n, max_size=n).filter(lambda row: sum(row) > 1), min_size=n, max_size=n
    )
)


class TestLaws:
    @given(matrices, st.data())
    @settings(deadline=None)
    def test_a_group_has_the_covariances_of_its_classes(self, counts: list[list[int]], data: st.DataObject) -> None:
        n = len(counts)
        area = data.draw(st.lists(st.integers(0, 1000), min_size=n, max_size=n).filter(any))
        group = data.draw(st.sets(st.integers(0, n - 1), min_size=1))
        # exactly, class by class: a sample is of one class only, so shares of one row vary against one another
        value, variance = Fraction(0), Fraction(0)
        for row, mapped in zip(counts, area, strict=True):
            share = [Fraction(c, sum(row)) for c in row]
            value += sum(mapped * share[j] for j in group)
            variance += sum(
                mapped**2 * (share[j] * (1 - share[j]) if j == k else -share[j] * share[k]) / (sum(row) - 1)
                for j in group
                for k in group
            )
        found = adjusted_areas(ConfusionMatrix.of(counts, range(n)), range(n), area, groups=[group])
        assert found.value == pytest.approx([float(value)], abs=1e-9)
        assert found.standard_error**2 == pytest.approx([float(variance)], rel=1e-9, abs=1e-6)

    @given(matrices, st.data())
    @settings(deadline=None)
    def test_order_doesnt_matter_and_classes_make_up_the_whole(
        self, counts: list[list[int]], data: st.DataObject
    ) -> None:
        n = len(counts)
        area = np.array(data.draw(st.lists(st.integers(1, 1000), min_size=n, max_size=n)))
        order = np.array(data.draw(st.permutations(range(n))))
        matrix = ConfusionMatrix.of(counts, range(n))
        turned = ConfusionMatrix.of(np.array(counts)[order][:, order], order.tolist())
        first, again = adjusted_areas(matrix, range(n), area), adjusted_areas(turned, range(n), area)
        assert again.value == pytest.approx(first.value[order])
        assert again.standard_error == pytest.approx(first.standard_error[order])
        assert first.value.sum() == pytest.approx(area.sum())
        assert (first.low <= first.value + 1e-9).all()
        assert (first.value <= first.high + 1e-9).all()
        every = adjusted_shares(matrix, range(n), area, groups=[range(n)])
        assert (every.value[0], every.standard_error[0]) == pytest.approx((1, 0))

    def test_a_map_without_errors_is_itself(self) -> None:
        found = adjusted_areas(ConfusionMatrix.of(np.diag([5, 9, 2]), "abc"), "abc", [3, 4, 5])
        assert found.value.tolist() == found.low.tolist() == found.high.tolist() == [3, 4, 5]

    def test_samples_drawn_anew_lie_in_the_interval_as_often_as_it_says(self) -> None:
        rng = np.random.default_rng(5)
        truth, mapped = np.array([[0.9, 0.07, 0.03], [0.1, 0.8, 0.1], [0.04, 0.06, 0.9]]), np.array([300, 500, 1200])
        drawn = np.stack([rng.multinomial(150, row, size=2000) for row in truth], axis=1)
        found = [
            adjusted_areas(ConfusionMatrix.of(one, range(3)), range(3), mapped, groups=[[0, 1]], confidence=0.9)
            for one in drawn
        ]
        true = (mapped @ truth)[:2].sum()
        held = np.mean([one.low[0] <= true <= one.high[0] for one in found])
        assert held == pytest.approx(0.9, abs=0.025)
        assert np.mean([one.value[0] for one in found]) == pytest.approx(true, rel=0.002)
        assert np.mean([one.standard_error[0] ** 2 for one in found]) == pytest.approx(
            np.var([one.value[0] for one in found]), rel=0.12
        )


class TestRefused:
    @pytest.mark.parametrize(
        ("counts", "message"),
        [
            ([[5, -1], [0, 5]], r"map class 'a', reference class 'b': -1 is no number of samples"),
            ([[5, 0.5], [0, 5]], r"reference class 'b': 0.5 is no number"),
            ([[5, float("nan")], [0, 5]], r"reference class 'b': nan is no number"),
            ([[5, float("inf")], [0, 5]], r"reference class 'b': inf is no number"),
            ([[5, 0], [0, 0]], r"map class 'b' has 0 samples, at least 2 are needed; sample more"),
            ([[5, 0], [1, 0]], r"map class 'b' has 1 samples"),
            ([[5, 0, 0], [0, 5, 0]], r"counts are 2 x 3, not 2 map classes x 2 reference classes"),
            ([5, 5], r"counts are 2, not 2 map classes"),
            ([["x", 0], [0, 5]], r"counts are no table of numbers"),
            ([[5, 0], [5]], r"counts are no table of numbers"),
        ],
    )
    def test_counts(self, counts: list, message: str) -> None:
        with pytest.raises(ConfigError, match=message):
            ConfusionMatrix.of(counts, ["a", "b"])

    def test_every_mistake_is_named(self) -> None:
        with pytest.raises(ConfigError, match=r"(?s)m\.csv: 3 mistakes.*'a' stands 2 times.*-1.*has 0 samples"):
            ConfusionMatrix.of([[-1, 3], [0, 0]], ["a", "a"], ["a", "b"], what="m.csv")

    def test_classes_that_the_matrix_lacks(self) -> None:
        matrix = ConfusionMatrix.of([[5, 0], [0, 5]], [1, 2])
        with pytest.raises(ConfigError, match=r"classes that the confusion matrix lacks: 7; it has 1, 2\. Sample them"):
            adjusted_areas(matrix, [1, 2, 7], [[1, 1, 0], [1, 1, 1]])
        with pytest.raises(ConfigError, match=r"no reference class 3; there are 1, 2"):
            adjusted_areas(matrix, [1, 2], [1, 1], groups=[[1, 3]])

    def test_areas_and_settings(self) -> None:
        matrix = ConfusionMatrix.of([[5, 0], [0, 5]], [1, 2])
        for areas, message in (
            ([1, -1], "negative or infinite"),
            ([1, np.inf], "negative or infinite"),
            ([1, 2, 3], r"shape \(3,\) don't fit 2 classes"),
        ):
            with pytest.raises(ConfigError, match=message):
                adjusted_areas(matrix, [1, 2], areas)
        with pytest.raises(ConfigError, match="stand twice"):
            adjusted_areas(matrix, [1, 1], [1, 2])
        with pytest.raises(ConfigError, match="confidence = 95 isn't between 0 and 1"):
            adjusted_areas(matrix, [1, 2], [1, 2], confidence=95)
        with pytest.raises(ConfigError, match="add the zones' areas up first"):
            accuracies(matrix, [1, 2], [[1, 2]])


class TestSums:
    """Weighted sums of true areas, and their ratios."""

    # of 600, 200 and 400 m2: forest 600 * 0.8 + 200 * 0.1 + 400 * 0.2 = 580, water 200 * 0.9 = 180, land 1020
    MATRIX = ConfusionMatrix.of([[8, 0, 2], [1, 9, 0], [1, 0, 4]], ["forest", "water", "other"])
    MAPPED = (600, 200, 400)

    def test_forest_over_land(self) -> None:
        found = adjusted_sum(self.MATRIX, self.MATRIX.classes, self.MAPPED, [1, 0, 0], over=[1, 0, 1])
        assert found.value == pytest.approx(580 / 1020)
        # residuals: forest 44/102, other -58/102, water 0; in units of 1/102, row by row, mean square less square mean:
        # forest: 0.8 * 44^2 + 0.2 * 58^2 - (0.8 * 44 - 0.2 * 58)^2 = 2221.6 - 556.96 = 1664.64, over 9
        # water: 0.1 * 44^2 - 4.4^2 = 193.6 - 19.36 = 174.24, over 9
        # other: 0.2 * 44^2 + 0.8 * 58^2 - (0.2 * 44 - 0.8 * 58)^2 = 3078.4 - 1413.76 = 1664.64, over 4
        variance = (600**2 * 1664.64 / 9 + 200**2 * 174.24 / 9 + 400**2 * 1664.64 / 4) / 102**2 / 1020**2
        assert found.standard_error == pytest.approx(variance**0.5)

    def test_a_share_of_all_is_that_of_a_group(self) -> None:
        one = adjusted_sum(self.MATRIX, self.MATRIX.classes, self.MAPPED, [1, 1, 0], over=[1, 1, 1])
        group = adjusted_shares(self.MATRIX, self.MATRIX.classes, self.MAPPED, groups=[["forest", "water"]])
        for name in ("value", "standard_error", "low", "high"):
            assert getattr(one, name) == pytest.approx(getattr(group, name)[0])

    def test_a_sum_is_that_of_a_group(self) -> None:
        one = adjusted_sum(self.MATRIX, self.MATRIX.classes, self.MAPPED, [1, 0, 1])
        group = adjusted_areas(self.MATRIX, self.MATRIX.classes, self.MAPPED, groups=[["forest", "other"]])
        for name in ("value", "standard_error", "low", "high"):
            assert getattr(one, name) == pytest.approx(getattr(group, name)[0])

    def test_nothing_below(self) -> None:
        found = adjusted_sum(self.MATRIX, self.MATRIX.classes, [0, 0, 0], [1, 0, 0], over=[1, 0, 1])
        assert np.isnan(found.value)
        with pytest.raises(ConfigError, match="add the zones' areas up first"):
            adjusted_sum(self.MATRIX, self.MATRIX.classes, [[1, 1, 1]], [1, 0, 0])

    def test_samples_drawn_anew_lie_in_the_interval_as_often_as_it_says(self) -> None:
        rng = np.random.default_rng(6)
        truth, mapped = np.array([[0.9, 0.07, 0.03], [0.1, 0.8, 0.1], [0.04, 0.06, 0.9]]), np.array([300, 500, 1200])
        drawn = np.stack([rng.multinomial(150, row, size=2000) for row in truth], axis=1)
        found = [
            adjusted_sum(ConfusionMatrix.of(one, range(3)), range(3), mapped, [1, 0, 0], over=[1, 0, 1], confidence=0.9)
            for one in drawn
        ]
        areas = mapped @ truth
        true = areas[0] / (areas[0] + areas[2])
        assert np.mean([one.low <= true <= one.high for one in found]) == pytest.approx(0.9, abs=0.025)
        assert np.mean([one.standard_error**2 for one in found]) == pytest.approx(
            np.var([one.value for one in found]), rel=0.12
        )
