"""The tests: one file per room or command; shared helpers are imported from here."""
