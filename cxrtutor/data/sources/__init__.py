"""Readers of real data, one file a set: from what its owner ships to studies and reports of ours."""
