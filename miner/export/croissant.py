"""Croissant 1.0 metadata (MLCommons): files with their hashes, and the columns of each configuration."""

from collections.abc import Mapping
from typing import Any

import pyarrow as pa

from cxr.miner.benchmark.manifest import Manifest
from cxr.miner.export.card import about, meaning, terms_of
from cxr.miner.export.parquet import IMAGE

# Croissant's words, each under its own name in the vocabulary.
_WORDS = (
    "citeAs", "column", "equivalentProperty", "extract", "field", "fileProperty", "fileObject", "fileSet", "format",
    "includes", "isLiveDataset", "jsonPath", "key", "md5", "parentField", "path", "recordSet", "references", "regex",
    "repeated", "replace", "samplingRate", "separator", "source", "subField", "transform",
)  # fmt: skip
_CONTEXT = {
    "@language": "en",
    "@vocab": "https://schema.org/",
    "cr": "http://mlcommons.org/croissant/",
    "rai": "http://mlcommons.org/croissant/RAI/",
    "dct": "http://purl.org/dc/terms/",
    "sc": "https://schema.org/",
    "conformsTo": "dct:conformsTo",
    "data": {"@id": "cr:data", "@type": "@json"},
    "dataType": {"@id": "cr:dataType", "@type": "@vocab"},
    "examples": {"@id": "cr:examples", "@type": "@json"},
    **{word: f"cr:{word}" for word in _WORDS},
}


def croissant(
    manifest: Manifest, columns: Mapping[str, pa.Schema], hashes: Mapping[str, str], *, embedded: bool
) -> dict[str, Any]:
    """Describe an export; `columns` by mode, `hashes` are the SHA-256 of its Parquet files by name.

    `embedded` says whether they hold the images themselves.
    """
    terms = sorted({terms_of(row["corpus"]) for row in manifest.corpora})
    return {
        "@context": _CONTEXT,
        "@type": "sc:Dataset",
        "conformsTo": "http://mlcommons.org/croissant/1.0",
        "name": manifest.name,
        "description": f"{about()}. Licence tag: {manifest.licence}.",
        "license": "; ".join(terms),
        "version": f"1.0.0+{manifest.fingerprint[:12]}",
        "isLiveDataset": False,
        "citeAs": "ChestX-Reasoner, arXiv 2504.20930",
        "url": "https://arxiv.org/abs/2504.20930",
        "distribution": [*_file_objects(hashes), *_file_sets(columns)],
        "recordSet": [_record_set(mode, schema, embedded=embedded) for mode, schema in columns.items()],
    }


def _file_objects(hashes: Mapping[str, str]) -> list[dict[str, Any]]:
    return [
        {
            "@type": "cr:FileObject",
            "@id": name,
            "name": name,
            "contentUrl": name,
            "encodingFormat": "application/x-parquet",
            "sha256": sha256,
        }
        for name, sha256 in hashes.items()
    ]


def _file_sets(columns: Mapping[str, pa.Schema]) -> list[dict[str, Any]]:
    """Return the files of each mode as they lie beside the description.

    They are contained in nothing: mlcroissant takes what a set is contained in for an archive, and reads no rows of it.
    """
    return [
        {
            "@type": "cr:FileSet",
            "@id": f"{mode}-files",
            "name": f"{mode}-files",
            "encodingFormat": "application/x-parquet",
            "includes": f"{mode}/*.parquet",
        }
        for mode in columns
    ]


def _record_set(mode: str, schema: pa.Schema, *, embedded: bool) -> dict[str, Any]:
    return {
        "@type": "cr:RecordSet",
        "@id": mode,
        "name": mode,
        "key": {"@id": f"{mode}/sample_id"},
        "field": [_field(mode, field, embedded=embedded) for field in schema],
    }


def _field(mode: str, field: pa.Field, *, embedded: bool) -> dict[str, Any]:
    """Describe a column; one of images is the images where they are embedded, and else their paths."""
    kind, repeated = field.type, False
    if pa.types.is_list(kind):
        kind, repeated = kind.value_type, True
    identity = f"{mode}/{field.name}"
    source: dict[str, Any] = {"fileSet": {"@id": f"{mode}-files"}, "extract": {"column": field.name}}
    made: dict[str, Any] = {
        "@type": "cr:Field",
        "@id": identity,
        "name": field.name,
        "description": meaning(field.name),
        "source": source,
    }
    if repeated:
        made["repeated"] = True
    if kind == IMAGE:
        part, made["dataType"] = ("bytes", "sc:ImageObject") if embedded else ("path", "sc:Text")
        made["source"] = {**source, "transform": {"jsonPath": part}}
    elif pa.types.is_struct(kind):
        made["subField"] = [
            {
                "@type": "cr:Field",
                "@id": f"{identity}/{part.name}",
                "name": part.name,
                "dataType": "sc:Text",
                "source": {**source, "transform": {"jsonPath": part.name}},
                **({"repeated": True} if pa.types.is_list(part.type) else {}),
            }
            for part in kind
        ]
    else:
        made["dataType"] = "sc:Float" if kind == pa.float64() else "sc:Text"
    return made
