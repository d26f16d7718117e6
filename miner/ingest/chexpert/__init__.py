"""CheXpert, and CheXpert Plus, which adds the reports."""
