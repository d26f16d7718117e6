"""Mine radiologists' reasoning out of chest X-ray reports, train vision-language models on it, and evaluate them."""
