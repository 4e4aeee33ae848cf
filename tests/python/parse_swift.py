"""Parses the Swift sources with tree-sitter's grammar, since no Swift compiler is at hand on every machine: says what cannot be read.

    parse_swift.py FOLDER …     every *.swift below the folders, without what a build has put there

It knows the grammar and nothing of types: a file that passes may still not compile.
"""

import sys
from pathlib import Path

import tree_sitter_swift
from tree_sitter import Language, Node, Parser, Tree

BUILT = {".build", "build", "DerivedData"}
# Two things that the generator writes are Swift and not in the grammar: a keyword among an attribute's arguments, and a closure that gives
# nothing. They are read as something of the same length that is.
GAPS = {b"@_documentation(visibility: private)": b" " * 36, b"{ () }": b"{ 0  }"}
PARSER = Parser(Language(tree_sitter_swift.language()))


def faults(tree: Tree) -> list[Node]:
    """The nodes that the parser could not read, or had to make up."""
    found, waiting = [], [tree.root_node]
    while waiting:
        node = waiting.pop()
        if node.is_error or node.is_missing:
            found.append(node)
        elif node.has_error:
            waiting.extend(node.children)
    return sorted(found, key=lambda node: node.start_point)


def sources(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*.swift") if not BUILT & set(path.relative_to(folder).parts))


def main(folders: list[str]) -> int:
    # A parser that takes anything proves nothing.
    for broken in (b"func f( {", b"let a: = 1", b"struct S { var a Int }"):
        assert faults(PARSER.parse(broken)), broken
    files = [path for folder in folders for path in sources(Path(folder))]
    bad = 0
    for path in files:
        text = path.read_bytes()
        for gap, read in GAPS.items():
            text = text.replace(gap, read)
        for node in faults(PARSER.parse(text)):
            line, column = node.start_point
            what = text[node.start_byte : node.end_byte].decode(errors="replace").split("\n")[0][:80]
            print(f"{path}:{line + 1}:{column + 1}: cannot be read: {what!r}")
            bad += 1
    print(f"{len(files)} Swift files, {bad} faults")
    return 1 if bad or not files else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
