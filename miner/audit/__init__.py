"""What our reader does not know: phrases that it could not read, and labels by others that differ from ours.

Imports score and what lies under it; called by the command line, report and demo.
"""
