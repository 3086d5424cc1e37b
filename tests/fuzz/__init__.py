"""Fuzzing led by coverage: what comes from outside is read, or refused by a documented code."""
