"""Families of matrices that were chosen to break an inversion, each drawn at random."""
