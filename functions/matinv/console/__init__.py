"""The console: a page on the loopback interface for those who have a stack.

A small server beside the person's own AWS credentials: `matinv.client` does the work, this package
turns it into JSON, a stream of events and a page without a build step. Nothing of it is in the
Lambda image.
"""
