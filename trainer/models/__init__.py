"""The model families that we train and predict with, and tiny random ones to try things on.

Imports kit; called by train, predict and phantom.
"""
