"""Local alignment of two sequences, smoothed: the Smith-Waterman recurrence with log-sum-exp in the place of max.

Source: T. F. Smith, M. S. Waterman, "Identification of common molecular subsequences", J. Mol. Biol. 147 (1981);
smoothed as in S. Petti et al., "End-to-end learning of multiple sequence alignments with differentiable
Smith-Waterman", Bioinformatics 39 (2023).
"""

import math

import numpy as np

PRESETS = {"S": {"m": 60, "n": 80}, "M": {"m": 400, "n": 500}}


def initialize(m, n):
    rng = np.random.default_rng(3)
    return rng.normal(-0.2, 1.0, (m, n)), rng.uniform(0.5, 1.5, m), rng.uniform(0.5, 1.5, n), 0.7


def soft_alignment(similarity, gap_a, gap_b, temperature):
    """The smoothed score of the best local alignment, given a similarity and the price of a gap at every position."""
    m, n = similarity.shape
    score = np.zeros((m + 1, n + 1))
    for i in range(1, m + 1):
        for j in range(1, n + 1):
            match = score[i - 1, j - 1] + similarity[i - 1, j - 1]
            skip_a = score[i - 1, j] - gap_a[i - 1]
            skip_b = score[i, j - 1] - gap_b[j - 1]
            top = max(0.0, match, skip_a, skip_b)
            total = math.exp(-top / temperature)
            total += math.exp((match - top) / temperature)
            total += math.exp((skip_a - top) / temperature)
            total += math.exp((skip_b - top) / temperature)
            score[i, j] = top + temperature * math.log(total)
    top = np.max(score)
    return top + temperature * np.log(np.sum(np.exp((score - top) / temperature)))
