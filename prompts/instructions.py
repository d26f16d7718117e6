"""The two instruction formats of training and evaluation (paper, section 6.2), word for word."""

SYSTEM = "You are a helpful AI assistant."
ASK_WITH_REASONING = (
    "Please think step by step, and enclose the answer within <answer></answer> "
    "and the reasoning processes within <think></think>."
)
ASK_FOR_ANSWER = "Please enclose the answer within <answer></answer>"


def instruct(question: str, *, reasoning: bool) -> str:
    """Give the user's turn: the question, and how it is to be answered; images are put before it by the trainer."""
    return f"{question} {ASK_WITH_REASONING if reasoning else ASK_FOR_ANSWER}"


def complete(answer: str, reasoning: str | None = None) -> str:
    """Give the turn that a model should write: the answer, after the reasoning if there is any."""
    answered = f"<answer> {answer} </answer>"
    return answered if reasoning is None else f"<think> {reasoning} </think>{answered}"
