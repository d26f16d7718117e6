"""The commands of the training room: each parses, calls one function and prints what came back."""
