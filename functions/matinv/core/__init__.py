"""Numbers only: formats, limits, inversion, certificates. No AWS, no environment, no clock."""
