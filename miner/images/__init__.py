"""Image files: facts from their headers, checks in parallel, and pixels as models want them.

Imports kit and store; called by ingest, predict, train and the command line.
"""
