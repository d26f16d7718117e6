"""Model servers as they are met: what each refuses, in which words, and in what shape it answers.

`persona` says what a persona is, `vendors` and `habits` hold them as data, `model` answers what is asked, `server` serves.
"""

from tests.personas.persona import Persona
from tests.personas.vendors import OPENAI, OTHERS

PERSONAS: tuple[Persona, ...] = (*OPENAI, *OTHERS)
