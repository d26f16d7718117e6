"""From the files that a data owner ships to frames ready for the store."""
