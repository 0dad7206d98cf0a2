"""What holds for every detector, whatever R says: independence of series, the past only, and the regression itself."""

from __future__ import annotations

import numpy as np
import pytest
import statsmodels.api as sm
from hypothesis import given, settings
from hypothesis import strategies as st

from healthbrain.kernel.errors import Invalid
from healthbrain.surveillance.rules import ladder
from healthbrain.surveillance.rules.glm import Design, fit
from healthbrain.surveillance.rules.methods import method, methods
from healthbrain.surveillance.rules.quantiles import nb_quantile, nb_upper_tail
from healthbrain.surveillance.rules.series import Frequency, SeriesSet, TooLittleHistory

WEEKS = 5 * 52 + 30
PUBLISHED = sorted(name for name in methods() if name != "own")


def some(seed: int, n: int, weeks: int = WEEKS) -> SeriesSet:
    random = np.random.default_rng(seed)
    mean = np.exp(random.uniform(-2, 4, (n, 1)) + 0.5 * np.cos(2 * np.pi * np.arange(weeks) / 52))
    return SeriesSet(tuple(f"s{i}" for i in range(n)), random.poisson(mean).astype(float))


def parts(found) -> tuple:
    return found.expected, found.bound, found.alarm, found.pvalue


@pytest.mark.parametrize("name", PUBLISHED)
def test_a_series_gets_the_same_answer_alone_among_others_and_in_any_order(name: str) -> None:
    series = some(3, 7)
    together = method(name).detect(series, from_index=WEEKS - 8)
    order = [4, 0, 6, 2, 5, 1, 3]
    shuffled = method(name).detect(series.pick(order), from_index=WEEKS - 8)
    for part, moved in zip(parts(together), parts(shuffled), strict=True):
        np.testing.assert_allclose(part[order].astype(float), moved.astype(float), rtol=1e-9, atol=1e-12)
    for i in range(7):
        alone = method(name).detect(series.pick([i]), from_index=WEEKS - 8)
        for part, single in zip(parts(together), parts(alone), strict=True):
            np.testing.assert_allclose(part[i].astype(float), single[0].astype(float), rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("name", PUBLISHED)
def test_a_test_sees_nothing_that_comes_later(name: str) -> None:
    series = some(4, 5)
    whole = method(name).detect(series, from_index=WEEKS - 10)
    short = method(name).detect(series.until(WEEKS - 5), from_index=WEEKS - 10)
    for part, early in zip(parts(whole), parts(short), strict=True):
        np.testing.assert_allclose(part[:, :5].astype(float), early.astype(float), rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("name", sorted(set(PUBLISHED) - {"ears_c3", "ears_c3_r", "cusum", "cdc"}))
def test_an_alarm_is_a_count_that_passes_the_bound_and_more_cases_never_take_it_back(name: str) -> None:
    series = some(5, 40)
    found = method(name).detect(series, from_index=WEEKS - 1)
    raised = series.counts.copy()
    raised[:, -1] = raised[:, -1] * 3 + 60
    more = method(name).detect(SeriesSet(series.names, raised), from_index=WEEKS - 1)
    assert (more.alarm | ~found.alarm).all()
    assert more.alarm.mean() > 0.5
    with np.errstate(invalid="ignore"):
        assert not (found.alarm & (found.observed < found.bound)).any()


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 10_000), st.integers(1, 6), st.booleans())
def test_the_regression_is_that_of_statsmodels(seed: int, levels: int, trend: bool) -> None:
    random = np.random.default_rng(seed)
    n = 70
    level = np.sort(np.concatenate([np.arange(levels), random.integers(0, levels, n - levels)]))
    time = -random.permutation(np.arange(1, n + 1)) / 52.0
    y = random.negative_binomial(3, 0.3, (3, n)) + 1.0
    prior, offset = random.uniform(0.2, 3.0, (3, n)), np.log(random.uniform(50, 100, (3, n)))
    model = fit(Design(level, time, levels - 1), y, trend=trend, prior=prior, offset=offset)
    x = np.eye(levels)[level]
    if trend:
        x = np.column_stack([x, time])
    for i in range(3):
        glm = sm.GLM(y[i], x, sm.families.Poisson(), offset=offset[i], var_weights=prior[i]).fit(tol=1e-12)
        np.testing.assert_allclose(model.mean[i], glm.fittedvalues, rtol=1e-4)
        assert model.pearson(y)[i] == pytest.approx(glm.pearson_chi2 / glm.df_resid, rel=1e-4)
        np.testing.assert_allclose(model.hat()[i], glm.get_hat_matrix_diag(observed=False), rtol=1e-3)
        point = np.append(np.eye(levels)[levels - 1], 0.0) if trend else np.eye(levels)[levels - 1]
        assert model.now()[1][i] == pytest.approx(float(point @ glm.normalized_cov_params @ point), rel=1e-3)


@settings(max_examples=60, deadline=None)
@given(st.floats(1e-3, 500), st.floats(1.0, 30), st.sampled_from([0.9, 0.95, 0.99, 0.995]))
def test_the_quantile_is_the_first_count_with_enough_below_it(mean: float, phi: float, probability: float) -> None:
    count = float(nb_quantile(probability, np.array([mean]), np.array([phi]))[0])
    above = float(nb_upper_tail(np.array([count + 1]), np.array([mean]), np.array([phi]))[0])
    at = float(nb_upper_tail(np.array([count]), np.array([mean]), np.array([phi]))[0])
    assert above <= 1 - probability + 1e-9
    assert count == 0 or at > 1 - probability - 1e-9


