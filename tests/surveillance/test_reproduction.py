"""Reproduction number, forecast and nowcast against hand calculation and simulation."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import gamma

from healthbrain.kernel.errors import Invalid
from healthbrain.surveillance.rules.forecast import forecast
from healthbrain.surveillance.rules.nowcast import nowcast
from healthbrain.surveillance.rules.reproduction import infectiousness, reproduction, serial_interval


def test_cori_posterior_by_hand():
    """Cases 1, 2, 4, 6, 5 and w = (0, 0.5, 0.3, 0.2), window of 2 days ending on day 4.

    Λ(3) = 0.5·4 + 0.3·2 + 0.2·1 = 2.8, Λ(4) = 0.5·6 + 0.3·4 + 0.2·2 = 4.6.
    Posterior: shape 1 + 6 + 5 = 12, scale 1 / (1/5 + 7.4) = 0.131579, mean 1.578947.
    """
    cases = np.array([1, 2, 4, 6, 5.0])
    interval = np.array([0, 0.5, 0.3, 0.2])
    assert infectiousness(cases, interval)[3:] == pytest.approx([2.8, 4.6])
    found = reproduction(cases, interval, window=2)
    assert found.last.tolist() == [2, 3, 4]
    assert (found.shape[-1], found.scale[-1]) == pytest.approx((12.0, 0.1315789))
    assert found.mean[-1] == pytest.approx(1.578947, rel=1e-6)
    assert found.low[-1] == pytest.approx(gamma.ppf(0.025, 12, scale=0.1315789), rel=1e-5)
    assert found.high[-1] == pytest.approx(gamma.ppf(0.975, 12, scale=0.1315789), rel=1e-5)
    assert found.reliable.tolist() == [False, False, True]


def test_imported_cases_infect_but_were_not_infected_here():
    cases, interval = np.array([5.0, 0, 3, 2]), np.array([0, 1.0])
    imported = np.array([5.0, 0, 3, 0])
    found = reproduction(cases, interval, window=1, imported=imported)
    assert found.shape.tolist() == [1.0, 1.0, 3.0]
    assert found.scale[-1] == pytest.approx(1 / (0.2 + 3))


def test_serial_interval_has_its_moments_and_agrees_with_integration():
    w = serial_interval(4.0, 2.0)
    days = np.arange(len(w))
    assert w[0] == 0
    assert w.sum() == pytest.approx(1)
    assert (w * days).sum() == pytest.approx(4.0, abs=0.01)
    # Cori's discretisation: the shifted gamma smoothed by a triangle of one day on each side.
    a, b = (3 / 2) ** 2, 4 / 3
    x = np.linspace(0, 60, 600_001)
    density = gamma.pdf(x - 1, a, scale=b)
    for k in (1, 3, 6):
        weight = np.maximum(1 - np.abs(x - k), 0)
        assert w[k] == pytest.approx(np.trapezoid(weight * density, x), abs=1e-4)


def test_reproduction_number_of_a_simulated_epidemic_is_inside_its_interval():
    rng = np.random.default_rng(1)
    interval = serial_interval(3.0, 1.5, 15)
    inside = 0
    for _ in range(100):
        cases = np.zeros(40)
        cases[:3] = 20
        for day in range(3, 40):
            cases[day] = rng.poisson(1.15 * (cases[max(0, day - 15) : day][::-1] @ interval[1 : min(day, 15) + 1]))
        found = reproduction(cases, interval, window=7)
        inside += found.low[-1] <= 1.15 <= found.high[-1]
    assert inside >= 88


def test_forecast_covers_what_then_happens():
    rng = np.random.default_rng(2)
    interval = serial_interval(3.0, 1.5, 15)
    covered = 0
    for run in range(60):
        cases = np.zeros(37)
        cases[:3] = 25
        for day in range(3, 37):
            cases[day] = rng.poisson(1.1 * (cases[max(0, day - 15) : day][::-1] @ interval[1 : min(day, 15) + 1]))
        past = cases[:30]
        ahead = forecast(past, interval, reproduction(past, interval), days=7, seed=run, draws=600)
        covered += ahead.total[0] <= cases[30:].sum() <= ahead.total[2]
    assert covered >= 47  # 90 % of 60 is 54; three standard errors are 7


def test_forecast_refuses_what_nobody_can_know():
    cases, interval = np.full(20, 5.0), serial_interval(3.0, 1.5)
    with pytest.raises(Invalid):
        forecast(cases, interval, reproduction(cases, interval), days=60, seed=1)
    with pytest.raises(Invalid):
        serial_interval(0.5, 1.0)


def triangle(rng, totals, delays):
    full = np.stack([rng.multinomial(int(t), delays) for t in totals]).astype(float)
    seen = np.arange(full.shape[1])[None, :] <= np.arange(len(full) - 1, -1, -1)[:, None]
    return full, np.where(seen, full, np.nan)


def test_nowcast_is_right_on_average_and_its_intervals_hold():
    rng = np.random.default_rng(3)
    delays = np.array([0.2, 0.3, 0.2, 0.15, 0.1, 0.05])
    inside, error = 0, []
    for _ in range(150):
        full, seen = triangle(rng, rng.poisson(30, 40), delays)
        found = nowcast(seen)
        truth = full.sum(1)
        assert found.expected[:30] == pytest.approx(truth[:30])
        inside += int((found.low[-4:] <= truth[-4:]).sum() - (truth[-4:] > found.high[-4:]).sum())
        error.append((found.expected[-4:] - truth[-4:]) / 30)
    assert inside / 600 >= 0.85
    # The half case a day gets before anything is reported is (1 - p) / p / 2 cases too many on the newest days.
    within = np.cumsum(delays)[3::-1]
    assert np.mean(error, axis=0) == pytest.approx((1 - within) / within / 2 / 30, abs=0.04)


def test_nowcast_by_hand():
    """Delays 0 and 1: day 0 has 3 + 1, day 1 has 5 + 3, day 2 has 6 so far: hazard 4 of 12, share 2/3, 9 expected."""
    found = nowcast(np.array([[3, 1.0], [5, 3.0], [6, np.nan]]))
    assert found.share[-1] == pytest.approx(1 - 4.01 / 13.0)
    assert found.expected[-1] == pytest.approx(6 + 6.5 * (4.01 / 13.0) / (1 - 4.01 / 13.0))
    assert found.expected[:2].tolist() == [4, 8]
