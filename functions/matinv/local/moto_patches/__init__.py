"""Additions to moto's server where moto differs from AWS; one file per service."""