def test_the_published_c3_hears_this_week_the_installed_one_does_not() -> None:
    calm = np.tile([3.0, 4, 5, 4, 3, 5, 4], 4)[None, :]
    wild = calm.copy()
    wild[0, -1] = 100
    series = SeriesSet(("x",), wild)
    assert method("ears_c3_published").detect(series, from_index=27).alarm[0, 0]
    assert not method("ears_c3").detect(series, from_index=27).alarm[0, 0]


def test_a_reset_chart_is_quiet_again_after_the_outbreak() -> None:
    counts = np.tile([2.0, 3, 4, 3], 40)[None, :].copy()
    counts[0, 100:104] = 15
    series = SeriesSet(("x",), counts)
    ever = method("cusum").detect(series, from_index=80).alarm[0]
    again = method("cusum_reset").detect(series, from_index=80).alarm[0]
    assert again[20:24].all()
    assert not again[24:].any()
    assert ever[24:].sum() > 10


def test_the_fixed_threshold_rolls() -> None:
    series = SeriesSet(("x",), np.array([[0.0, 4, 3, 0, 2, 5, 0]]), Frequency.DAILY)
    found = method("fixed").with_text({"threshold": "7", "window": "3"}).detect(series)
    assert found.alarm[0].tolist() == [False, False, True, False, False, True, False]


def test_china_percentile_of_a_known_year() -> None:
    counts = np.zeros((1, 5 * 52 + 3))
    reference = [260 + 2 - 52 * year + step for year in range(1, 6) for step in range(-2, 3)]
    counts[0, reference] = np.arange(1, 26)
    counts[0, 262] = 21
    found = method("percentile_p80").detect(SeriesSet(("x",), counts), from_index=262)
    assert found.bound[0, 0] == pytest.approx(20.2)  # linear between the 20th and 21st of 25 values
    assert found.alarm[0, 0]


@pytest.mark.parametrize("frequency", list(Frequency))
def test_every_rung_can_be_stood_on(frequency: Frequency) -> None:
    for history in range(ladder.LEAST, 6 * int(frequency), max(1, int(frequency) // 9)):
        series = SeriesSet(("x",), np.random.default_rng(history).poisson(5.0, (1, history + 1)) * 1.0, frequency)
        step = ladder.rung(history, frequency)
        found = method("ladder").detect(series, from_index=history)
        assert found.observed.shape == (1, 1), step


def test_the_ladder_judges_each_period_by_its_own_history() -> None:
    """The first ten weeks of a feed, its third year and its sixth are each what their rung says alone."""
    series = SeriesSet(("x",), np.random.default_rng(2).poisson(5.0, (1, 300)) * 1.0)
    whole = method("ladder").detect(series, from_index=ladder.LEAST)
    assert list(whole.periods) == list(range(3, 300))
    for at, name, chosen in (
        (8, "cusum_reset", {}), (100, "ears_c2", {"min_sigma": "0.5"}), (200, "bayes3", {}),
        (280, "flex_noufaily", {"calendar": "no"}),
    ):  # fmt: skip
        begun = 3 if name == "cusum_reset" else at  # a chart goes on from where it began
        alone = method(name).with_text(chosen).detect(series.until(at + 1), from_index=begun)
        assert whole.bound[0, at - 3] == pytest.approx(alone.bound[0, -1], nan_ok=True), name
        assert whole.alarm[0, at - 3] == alone.alarm[0, -1]


@pytest.mark.parametrize(
    ("counts", "message"),
    [([[1.0, -1.0]], "negative"), ([[1.0, np.nan]], "missing"), ([[]], "no period")],
)
def test_what_is_not_a_count_is_refused(counts: list[list[float]], message: str) -> None:
    with pytest.raises(Invalid, match=message):
        SeriesSet(("x",), np.array(counts))


def test_weeks_must_follow_each_other() -> None:
    days = np.array(["2024-01-01", "2024-01-08", "2024-01-22"], dtype="datetime64[D]")
    with pytest.raises(Invalid, match="2024-01-08 is followed by a gap"):
        SeriesSet(("x",), np.ones((1, 3)), starts=days)


def test_too_little_history_says_how_much() -> None:
    with pytest.raises(TooLittleHistory, match="needs 263 periods"):
        method("flex_noufaily").detect(some(1, 1), from_index=100)


def test_settings_are_read_by_our_names_and_by_those_of_r() -> None:
    ours = method("flex_default").with_text({"levels": "10", "skip": "26", "threshold": "nbPlugin", "alpha": "0.01"})
    theirs = method("flex_default").with_text(
        {"noPeriods": "10", "pastWeeksNotIncluded": "26", "thresholdMethod": "nbPlugin", "alpha": "0.01"}
    )
    assert ours.settings == theirs.settings
    with pytest.raises(Invalid, match="no setting lambda"):
        method("flex_default").with_text({"lambda": "1"})
    with pytest.raises(Invalid, match="expected 2/3, 1/2, none"):
        method("flex_default").with_text({"power": "3/2"})
