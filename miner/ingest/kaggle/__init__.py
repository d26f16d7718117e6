"""Two Kaggle challenges whose rows are single images: RSNA and SIIM."""
