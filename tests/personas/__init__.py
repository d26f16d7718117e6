"""Model servers as they are met: what each refuses, in which words, and in what shape it answers.

`persona` says what a persona is; other modules hold them as data, with what they refuse in `refusing`; `model` answers
what is asked, `server` serves, and `world` is what they are met with. `python -m tests.personas` meets them all.
"""

from tests.personas import clouds, desktop, openai, routers, vllm, weather, wordings, wrappings
from tests.personas.persona import Persona

PERSONAS: tuple[Persona, ...] = (
    *openai.OPENAI,
    *openai.AZURE,
    *clouds.CLOUDS,
    *routers.ROUTERS,
    *vllm.VLLM,
    *desktop.DESKTOP,
    *wordings.WORDINGS,
    *wrappings.WRAPPINGS,
    *weather.PASSING,
    *weather.CHANGING,
    *weather.ERRING,
    *weather.SHAPES,
    *weather.ADDRESSES,
    *weather.STOPPING,
)
