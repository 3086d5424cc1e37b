"""A client's ports over the HTTP API, for those who may call its URL and nothing else.

What the API does itself, the record of a job that was submitted, is not written again from here.
What it does not offer is not there.
"""
