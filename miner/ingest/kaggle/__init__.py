"""The two Kaggle challenges on chest images: RSNA pneumonia and SIIM pneumothorax."""
