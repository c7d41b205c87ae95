"""Numbers of a table that a float cannot hold."""

from __future__ import annotations

from pathlib import Path

from engine import Report, SearchEngine
from indexer import index


def test_no_digit_of_a_long_number_is_lost(tmp_path: Path, empty: SearchEngine) -> None:
    long, longer = str(2**63 - 1), str(2**63)
    path = tmp_path / "set.csv"
    path.write_text(f"caption,id64,id65\nred,{long},{longer}\nblue,-{long},1\n")

    assert index(empty, [path]) == Report(added=2)

    assert empty.find(f"row:{path}#2").metadata == {"id64": 2**63 - 1, "id65": longer}
    assert empty.find(f"row:{path}#3").metadata == {"id64": 1 - 2**63, "id65": "1"}
    assert [hit.item.text for hit in empty.search("red", filter=f"id64 = {long}")] == ["red"]
