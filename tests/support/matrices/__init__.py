"""Matrices by name: galleries, families, and those whose inverse is known exactly."""
