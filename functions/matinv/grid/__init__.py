"""One matrix over many processes: ScaLAPACK in the middle, slabs of rows at both ends."""
