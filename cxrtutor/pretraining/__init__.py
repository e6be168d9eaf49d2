"""The training loop, and what makes a long one safe to interrupt."""
