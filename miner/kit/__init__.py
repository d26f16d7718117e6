"""What every room needs and no stage owns: errors, console, JSON Lines, parallel work, settings, SQL in files.

Imports schemas and nothing else of ours; everybody may import it.
"""
