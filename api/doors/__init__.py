"""Doors: the same engine behind interfaces that other programs already speak."""
