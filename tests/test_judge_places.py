"""A denial at one place says nothing of another; what is left of an old disease is not denied by clear lungs."""

import pytest

from cxr.miner.judge import RulesJudge

TABLE = [
    ("Calcified mediastinal lymph nodes.", "There is no calcification around the hilum.", True),
    ("Calcified mediastinal lymph nodes.", "No calcified hilar nodes.", True),
    ("Calcified hilar nodes.", "No mediastinal calcification.", True),
    ("Hilar lymphadenopathy.", "No mediastinal lymphadenopathy.", True),
    ("Mediastinal adenopathy.", "No axillary adenopathy.", True),
    ("Calcified hilar and mediastinal nodes.", "No calcified hilar nodes.", False),
    ("Calcified lymph nodes.", "No calcified hilar nodes.", False),
    ("Hilar lymphadenopathy.", "No lymphadenopathy.", False),
    ("Sequelae of old granulomatous disease. The lungs are clear.", "Calcified granulomas in the right lung.", True),
    ("Old histoplasmosis. Clear lungs.", "Calcified granulomas are seen.", True),
    ("Old granulomatous disease. Clear lungs.", "A nodule is seen.", False),
    ("The lungs are clear.", "Calcified granulomas are seen.", False),
]


@pytest.mark.parametrize(("report", "said", "factual"), TABLE)
def test_places_and_what_is_left_of_a_disease(report: str, said: str, *, factual: bool) -> None:
    judge = RulesJudge()
    (judged,) = judge.verdicts(report, judge.extract(said))
    assert judged.factual is factual
