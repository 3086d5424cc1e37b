"""Numbers only: inverses, their certificates, and the kernels that compute them."""
