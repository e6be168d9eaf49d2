"""The papers as recipes: encoders, projections, objectives and weights."""
