"""What can be changed in a source: one small change at a time. Pure."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from typing import NamedTuple

_COMPARISONS: dict[type[ast.cmpop], tuple[type[ast.cmpop], ...]] = {
    ast.Lt: (ast.LtE, ast.GtE),
    ast.LtE: (ast.Lt, ast.Gt),
    ast.Gt: (ast.GtE, ast.LtE),
    ast.GtE: (ast.Gt, ast.Lt),
    ast.Eq: (ast.NotEq,),
    ast.NotEq: (ast.Eq,),
    ast.Is: (ast.IsNot,),
    ast.IsNot: (ast.Is,),
    ast.In: (ast.NotIn,),
    ast.NotIn: (ast.In,),
}
_ARITHMETIC: dict[type[ast.operator], type[ast.operator]] = {
    ast.Add: ast.Sub,
    ast.Sub: ast.Add,
    ast.Mult: ast.FloorDiv,
    ast.Div: ast.Mult,
    ast.FloorDiv: ast.Mult,
    ast.Mod: ast.Mult,
    ast.BitAnd: ast.BitOr,
    ast.BitOr: ast.BitAnd,
    ast.LShift: ast.RShift,
    ast.RShift: ast.LShift,
}
_QUIET = ("debug", "info", "notice")  # what is logged so is no behaviour that anyone relies on


class Mutant(NamedTuple):
    """One change of a source.

    Attributes:
        operator: "comparison", "boolean", "constant", "return", "call" or "arithmetic".
        line: where it begins, from 1.
        begin, end: which characters of the source it replaces.
        text: by what.
    """

    operator: str
    line: int
    begin: int
    end: int
    text: str

    def applied(self, source: str) -> str:
        """Return the changed source."""
        return source[: self.begin] + self.text + source[self.end :]


def mutants(source: str) -> list[Mutant]:
    """Return every change of a source, in its order."""
    starts = [0]
    for line in source.splitlines(keepends=True):
        starts.append(starts[-1] + len(line.encode()))
    data = source.encode()

    def place(line: int, column: int) -> int:
        return len(data[: starts[line - 1] + column].decode())

    found = []
    for operator, node, text in _changes(ast.parse(source)):
        begin = place(node.lineno, node.col_offset)
        end = place(node.end_lineno or 0, node.end_col_offset or 0)
        found.append(Mutant(operator, node.lineno, begin, end, text))
    return sorted(set(found), key=lambda mutant: (mutant.begin, mutant.end, mutant.text))


def _changes(tree: ast.Module) -> Iterator[tuple[str, ast.expr | ast.stmt, str]]:
    for node in _behaviour(tree):
        match node:
            case ast.Compare(ops=[op]):
                for other in _COMPARISONS[type(op)]:
                    text = ast.unparse(ast.Compare(node.left, [other()], node.comparators))
                    yield "comparison", node, f"({text})"
            case ast.BoolOp():
                swapped = ast.And() if isinstance(node.op, ast.Or) else ast.Or()
                yield "boolean", node, f"({ast.unparse(ast.BoolOp(swapped, node.values))})"
                for place in range(len(node.values)):
                    left = node.values[:place] + node.values[place + 1 :]
                    text = ast.unparse(left[0] if len(left) == 1 else ast.BoolOp(node.op, left))
                    yield "boolean", node, f"({text})"
            case ast.UnaryOp(op=ast.Not()):
                yield "boolean", node, f"({ast.unparse(node.operand)})"
            case ast.Constant(value=bool() as flag):
                yield "constant", node, str(not flag)
            case ast.Constant(value=int() | float() as number):
                yield "constant", node, repr(number + 1)
            case ast.Return(value=ast.Constant(value=None)):
                yield "return", node, "return False"
            case ast.Return(value=ast.expr() as value) if not isinstance(value, ast.Constant):
                yield "return", node, "return None"
            case ast.Expr(value=ast.Call() as call) if not _is_quiet(call):
                yield "call", node, "pass"
            case ast.BinOp() if type(node.op) in _ARITHMETIC:
                other_op = _ARITHMETIC[type(node.op)]()
                yield "arithmetic", node, f"({ast.unparse(ast.BinOp(node.left, other_op, node.right))})"
            case ast.AugAssign() if type(node.op) in _ARITHMETIC:
                other_op = _ARITHMETIC[type(node.op)]()
                yield "arithmetic", node, ast.unparse(ast.AugAssign(node.target, other_op, node.value))


def _behaviour(node: ast.AST) -> Iterator[ast.AST]:
    """Yield the nodes inside functions, without annotations and what only formats text."""
    for name, value in ast.iter_fields(node):
        if name in ("annotation", "returns", "decorator_list", "type_params"):
            continue
        for child in value if isinstance(value, list) else [value]:
            if not isinstance(child, ast.AST) or isinstance(child, (ast.Assert, ast.JoinedStr)):
                continue
            if isinstance(node, (ast.Module, ast.ClassDef)) and not isinstance(
                child, (ast.ClassDef, ast.FunctionDef)
            ):
                continue  # numbers that were chosen, type aliases, fields
            yield child
            yield from _behaviour(child)


def _is_quiet(call: ast.Call) -> bool:
    function = call.func
    return (
        isinstance(function, ast.Attribute)
        and isinstance(function.value, ast.Name)
        and function.value.id == "logger"
        and function.attr in _QUIET
    )
