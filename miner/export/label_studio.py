"""Label Studio: reasoning samples as tasks for radiologists' review, with the three axes of the paper (section 2).

Images are addresses of its own server, which serves local files below one folder, LOCAL_FILES_DOCUMENT_ROOT, and of
these the ones in a folder that was added to the project as local storage.
"""

import shlex
from collections.abc import Mapping
from pathlib import Path

import polars as pl

from cxr.miner.benchmark.settings import Mode
from cxr.miner.export.card import short_card
from cxr.miner.export.images import folder_of_images, sample_images
from cxr.miner.export.jsonl import write_rows_as_json
from cxr.miner.export.registry import ExportFormat
from cxr.miner.export.rows import Benchmark, modes_of, splits_of, whole
from cxr.miner.export.settings import ExportSettings

SECOND = '  <Image name="second" value="$second_image"/>\n'
# Scores from -10 to 10, as in the paper; chains below 5 on an axis are left out of a benchmark.
CONFIG = f"""<View>
  <Header value="$corpus, $task"/>
  <Image name="image" value="$image"/>
{SECOND}  <Text name="question" value="$question"/>
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

# How its server names a file below its root, `$root`; what is no letter of an address is written by its code.
_IMAGE = """
    coalesce('/data/local-files/?d=' || replace(url_encode(ltrim(
        if(starts_with(images[{place}], $root), substr(images[{place}], length($root) + 1), images[{place}]), '/'
    )), '%2F', '/'), '')
"""

_SELECT = f"""
    select {{'chain_id': chain_id, 'sample_id': sample_id, 'corpus': corpus, 'task': task, 'licence': licence,
            'image': {_IMAGE.format(place=1)}, 'second_image': {_IMAGE.format(place=2)}, 'question': question,
            'answer': if(len(options) > 0, answer || ') ' || answer_text, answer),
            'reasoning': array_to_string(steps, chr(10)), 'report': coalesce(report, '')}} as data
    from samples
"""


_HOW = """\
Tasks for Label Studio: {files}. It serves the images itself, where it is started with

```
export LABEL_STUDIO_LOCAL_FILES_SERVING_ENABLED=true
export LABEL_STUDIO_LOCAL_FILES_DOCUMENT_ROOT={root}
label-studio start
```

In a project with `config.xml` as its labeling interface, add the folder `{images}`
under Settings, Cloud Storage, Add Source Storage, Local Files, and do not sync it: it is only to be served. Then import
the tasks. In a container the images may lie elsewhere: the paths of tasks are relative to the document root. What
reviewers said comes back by `cxr import reviews`."""


def write(benchmark: Benchmark, split: str, folder: Path, settings: ExportSettings) -> list[tuple[Path, int]]:
    """Write `<split>.json`, a list of tasks, and `config.xml`, the labeling interface."""
    if Mode.REASONING not in modes_of(benchmark, split, settings):
        return []
    images = _images(benchmark, settings)
    # An image that no task has would be a place with an error in it.
    some_have_two = images["sample_id"].is_duplicated().any()
    (folder / "config.xml").write_text(CONFIG if some_have_two else CONFIG.replace(SECOND, ""), encoding="utf-8")
    root = _served(images)[0].replace("'", "''")
    table = whole(benchmark, split, Mode.REASONING, settings, _SELECT.replace("$root", f"'{root}'"))
    path = folder / f"{split}.json"
    write_rows_as_json(table, path, array=True)
    return [(path, table.num_rows)]


def describe(benchmark: Benchmark, folder: Path, hashes: Mapping[str, str], settings: ExportSettings) -> None:
    """Write `README.md`: what to set, so that Label Studio shows the images."""
    root, images = _served(_images(benchmark, settings))
    files = ", ".join(f"`{name}`" for name in hashes)
    how = _HOW.format(root=shlex.quote(root or "ROOT"), images=images or "ROOT/FOLDER", files=files)
    (folder / "README.md").write_text(short_card(benchmark.manifest, how), encoding="utf-8")


def _images(benchmark: Benchmark, settings: ExportSettings) -> pl.DataFrame:
    return sample_images(benchmark, splits_of(benchmark, settings), settings)


def _served(images: pl.DataFrame) -> tuple[str, str]:
    """Return the document root and, right below it, the folder of all images: storage has to lie below the root.

    Both are empty where paths are relative: then nobody knows where images lie.
    """
    folder = folder_of_images(images)
    return str(Path(folder).parent) if folder else "", folder


FORMAT = ExportFormat(write, modes=(Mode.REASONING,), describe=describe)
