"""Objectives that pull an image and its report together, globally and locally."""
