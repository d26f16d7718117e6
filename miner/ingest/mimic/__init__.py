"""MIMIC-CXR with MIMIC-CXR-JPG, and MS-CXR-T, which says how findings changed between its studies."""
