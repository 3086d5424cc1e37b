"""Campaigns against the inversion: random hostile matrices, judged by exact arithmetic."""
