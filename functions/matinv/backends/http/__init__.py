"""A client's ports over the HTTP API, for those who may call its URL and nothing else.

The API itself writes the record of a job that was submitted: it is not written again from here.
The ports lack what the API does not offer.
"""
