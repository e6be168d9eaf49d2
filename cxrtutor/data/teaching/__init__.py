"""The embedded default: real anatomy, simulated disease, known truth."""
