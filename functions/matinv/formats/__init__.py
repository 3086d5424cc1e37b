"""How matrices are written: .npy files and JSON, read strictly and written back to the last bit."""
