"""Batch matrix inversion on AWS: a matrix goes in, its inverse comes out with a certificate."""

__version__ = "0.1.0"
