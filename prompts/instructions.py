"""The two instruction formats of training and evaluation (paper, section 6.2), word for word."""

SYSTEM = "You are a helpful AI assistant."
ASK_WITH_REASONING = (
    "Please think step by step, and enclose the answer within <answer></answer> "
    "and the reasoning processes within <think></think>."
)
ASK_FOR_ANSWER = "Please enclose the answer within <answer></answer>"
