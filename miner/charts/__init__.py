"""Charts as inline SVG that themes and print can recolour, and the data that they show as a table.

Imports kit; called by report and trainer.train.
"""
