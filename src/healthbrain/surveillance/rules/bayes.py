"""Bayes 1-3 (Riebler 2004, thesis; Höhle 2007, Comput Stat 22:571): the predictive quantile of comparable counts.

Poisson counts with Jeffreys' prior on the mean: after n reference counts with sum s the next count is negative
binomial with size s + 1/2 and probability n/(n + 1). Alarm above its 1 - alpha quantile.
"""

from __future__ import annotations

from dataclasses import dataclass

from healthbrain.kernel.errors import Invalid
from healthbrain.surveillance.rules.comparable import reference_counts
from healthbrain.surveillance.rules.quantiles import nb_quantile, nb_upper_tail
from healthbrain.surveillance.rules.series import Detection, SeriesSet


@dataclass(frozen=True)
class BayesSettings:
    """Bayes 1: the last 6 periods. 2: (b=1) also 13 of last year. 3: (b=2, w=4, not this_year) 18 of two years."""

    b: int = 0
    w: int = 6
    this_year: bool = True
    alpha: float = 0.05

    def __post_init__(self) -> None:
        if self.b < 0 or self.w < 1 or (self.b == 0 and not self.this_year) or not 0 < self.alpha < 1:
            raise Invalid("Bayes: b >= 0 (>= 1 without this year), w >= 1 and 0 < alpha < 1 are needed.")


def bayes(series: SeriesSet, *, from_index: int, settings: BayesSettings) -> Detection:
    periods, past = reference_counts(
        series, from_index, b=settings.b, w=settings.w, this_year=settings.this_year, method="Bayes"
    )
    n = past.shape[2]
    mean = (past.sum(2) + 0.5) / n
    bound = nb_quantile(1.0 - settings.alpha, mean, 1.0 + 1.0 / n)
    observed = series.counts[:, periods]
    pvalue = nb_upper_tail(observed, mean, 1.0 + 1.0 / n)
    return Detection("Bayes", periods, observed, mean, bound, observed > bound, pvalue)
