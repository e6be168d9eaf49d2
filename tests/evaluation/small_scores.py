"""Presence scores as tests need them."""

import numpy as np

from cxrtutor.evaluation.presence_scores import PresenceScores


def scored(scores, present, split="test", findings=None):
    """Scores and truth of made-up studies, one patient each."""
    scores, present = np.asarray(scores, float), np.asarray(present, bool)
    ids = tuple(f"s{row}" for row in range(len(scores)))
    names = tuple(findings or (f"finding {column}" for column in range(scores.shape[1])))
    return PresenceScores(scores, present, names, ids, ids, split)
