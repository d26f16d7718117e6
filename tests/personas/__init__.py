"""Model servers as they are met: what each refuses, in which words, and in what shape it answers.

`persona` says what a persona is; `hosted`, `own` and `habits` hold them as data, with what they refuse in `refusing`;
`model` answers what is asked, and `server` serves.
"""

from tests.personas import habits, hosted, own
from tests.personas.persona import Persona

PERSONAS: tuple[Persona, ...] = (
    *hosted.OPENAI,
    *hosted.CLOUDS,
    *hosted.ROUTERS,
    *own.VLLM,
    *own.DESKTOP,
    *habits.HABITS,
)
