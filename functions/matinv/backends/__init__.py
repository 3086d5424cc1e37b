"""Homes of matrices, records and messages: AWS, the HTTP API, or memory."""
