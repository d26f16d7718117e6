"""`cxr ingest csv`: somebody's own CSV, as the options, a TOML file and the names of its columns say."""

from pathlib import Path
from typing import Annotated

import typer

from cxr.miner.ingest.corpus import Ingested, Reader
from cxr.miner.ingest.csv.mapping import csv_settings
from cxr.miner.ingest.csv.reader import read_csv_corpus
from cxr.miner.pack.corpora import Corpus, corpora
from cxr.schemas.vocabulary import Licence


def _read(
    path: Annotated[Path, typer.Argument(help="A CSV with a row per study, or per image.")],
    name: Annotated[str | None, typer.Option(help="What to call the corpus.")] = None,
    map_: Annotated[
        list[str] | None, typer.Option("--map", metavar="FIELD=COLUMN", help="Which column holds what; repeat it.")
    ] = None,
    mapping: Annotated[
        Path | None, typer.Option(help="A TOML file with name, licence, labeler, date_format and [columns].")
    ] = None,
    licence: Annotated[str | None, typer.Option(help="public or credentialed (the default).")] = None,
    labeler: Annotated[
        str | None, typer.Option(help="Whose labels the label columns hold, e.g. radiologist; default corpus.")
    ] = None,
    date_format: Annotated[str | None, typer.Option(help="Of study_datetime, e.g. %d.%m.%Y; default ISO 8601.")] = None,
    image_root: Annotated[
        Path | None, typer.Option(help="The folder that image paths are relative to; default: the CSV's.")
    ] = None,
) -> Ingested:
    chosen = csv_settings(mapping, map_ or (), name=name, licence=licence, labeler=labeler, date_format=date_format)
    return read_csv_corpus(
        path,
        chosen.columns,
        chosen.name,
        chosen.licence,
        labeler=chosen.labeler,
        date_format=chosen.date_format,
        image_root=image_root,
    )


OWN = Corpus(slug="csv", title="your own reports", licence=Licence.CREDENTIALED)
"""What holds for a pack that says nothing of it; name and licence are the user's in any case."""

CORPUS = Reader(corpora().get("csv", OWN), _read)
