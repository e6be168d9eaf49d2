"""What the exercises of several chapters compute: written here again, and independently of the rooms."""

from __future__ import annotations

import numpy as np


def softmax(scores: np.ndarray) -> np.ndarray:
    powers = np.exp(scores - scores.max(axis=0))
    return powers / powers.sum(axis=0)


def log_sum_exp(values: np.ndarray) -> float:
    return float(values.max() + np.log(np.exp(values - values.max()).sum()))


def cosine_of(a: np.ndarray, b: np.ndarray) -> float:
    return float(a @ b / (np.linalg.norm(a) * np.linalg.norm(b)))


def matching(table: np.ndarray) -> float:
    return float(np.mean(np.logaddexp.reduce(table, axis=1) - np.diag(table)))


def entropy(shares: np.ndarray) -> float:
    return -sum(share * np.log(share) for share in shares if share > 0)
