"""What is about one modality, as data: `chest_xray/`, its loader and its checks."""
