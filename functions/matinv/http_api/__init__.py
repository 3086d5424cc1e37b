"""The HTTP API: the function's URL, or an HTTP API of API Gateway (payload format 2.0)."""
