"""Label Studio: reasoning samples as tasks for radiologists' review, with the three axes of the paper (section 2)."""

from pathlib import Path

from cxr.miner.benchmark.settings import Mode
from cxr.miner.export.jsonl import write_rows_as_json
from cxr.miner.export.registry import ExportFormat
from cxr.miner.export.rows import Benchmark, modes_of, whole
from cxr.miner.export.settings import ExportSettings

# Scores from -10 to 10, as in the paper; chains below 5 on an axis are left out of a benchmark.
CONFIG = """<View>
  <Header value="$corpus, $task"/>
  <Image name="image" value="$image"/>
  <Image name="second" value="$second_image"/>
  <Text name="question" value="$question"/>
  <Text name="answer" value="$answer"/>
  <Text name="reasoning" value="$reasoning"/>
  <Text name="report" value="$report"/>
  <Header value="Factuality: is every step right?"/>
  <Number name="factuality" toName="reasoning" min="-10" max="10" step="1" required="true"/>
  <Header value="Validity: does it lead to the answer as a radiologist would reason?"/>
  <Number name="validity" toName="reasoning" min="-10" max="10" step="1" required="true"/>
  <Header value="Completeness: is nothing that matters left out?"/>
  <Number name="completeness" toName="reasoning" min="-10" max="10" step="1" required="true"/>
  <TextArea name="comment" toName="reasoning" rows="2"/>
</View>
"""

_SELECT = """
    select {'chain_id': chain_id, 'sample_id': sample_id, 'corpus': corpus, 'task': task, 'licence': licence,
            'image': coalesce(images[1], ''), 'second_image': coalesce(images[2], ''), 'question': question,
            'answer': if(len(options) > 0, answer || ') ' || answer_text, answer),
            'reasoning': array_to_string(steps, chr(10)), 'report': coalesce(report, '')} as data
    from samples
"""


def write(benchmark: Benchmark, split: str, folder: Path, settings: ExportSettings) -> list[tuple[Path, int]]:
    """Write `<split>.json`, a list of tasks, and `config.xml`, the labeling interface."""
    if Mode.REASONING not in modes_of(benchmark, split, settings):
        return []
    (folder / "config.xml").write_text(CONFIG, encoding="utf-8")
    table = whole(benchmark, split, Mode.REASONING, settings, _SELECT)
    path = folder / f"{split}.json"
    write_rows_as_json(table, path, array=True)
    return [(path, table.num_rows)]


FORMAT = ExportFormat(write)
