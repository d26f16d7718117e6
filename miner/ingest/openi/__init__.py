"""The Indiana University collection (NLM Open-i), in three layouts."""
