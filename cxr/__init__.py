"""Mine radiologists' reasoning out of reports, train vision-language models on it, and evaluate them."""
